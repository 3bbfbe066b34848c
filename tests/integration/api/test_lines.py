"""Lines over HTTP: set up, looked at, asked for; what moves them is built elsewhere and stood for by the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.coverage import CoverageReading
from cpe_manager.domain.failover.lines import Carrier, Condition, FailoverState, Line, LineRecord, Transition
from cpe_manager.domain.failover.mobile_volume import MonthVolume, month_of
from cpe_manager.ports.lines import IncidentChange, Move
from cpe_manager.ports.platform import Platform
from cpe_manager.services.failover.lines import LineHouse
from tests.integration.api.world import World, opened

LINE = "/api/v1/lines/r1"
SETUP: dict[str, Any] = {
    "formula": "pro-plus",
    "ordered": True,
    "line_address": "192.0.2.10",
    "mobile_address": "198.51.100.10",
    "platform": "edge1",
    "fixed_ipv4": "203.0.113.7",
    "fixed_ipv6": "2001:db8:7::/56",
    "fixed_gateway": "192.0.2.9",
    "mobile_gateway": "198.51.100.9",
    "policy": {"misses": 5, "quiet_hours": "daily 00:00-24:00 Europe/Brussels"},
}


class OneEdge:
    """A platform file with one name in it; nobody asks for the platform itself."""

    def get(self, name: str) -> Platform:
        raise InputError(f"no platform {name} is opened here")

    def names(self) -> tuple[str, ...]:
        return ("edge1",)


class Meter:
    """Coverage as it is told to be."""

    def __init__(self) -> None:
        self.reading = CoverageReading(-71.0, True, 32.0, 9.0)

    async def measure(self, line: Line) -> CoverageReading:
        assert line.device == "r1"
        return self.reading


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
async def world(tmp_path: Path, meter: Meter) -> AsyncIterator[World]:
    house = LineHouse(OneEdge(), meter, freezes="2020-01-01..2020-01-02 Europe/Brussels")
    async with opened(tmp_path, house) as made:
        yield made


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.add_devices("r1", "r2")
    async with await world.client() as client:
        yield client


async def set_up(http: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await http.put(LINE, json={**SETUP, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def passed(http: httpx.AsyncClient) -> None:
    assert (await http.post(f"{LINE}/coverage")).json()["verdict"] == "passed"


async def moved(world: World, to: FailoverState, *incidents: IncidentChange, **more: Any) -> LineRecord:
    """As the watcher would write it."""
    record = await world.database.lines.line("r1")
    at = world.clock.now()
    after = replace(record, state=to, since=at.timestamp(), reasons=("3 echoes lost",), by="manager", **more)
    step = Transition(
        world.ids.new(), record.line.id, at, record.state, to, after.condition, after.reasons, "manager",
        last_change="2026-03-01: change of dns, by op",
    )  # fmt: skip
    assert await world.database.lines.move([Move(after, step, incidents)]) == []
    return after


async def test_the_volume_over_mobile_is_that_of_this_month_wherever_a_line_is_shown(
    world: World, http: httpx.AsyncClient
) -> None:
    await set_up(http)
    line_id = (await world.database.lines.line("r1")).line.id
    now = world.clock.now().timestamp()

    async def shown() -> set[int]:
        listed = (await http.get("/api/v1/lines")).json()["items"]
        hold = await http.post(f"{LINE}/orders", json={"what": "hold"})
        made = await http.put(LINE, json=SETUP)
        views = [*listed, hold.json(), made.json(), (await http.get(LINE)).json()]
        return {view["mobile_bytes"] for view in views}

    await world.database.lines.count_mobile({line_id: MonthVolume(month_of(now - 40 * 86_400), 5)})
    assert await shown() == {0}
    await world.database.lines.count_mobile({line_id: MonthVolume(month_of(now), 3_000_000_000)})
    assert await shown() == {3_000_000_000}


async def test_a_line_is_set_up_as_a_whole_and_shown_with_what_it_lacks(http: httpx.AsyncClient) -> None:
    assert (await http.get(LINE)).status_code == 404
    made = await http.put(LINE, json=SETUP, headers={"If-Match": '"0"'})
    assert (made.status_code, made.headers["etag"]) == (200, '"1"')
    assert (made.json()["state"], made.json()["carrier"], made.json()["wanted"]) == ("fixed", "fixed", None)
    found = (await http.get(LINE)).json()
    assert found["setup"]["fixed_ipv4"] == "203.0.113.7/32"
    assert (found["policy"]["misses"], found["policy"]["poll_every"]) == (5, 5.0)
    assert "coverage check untested" in found["entitled"]
    assert found["gaps"] == []
    assert any("is not moved when the line is lost" in line for line in found["outlook"])
    assert [one["device"] for one in (await http.get("/api/v1/lines")).json()["items"]] == ["r1"]
    await set_up(http, platform="", policy={})
    less = (await http.get(f"/api/v1/lines/{found['id']}")).json()
    assert (less["policy"]["misses"], less["revision"]) == (3, 2)
    assert any("does not follow" in line for line in less["gaps"])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"platform": "edge9"}, "platform file has no 'edge9'; it has edge1"),
        ({"formula": "gold"}, "none of"),
        ({"line_address": "192.0.2.300"}, "no IP address"),
        ({"line_address": "203.0.113.7"}, "moves with the traffic"),
        ({"mobile_address": "192.0.2.10"}, "the same"),
        ({"fixed_ipv4": "203.0.113.7/29"}, "host bits"),
        ({"fixed_ipv4": "2001:db8::/56"}, "other IP version"),
        ({"policy": {"mises": 5}}, "mises"),
        ({"policy": {"misses": "many"}}, "misses"),
        ({"policy": {"quiet_hours": "at night"}}, "is no window"),
        ({"fixed_ipv4": "", "fixed_ipv6": ""}, "no fixed address"),
    ],
)
async def test_what_is_wrong_with_a_setup_is_said(http: httpx.AsyncClient, values: dict[str, Any], says: str) -> None:
    answer = await http.put(LINE, json={**SETUP, **values})
    assert (answer.status_code, answer.json()["code"]) == (422, "input")
    assert says in answer.json()["detail"]
    assert (await http.get(LINE)).status_code == 404


async def test_a_setup_is_written_over_what_was_read_alone(http: httpx.AsyncClient) -> None:
    await set_up(http)
    for tag in ('"0"', '"7"', 'W/"2"'):
        late = await http.put(LINE, json=SETUP, headers={"If-Match": tag})
        assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    first = await http.put(LINE, json=SETUP, headers={"If-None-Match": "*"})
    assert (first.status_code, first.json()["type"]) == (412, "/api/v1/problems/precondition_failed")
    assert (await http.put(LINE, json=SETUP, headers={"If-Match": "x"})).status_code == 422
    good = await http.put(LINE, json={**SETUP, "moves": "cpe"}, headers={"If-Match": '"1"'})
    assert (good.status_code, good.headers["etag"]) == (200, '"2"')


async def test_coverage_is_measured_or_recorded_and_a_refused_activation_is_told(
    http: httpx.AsyncClient, meter: Meter
) -> None:
    await set_up(http)
    meter.reading = CoverageReading(-108.0, True, 1.5, None, "up: Connection refused")
    weak = (await http.post(f"{LINE}/coverage")).json()
    assert (weak["verdict"], weak["signal_dbm"], weak["line"]["coverage"]) == ("refused", -108.0, "refused")
    for words in ("signal -108 dBm", "1.5 Mbps down", "up not measured", "Connection refused"):
        assert words in weak["reason"]
    events = (await http.get("/api/v1/events", params={"kind": "line.coverage"})).json()["items"]
    assert (events[0]["data"]["activation"], events[0]["severity"]) == ("refused", "warning")
    assert (await http.post(f"{LINE}/coverage", json={"verdict": "passed"})).status_code == 422
    site = await http.post(f"{LINE}/coverage", json={"verdict": "passed", "reason": "technician: 40 Mbps"})
    assert (site.json()["verdict"], site.json()["line"]["entitled"]) == ("passed", "")
    kept = await set_up(http, moves="cpe")
    assert kept["coverage"] == "passed"
    meter.reading = CoverageReading(None, None, 32.0, 9.0, "signal and registration are not told by SNMP")
    assert "32.0 Mbps down" in (await http.post(f"{LINE}/coverage")).json()["reason"]


async def test_an_order_is_accepted_once_for_a_key_and_the_last_word_counts(
    world: World, http: httpx.AsyncClient
) -> None:
    await set_up(http)
    orders = f"{LINE}/orders"
    refused = await http.post(orders, json={"what": "switch"})
    assert (refused.status_code, "coverage check" in refused.json()["detail"]) == (409, True)
    await passed(http)
    body = {"what": "switch", "reason": "works in the street"}
    first, again = [await http.post(orders, json=body, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert (first.status_code, first.json()["wanted"]) == (202, "switch")
    assert first.headers["location"] == f"/api/v1/lines/{first.json()['id']}"
    assert first.json()["revision"] == again.json()["revision"]
    other = await http.post(orders, json={"what": "hold"}, headers={"Idempotency-Key": "k1"})
    assert other.status_code == 409
    held = (await http.post(orders, json={"what": "hold"})).json()
    assert (held["wanted"], held["wanted_by"]) == ("hold", "admin+originals+read+write")
    asked = (await http.get("/api/v1/events", params={"kind": "line.asked", "line": "r1"})).json()["items"]
    assert [one["data"]["what"] for one in asked] == ["switch", "hold"]
    assert [one.line.device for one in await world.database.lines.asked()] == ["r1"]
    assert (await http.post(orders, json={"what": "explode"})).status_code == 422


async def test_asking_for_what_is_so_already_changes_nothing(world: World, http: httpx.AsyncClient) -> None:
    await set_up(http)
    await passed(http)
    for what in ("return", "release"):
        same = (await http.post(f"{LINE}/orders", json={"what": what})).json()
        assert (same["wanted"], same["revision"]) == (None, 2)
    await moved(world, FailoverState.MOBILE, carrier=Carrier.MOBILE)
    assert (await http.post(f"{LINE}/orders", json={"what": "switch"})).json()["wanted"] is None
    assert (await http.post(f"{LINE}/orders", json={"what": "test"})).status_code == 409
    assert (await http.post(f"{LINE}/orders", json={"what": "return"})).json()["wanted"] == "return"
    gone = await http.put(LINE, json={**SETUP, "watched": False})
    assert (gone.status_code, "on mobile" in gone.json()["detail"]) == (409, True)


async def test_a_line_that_is_not_watched_takes_no_orders(http: httpx.AsyncClient) -> None:
    await set_up(http, watched=False)
    answer = await http.post(f"{LINE}/orders", json={"what": "hold"})
    assert (answer.status_code, "not watched" in answer.json()["detail"]) == (409, True)


async def test_a_line_at_night_shows_why_what_changed_before_and_what_happens_next(
    world: World, http: httpx.AsyncClient
) -> None:
    await set_up(http)
    await passed(http)
    await moved(
        world, FailoverState.MOBILE, IncidentChange("line", 2, "backup carries"),
        carrier=Carrier.MOBILE, condition=Condition.UP, due="returns", due_at=world.clock.now().timestamp() + 252,
    )  # fmt: skip
    found = (await http.get(LINE)).json()
    assert (found["state"], found["carrier"], found["reasons"]) == ("mobile", "mobile", ["3 echoes lost"])
    assert found["last_change"] == "2026-03-01: change of dns, by op"
    assert [(one["priority"], one["subject"]) for one in found["incidents"]] == [(2, "line")]
    assert found["outlook"][0] == "returns in 4:12"
    assert any(line.startswith("quiet hours: no return by itself until") for line in found["outlook"])
    steps = (await http.get(f"{LINE}/history")).json()["items"]
    assert [(one["before"], one["after"]) for one in steps] == [("fixed", "mobile")]
    assert (await http.get("/api/v1/line-history")).json()["items"] == steps
    await moved(world, FailoverState.FIXED, IncidentChange("line", None, "line up and stable"), carrier=Carrier.FIXED)
    listed = (await http.get("/api/v1/incidents", params={"line": "r1"})).json()["items"]
    assert [(one["closed_reason"], one["device"]) for one in listed] == [("line up and stable", "r1")]
    assert (await http.get("/api/v1/incidents", params={"open": True})).json()["items"] == []


async def test_lists_filter_and_the_summary_counts(world: World, http: httpx.AsyncClient) -> None:
    await set_up(http)
    await http.put("/api/v1/lines/r2", json={})
    await moved(world, FailoverState.FAILED, IncidentChange("line", 1, "down"))
    failed = (await http.get("/api/v1/lines", params={"state": "failed"})).json()["items"]
    assert [one["device"] for one in failed] == ["r1"]
    assert (await http.get("/api/v1/lines", params={"node": "n9"})).json()["items"] == []
    summary = (await http.get("/api/v1/line-summary")).json()
    assert (summary["states"]["failed"], summary["states"]["fixed"], summary["incidents"]["1"]) == (1, 1, 1)
    assert summary["watcher"] is None
    until = world.clock.now().replace(year=2100)
    assert await world.database.lines.lead("host:1", until, world.clock.now())
    assert (await http.get("/api/v1/line-summary")).json()["watcher"] == "host:1"


async def test_many_are_set_up_at_once_and_one_that_is_wrong_stops_no_other(http: httpx.AsyncClient) -> None:
    rows = [
        {"number": 2, "device": "r1", "values": {"line_address": "192.0.2.10", "ordered": "yes", "policy.misses": "5"}},
        {"number": 3, "device": "r2", "values": {"line_address": "nowhere"}},
        {"number": 4, "device": "r9", "values": {}},
    ]
    for dry in (True, False):
        answer = await http.post("/api/v1/line-imports", json={"rows": rows, "dry_run": dry})
        found = [(one["number"], one["result"]) for one in answer.json()["results"]]
        assert found == [(2, "new"), (3, "refused"), (4, "refused")]
        assert "no IP address" in answer.json()["results"][1]["reason"]
        assert (await http.get(LINE)).status_code == (404 if dry else 200)
    shown = (await http.get(LINE)).json()
    assert (shown["setup"]["ordered"], shown["policy"]["misses"]) == (True, 5)
    rows = [{"number": 2, "device": "r1", "values": {"policy.misses": ""}}, {"number": 3, "device": "r2", "values": {}}]
    results = (await http.post("/api/v1/line-imports", json={"rows": rows})).json()["results"]
    assert [one["result"] for one in results] == ["changed", "new"]
    again = (await http.post("/api/v1/line-imports", json={"rows": rows})).json()["results"]
    assert [one["result"] for one in again] == ["unchanged", "unchanged"]
    assert (await http.get(LINE)).json()["setup"]["line_address"] == "192.0.2.10"


async def test_events_are_filtered_by_kind_device_and_line(world: World, http: httpx.AsyncClient) -> None:
    await set_up(http)
    await http.put("/api/v1/lines/r2", json={})
    await moved(world, FailoverState.FAILED, IncidentChange("line", 1, "down"))

    async def kinds(**where: Any) -> list[str]:
        found = await http.get("/api/v1/events", params=where)
        return [one["kind"] for one in found.json()["items"]]

    assert await kinds(kind=["line.*", "incident.opened"]) == ["line.changed", "line.changed", "incident.opened"]
    assert await kinds(line="r1") == ["line.changed", "incident.opened"]
    assert await kinds(device="r2", kind="line.*") == ["line.changed"]
    assert await kinds(kind="nothing") == []
    assert (await http.get("/api/v1/events", params={"line": "r9"})).status_code == 404


async def test_reading_needs_no_more_than_the_scope_to_read(world: World, http: httpx.AsyncClient) -> None:
    await set_up(http)
    async with await world.client(Scope.READ) as reader:
        for path in (LINE, f"{LINE}/history", "/api/v1/lines", "/api/v1/incidents", "/api/v1/line-summary"):
            assert (await reader.get(path)).status_code == 200
        assert (await reader.put(LINE, json=SETUP)).status_code == 403
        assert (await reader.post(f"{LINE}/orders", json={"what": "hold"})).status_code == 403
