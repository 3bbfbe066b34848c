"""Change requests over HTTP: asked for once, shown, approved by somebody else; everybody sees the own sites alone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cpe_manager.domain.access.access import Role
from cpe_manager.domain.changes.requests import ChangeState
from tests.integration.api.changing import (
    OPEN_PORT,
    SHOWN,
    WIFI,
    accepted,
    approver,
    asked,
    comes_to,
    customer,
    desk,
)
from tests.integration.api.world import World

AT = "/api/v1/changes"


@pytest.fixture(autouse=True)
async def offices(world: World) -> None:
    await world.add_devices("w1", "w2", family="openwrt")


async def test_a_request_is_written_down_with_its_ticket_and_without_secrets(world: World) -> None:
    async with await desk(world) as http:
        made = await asked(http, WIFI)
        shown = await http.get(f"{AT}/{made['ticket']}")
    assert (made["ticket"], made["state"], made["submitted_by"]) == ("CHG-000001", "submitted", "desk")
    assert (made["site"], made["device"], made["needs_approval"]) == ("w1", "w1", False)
    assert "a-secret-wifi-key" not in shown.text
    found = shown.json()
    assert (found["id"], found["shown"], found["approval"]) == (made["id"], None, None)
    assert [(step["number"], step["state"], step["by"]) for step in found["steps"]] == [(1, "submitted", "desk")]
    assert "evaluated" in found["next"]


async def test_the_same_key_is_the_same_request_and_another_body_is_told(world: World) -> None:
    async with await desk(world) as http:
        made = [await asked(http, key="k1") for _ in range(3)]
        assert len({one["id"] for one in made}) == 1
        other = await http.post(AT, json=WIFI, headers={"Idempotency-Key": "k1"})
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
        assert len((await http.get(AT)).json()["items"]) == 1


async def test_what_is_shown_is_approved_by_somebody_else_and_as_it_was_shown(world: World) -> None:
    async with await desk(world) as http, await approver(world) as judge:
        made = await asked(http)
        early = await judge.post(f"{AT}/{made['id']}/approval", json={"digest": "digest-1"})
        assert (early.status_code, early.json()["code"]) == (409, "conflict")
        await accepted(world, made["id"])
        (waiting,) = (await judge.get("/api/v1/approvals")).json()["items"]
        assert (waiting["id"], waiting["shown"]["digest"], waiting["needs_approval"]) == (made["id"], "digest-1", True)
        assert waiting["shown"]["neutral"][1] == {"part": "wifi.enabled", "before": True, "after": False}
        path = f"{AT}/{made['ticket']}/approval"
        assert (await http.post(path, json={"digest": "digest-1"})).status_code == 403
        late = await judge.post(path, json={"digest": "digest-1"}, headers={"If-Match": '"1"'})
        assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
        assert (await judge.post(path, json={"digest": "another"})).status_code == 409
        given = await judge.post(path, json={"digest": "digest-1", "words": "by phone"}, headers={"If-Match": '"2"'})
        assert (given.status_code, given.json()["state"], given.headers["etag"]) == (200, "approved", '"3"')
        again = await judge.post(path, json={"digest": "digest-1", "words": "by phone"})
        assert (again.status_code, again.json()["revision"]) == (200, 3)
        found = (await http.get(f"{AT}/{made['id']}")).json()
        assert (found["approval"]["by"], found["approval"]["words"]) == ("approver", "by phone")
        assert (await judge.get("/api/v1/approvals")).json()["items"] == []


async def test_whoever_submits_and_approves_both_does_not_approve_the_own_request(world: World) -> None:
    token = await world.account("both", Role.EXECUTOR, Role.APPROVER)
    async with await world.client(token=token) as http:
        made = await asked(http)
        await accepted(world, made["id"])
        assert (await http.get("/api/v1/approvals")).json()["items"] == []
        refused = await http.post(f"{AT}/{made['id']}/approval", json={"digest": SHOWN.digest})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert "somebody else" in refused.json()["detail"]


async def test_a_request_is_declined_with_the_reason_or_taken_back(world: World) -> None:
    async with await desk(world) as http, await approver(world) as judge:
        first, second = await asked(http), await asked(http)
        await accepted(world, first["id"])
        nothing = await judge.post(f"{AT}/{first['id']}/decline", json={"reason": ""})
        assert (nothing.status_code, nothing.json()["errors"][0]["pointer"]) == (422, "/reason")
        no = await judge.post(f"{AT}/{first['id']}/decline", json={"reason": "not now"})
        assert (no.status_code, no.json()["state"], no.json()["reason"]) == (200, "declined", "not now")
        back = await http.post(f"{AT}/{second['id']}/withdrawal")
        assert (back.status_code, back.json()["state"]) == (200, "withdrawn")
        assert (await http.post(f"{AT}/{first['id']}/withdrawal")).status_code == 409


async def test_a_list_is_filtered_and_paged(world: World) -> None:
    async with await desk(world) as http:
        made = [await asked(http, {**OPEN_PORT, "site": site}) for site in ("w1", "w2", "w1")]
        await comes_to(world, made[0]["id"], ChangeState.REFUSED, "not entitled (§3.2)", ended_at=world.clock.now())

        async def tickets(**query: Any) -> list[str]:
            answer = await http.get(AT, params=query)
            assert answer.status_code == 200, answer.text
            return [one["ticket"] for one in answer.json()["items"]]

        assert await tickets() == ["CHG-000003", "CHG-000002", "CHG-000001"]
        assert await tickets(site="w1") == ["CHG-000003", "CHG-000001"]
        assert await tickets(site=["w1", "w2"], state="refused") == ["CHG-000001"]
        assert await tickets(open=True, device="w1") == ["CHG-000003"]
        assert await tickets(type="reboot") == []
        page = (await http.get(AT, params={"limit": 2})).json()
        rest = (await http.get(AT, params={"limit": 2, "cursor": page["next_cursor"]})).json()
        assert [one["ticket"] for one in rest["items"]] == ["CHG-000001"]
        assert (await http.get(AT, params={"cursor": "nonsense"})).status_code == 422
        assert (await http.get(AT, params={"sites": "w1"})).json()["errors"][0]["parameter"] == "sites"


async def test_a_customer_never_hears_of_another_site(world: World) -> None:
    async with (
        await desk(world) as http,
        await customer(world, "an", "w1") as an,
        await customer(world, "bob", "w2") as bob,
    ):
        made = await asked(http)
        await accepted(world, made["id"])
        assert [one["id"] for one in (await an.get("/api/v1/approvals")).json()["items"]] == [made["id"]]
        assert (await bob.get("/api/v1/approvals")).json()["items"] == []
        assert (await bob.get(AT)).json()["items"] == []
        unknown = await bob.get(f"{AT}/nothing")
        for method, path, body in (
            ("GET", f"{AT}/{made['id']}", None),
            ("GET", f"{AT}/{made['ticket']}", None),
            ("POST", f"{AT}/{made['id']}/approval", {"digest": SHOWN.digest}),
            ("POST", f"{AT}/{made['id']}/decline", {"reason": "no"}),
            ("POST", f"{AT}/{made['id']}/withdrawal", None),
        ):
            answer = await bob.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, unknown.json()["code"]), path
        strange = await bob.post(AT, json=OPEN_PORT)
        assert strange.status_code == 404
        assert (await bob.get(AT, params={"site": "w1"})).json()["items"] == []
        assert (await an.post(f"{AT}/{made['id']}/approval", json={"digest": SHOWN.digest})).status_code == 200


async def test_the_types_are_told_with_a_schema_that_the_parameters_are_read_by(http: httpx.AsyncClient) -> None:
    found = (await http.get("/api/v1/catalogue/changes")).json()["items"]
    by_type = {one["type"]: one for one in found}
    assert {"open-port", "close-port", "wifi", "reboot", "lan-address"} <= by_type.keys()
    one = await http.get("/api/v1/catalogue/changes/open-port")
    assert one.json() == by_type["open-port"]
    assert one.json()["components"] == ["ports", "standard-changes"]
    assert one.json()["parameters"]["required"] == ["ports"]
    assert (await http.get("/api/v1/catalogue/changes/coffee")).status_code == 404


CSV = """\
type,site,device,ports.0.port,ports.0.inside,note,key
open-port,w1,,443,192.168.1.10,web,a
open-port,,w2,443,192.168.1.300,,b
open-port,nowhere,,443,192.168.1.10,,c
coffee,w1,,,,,d
reboot,w2,,,,,e
"""


async def test_many_are_asked_for_at_once_and_each_row_has_its_result(world: World) -> None:
    async with await desk(world) as http:
        dry = (await http.post("/api/v1/change-imports", json={"csv": CSV, "dry_run": True})).json()
        assert [row["result"] for row in dry["results"]] == ["valid", "refused", "refused", "refused", "valid"]
        assert (dry["bulk_id"], (await http.get(AT)).json()["items"]) == (None, [])
        done = (await http.post("/api/v1/change-imports", json={"csv": CSV})).json()
        rows = done["results"]
        assert [row["result"] for row in rows] == ["submitted", "refused", "refused", "refused", "submitted"]
        assert [row["number"] for row in rows] == [2, 3, 4, 5, 6]
        assert rows[1]["pointer"] == "/parameters/ports/0/inside"
        assert rows[2]["code"] == "not_found"
        assert "type" in rows[3]["reason"]
        bulk = (await http.get(AT, params={"bulk": done["bulk_id"]})).json()["items"]
        assert {one["ticket"] for one in bulk} == {rows[0]["ticket"], rows[4]["ticket"]}
        again = (await http.post("/api/v1/change-imports", json={"csv": CSV})).json()
        assert [row["result"] for row in again["results"]] == ["known", "refused", "refused", "refused", "known"]
        assert [row["ticket"] for row in again["results"]] == [row["ticket"] for row in rows]


async def test_rows_may_come_as_json_and_a_key_makes_them_once(world: World) -> None:
    rows = [{"number": n, **OPEN_PORT, "site": f"w{n}"} for n in (1, 2)]
    async with await desk(world) as http:
        key = {"Idempotency-Key": "import-1"}
        first = (await http.post("/api/v1/change-imports", json={"rows": rows}, headers=key)).json()
        again = (await http.post("/api/v1/change-imports", json={"rows": rows}, headers=key)).json()
        assert [row["result"] for row in first["results"]] == ["submitted", "submitted"]
        assert [row["result"] for row in again["results"]] == ["known", "known"]
        other = await http.post("/api/v1/change-imports", json={"rows": rows[:1]}, headers=key)
        assert other.status_code == 409
        neither = await http.post("/api/v1/change-imports", json={"dry_run": True})
        assert neither.status_code == 422
