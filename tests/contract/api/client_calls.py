"""What a program does with a client that was generated from the description. Runs where that client lives, and prints
what it found as JSON: ``python client_calls.py URL TOKEN``."""

from __future__ import annotations

import json
import sys
from typing import Any, TypeVar

from cpe_manager_client import AuthenticatedClient
from cpe_manager_client.api.backups import list_backups, run_backup
from cpe_manager_client.api.devices import add_device, get_device, list_devices, suspend_device
from cpe_manager_client.api.events import list_events
from cpe_manager_client.api.groups import get_group, put_group
from cpe_manager_client.api.jobs import get_job
from cpe_manager_client.api.problems import get_problem_type
from cpe_manager_client.api.pushes import get_push, push
from cpe_manager_client.api.system import get_system
from cpe_manager_client.models import (
    DeviceBody,
    DeviceView,
    GroupBody,
    GroupView,
    JobView,
    Problem,
    ProblemTypeView,
    PushBody,
    PushBodyChangeType0,
    PushDetailView,
    PushView,
    RunBody,
    SystemView,
)

T = TypeVar("T")


def taken(kind: type[T], answer: object) -> T:
    """The answer, of the kind that the description promises."""
    assert isinstance(answer, kind), answer
    return answer


def refusal(answer: object) -> str:
    problem = taken(Problem, answer)
    return f"{problem.status} {problem.code}"


def main(url: str, token: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with AuthenticatedClient(base_url=url, token=token) as client:
        found["version"] = taken(SystemView, get_system.sync(client=client)).version
        body = DeviceBody(name="made", address="192.0.2.91", family="frr_linux", credential="lab", backup=False)
        made = taken(DeviceView, add_device.sync(client=client, body=body))
        found["made"] = made.name
        found["twice"] = refusal(add_device.sync(client=client, body=body))
        found["shown"] = taken(DeviceView, get_device.sync(made.id, client=client)).address
        found["unknown"] = refusal(get_device.sync("nobody", client=client))
        page = list_devices.sync(client=client, limit=2)
        names: list[str] = []
        while page is not None and not isinstance(page, Problem):
            names += [device.name for device in page.items]
            if not page.next_cursor:
                break
            page = list_devices.sync(client=client, limit=2, cursor=page.next_cursor)
        found["names"] = names
        found["suspended"] = taken(DeviceView, suspend_device.sync("made", client=client)).state.value

        started = run_backup.sync_detailed(client=client, body=RunBody(names=["r1"]))
        job = taken(JobView, started.parsed)
        found["job"] = [started.status_code.value, started.headers["location"] == f"/api/v1/jobs/{job.id}"]
        found["job_state"] = taken(JobView, get_job.sync(job.id, client=client)).state.value
        versions = list_backups.sync("r1", client=client)
        assert versions is not None
        assert not isinstance(versions, Problem)
        found["versions"] = [one.number for one in versions.items]

        change = PushBodyChangeType0.from_dict({"dns": ["9.9.9.9"]})
        wanted = PushBody(device="w2", change=change)
        first = taken(PushView, push.sync(client=client, body=wanted, idempotency_key="once"))
        again = taken(PushView, push.sync(client=client, body=wanted, idempotency_key="once"))
        found["pushed_once"] = first.id == again.id
        found["push"] = taken(PushDetailView, get_push.sync(first.id, client=client)).phase.value

        group = put_group.sync_detailed("made-group", client=client, body=GroupBody(family="frr_linux"))
        tag = group.headers["etag"]
        taken(GroupView, group.parsed)
        taken(GroupView, put_group.sync("made-group", client=client, body=GroupBody(), if_match=tag))
        late = put_group.sync("made-group", client=client, body=GroupBody(family="openwrt"), if_match=tag)
        found["late"] = refusal(late)
        found["why"] = taken(ProblemTypeView, get_problem_type.sync("precondition_failed", client=client)).status
        found["group"] = taken(GroupView, get_group.sync("made-group", client=client)).family
        events = list_events.sync(client=client, kind=["device.*"])
        assert events is not None
        assert not isinstance(events, Problem)
        found["events"] = sorted({event.kind for event in events.items})
    with AuthenticatedClient(base_url=url, token="wrong") as stranger:
        found["stranger"] = refusal(get_system.sync(client=stranger))
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
