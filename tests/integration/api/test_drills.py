"""Restore drills over HTTP."""

from __future__ import annotations

from typing import Any

from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.backup.drills import DrillResult, Verdict
from cpe_manager.domain.jobs import JobKind
from tests.integration.api.world import World


async def drilled(world: World, name: str, verdict: Verdict, **more: Any) -> DrillResult:
    view = await world.services.inventory.show(name)
    assert view.status.current_backup_id
    result = DrillResult(view.status.current_backup_id, view.device.id, verdict, world.clock.now(), 2.5, **more)
    assert await world.database.drills.record(result)
    await world.clock.advance(60)
    return result


async def test_a_drill_is_a_job_and_the_same_key_is_the_same_job(world: World) -> None:
    await world.add_devices("r1", "r2")
    await world.back_up("r1", "one")
    async with await world.client() as http:
        first = await http.post("/api/v1/drills", json={"devices": ["r1"]}, headers={"Idempotency-Key": "k"})
        again = await http.post("/api/v1/drills", json={"devices": ["r1"]}, headers={"Idempotency-Key": "k"})
        other = await http.post("/api/v1/drills", json={"family": "frr_linux", "sample": 3})
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 202)
    job = first.json()
    assert first.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["kind"], job["priority"], job["requested_by"] is not None) == (JobKind.DRILL, "bulk", True)
    assert again.json()["id"] == job["id"]
    assert other.json()["id"] != job["id"]
    assert other.json()["params"] == {"family": "frr_linux", "sample": 3}
    assert [ticket.priority for ticket in world.engine.tickets if ticket.id == job["id"]] == ["bulk"]


async def test_what_can_be_no_drill_is_refused_before_a_job_is_made(world: World) -> None:
    await world.add_devices("r1", "r2")
    await world.back_up("r1", "one")
    async with await world.client() as http:
        nobody = await http.post("/api/v1/drills", json={"devices": ["nobody"]})
        empty = await http.post("/api/v1/drills", json={"devices": ["r2"]})
        both = await http.post("/api/v1/drills", json={"devices": ["r1"], "family": "frr_linux"})
        strange = await http.post("/api/v1/drills", json={"family": "acme"})
        none = await http.post("/api/v1/drills", json={"sample": 0})
        jobs = (await http.get("/api/v1/jobs")).json()["items"]
    assert [one.status_code for one in (nobody, empty, both, strange, none)] == [404, 422, 422, 422, 422]
    assert "no backup yet" in empty.json()["detail"]
    assert [job for job in jobs if job["kind"] == "drill"] == []
    async with await world.client(Scope.READ) as http:
        assert (await http.post("/api/v1/drills", json={})).status_code == 403
        assert (await http.get("/api/v1/drills/report")).status_code == 200


async def test_what_is_proven_stands_beside_devices_and_versions(world: World) -> None:
    await world.add_devices("r1", "r2", "r3")
    await world.back_up("r1", "one")
    await world.back_up("r2", "one")
    await drilled(world, "r1", Verdict.PROVEN)
    await drilled(world, "r2", Verdict.DIFFERS, lines=2, reason="2 lines")
    await world.back_up("r1", "two")
    async with await world.client(Scope.READ) as http:
        listed = {one["name"]: one["restorable"] for one in (await http.get("/api/v1/devices")).json()["items"]}
        shown = (await http.get("/api/v1/devices/r2")).json()["restorable"]
        versions = (await http.get("/api/v1/devices/r1/backups")).json()["items"]
        first = (await http.get("/api/v1/devices/r1/backups/1")).json()
    assert listed["r1"] is None, "the proof is of the version before"
    assert listed["r3"] is None
    assert (listed["r2"]["verdict"], listed["r2"]["lines"], listed["r2"]["reason"]) == ("differs", 2, "2 lines")
    assert shown == listed["r2"]
    assert [(one["number"], (one["restorable"] or {}).get("verdict")) for one in versions] == [(2, None), (1, "proven")]
    assert first["restorable"]["verdict"] == "proven"


async def test_drills_are_listed_and_add_up_to_a_report(world: World) -> None:
    await world.add_devices("r1", "r2", "r3", "r4")
    await world.add_devices("s1", family="netmiko:cisco_s300")
    for name in ("r1", "r2", "r3", "s1"):
        await world.back_up(name, "one")
    await drilled(world, "r1", Verdict.PROVEN)
    bad = await drilled(world, "r2", Verdict.FAILED, reason="saving: the device refused")
    async with await world.client(Scope.READ) as http:
        page = (await http.get("/api/v1/drills", params={"limit": 1})).json()
        rest = (await http.get("/api/v1/drills", params={"limit": 1, "cursor": page["next_cursor"]})).json()
        failed = (await http.get("/api/v1/drills", params={"verdict": "failed"})).json()["items"]
        of_r1 = (await http.get("/api/v1/drills", params={"device": "r1"})).json()["items"]
        unknown = await http.get("/api/v1/drills", params={"device": "nobody"})
        report = (await http.get("/api/v1/drills/report")).json()
    assert [one["device"] for one in page["items"] + rest["items"]] == ["r2", "r1"]
    assert rest["next_cursor"] is None
    assert [(one["backup_id"], one["current"], one["number"]) for one in failed] == [(bad.backup_id, True, 1)]
    assert [one["device"] for one in of_r1] == ["r1"]
    assert unknown.status_code == 404
    assert (report["proven"], report["countable"], report["target"], report["sample"]) == (1, 3, 0.9, 20)
    assert report["share"] == 1 / 3
    families = {one["family"]: one for one in report["families"]}
    assert (families["frr_linux"]["unproven"], families["frr_linux"]["failed"]) == (1, 1)
    assert (families["netmiko:cisco_s300"]["possible"], families["netmiko:cisco_s300"]["share"]) == (False, None)
    assert [(one["device"], one["reason"]) for one in report["failures"]] == [("r2", "saving: the device refused")]
