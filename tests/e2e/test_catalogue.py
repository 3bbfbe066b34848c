"""What sites have, as an operator and a daemon go by it: catalogues edited under a running daemon, pushes judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
RULES = [{"action": "accept", "protocol": "tcp", "source": "192.0.2.0/24", "ports": 443}]


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.fleet(1, extra=("--mix", "openwrt"))
        made.init()
        made.serve()
        made.ok("devices", "import", str(made.inventory))
        eventually("the first backup", lambda: made.get("jobs")["items"][0]["state"] == "done")
        yield made


def device(w: World) -> Any:
    return w.get("devices")["items"][0]


def alarms(w: World) -> list[str]:
    return [one["message"] for one in w.get("alarms")["items"] if one["kind"] == "catalogue.refused"]


def edited(w: World, old: str, new: str) -> Path:
    path = w.data / "service-catalogue.toml"
    text = path.read_text()
    assert old in text
    made = path.with_suffix(".new")
    made.write_text(text.replace(old, new))
    made.replace(path)
    return path


def test_a_catalogue_is_edited_under_a_running_daemon(w: World) -> None:
    assert w.get("catalogue")["service_source"] == str(w.data / "service-catalogue.toml")
    path = edited(w, "free_days = 7", "free_days = seven")
    (told,) = eventually("the alarm", lambda: alarms(w))
    line = next(number for number, one in enumerate(path.read_text().splitlines(), 1) if one.startswith("free_days"))
    assert told.startswith(f"{path}:{line}: not valid TOML")
    assert "catalogue.refused" in w.logs()
    assert w.get("catalogue")["free_days"] == 7
    edited(w, "free_days = seven", "free_days = 14")
    eventually("version 2", lambda: w.get("catalogue")["number"] == 2)
    eventually("the end of the alarm", lambda: not alarms(w))
    assert w.get("catalogue")["free_days"] == 14
    assert w.get("catalogue/versions/1")["free_days"] == 7
    # A daemon that is started again goes on with it.
    w.processes[-1].stop()
    w.serve()
    assert w.get("catalogue")["number"] == 2


def test_a_push_is_judged_by_the_subscription_of_its_site(w: World) -> None:
    one = device(w)
    name, site = one["name"], one["site"]
    change = ("--set", f"firewall.rules={json.dumps(RULES)}")
    plan = w.json("push", "plan", name, *change)
    assert "entitlement-not-judged" in [check["check"] for check in plan["checks"]]
    first = ("customer=Bakkerij", "technology=copper")
    w.ok("subscriptions", "set", site, *first, "formula=pro")
    plan = w.json("push", "plan", name, *change)
    (refusal,) = [check for check in plan["checks"] if check["check"] == "not-entitled"]
    assert (refusal["refuses"], refusal["acceptable"]) == (True, False)
    assert refusal["reason"] == "managed firewall in the CPE is not part of Internet Pro (§3.7)"
    with w.api() as api:
        made = api.post("/api/v1/pushes", json={"device": name, "change": {"firewall": {"rules": RULES}}}).json()
    ended = eventually("its end", lambda: found if (found := w.get(f"pushes/{made['id']}"))["ended_at"] else None)
    assert (ended["phase"], ended["code"]) == ("withdrawn", "not-entitled")
    w.ok("subscriptions", "set", site, "formula=pro-plus")
    plan = w.json("push", "plan", name, *change)
    assert not [check for check in plan["checks"] if "entitle" in check["check"]]
    w.ok("subscriptions", "set", site, "formula=pro-plus-essential")
    plan = w.json("push", "plan", name, "--set", 'dns=["9.9.9.9"]')
    assert [check["reason"] for check in plan["checks"] if check["check"] == "not-entitled"] == [
        "Internet Pro+ Essential: the router is the customer's own and is not configured by the operator (§3.2, §5.2.1)"
    ]
