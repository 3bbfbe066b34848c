"""Tokens, keys, schedules, the probes and the daemon's own page over HTTP."""

from __future__ import annotations

import httpx

from cpe_manager.domain.errors import StoreBusy
from tests.integration.api.world import World


async def test_a_token_works_until_it_is_revoked(world: World, http: httpx.AsyncClient) -> None:
    made = await http.post("/api/v1/tokens", json={"name": "probe", "scopes": ["read"], "days": 30})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    text = made.json()["text"]
    async with await world.client(token=text) as probe:
        assert (await probe.get("/api/v1/devices")).status_code == 200
        assert (await http.delete("/api/v1/tokens/probe")).json()["revoked_at"]
        assert (await probe.get("/api/v1/devices")).status_code == 401
    listed = await http.get("/api/v1/tokens")
    assert text not in listed.text
    assert "probe" in {token["name"] for token in listed.json()["items"]}


async def test_a_token_ends_with_its_days(world: World, http: httpx.AsyncClient) -> None:
    text = (await http.post("/api/v1/tokens", json={"name": "short", "scopes": ["read"], "days": 1})).json()["text"]
    async with await world.client(token=text) as probe:
        assert (await probe.get("/api/v1/jobs")).status_code == 200
        await world.clock.advance(24 * 3600)
        assert (await probe.get("/api/v1/jobs")).status_code == 401


async def test_a_wrong_header_is_unauthorised(world: World) -> None:
    token = await world.token()
    async with await world.client(token="") as http:
        for header in (token, f"Basic {token}", "Bearer", "Bearer  ", f"Bearer {token}x"):
            answer = await http.get("/api/v1/devices", headers={"Authorization": header})
            assert answer.status_code == 401, header
        assert (await http.get("/api/v1/devices", headers={"Authorization": f"bearer {token}"})).status_code == 200


async def test_families_tell_what_they_can_carry_and_the_long_tail_is_named(http: httpx.AsyncClient) -> None:
    found = (await http.get("/api/v1/families")).json()
    by_name = {one["family"]: one for one in found["items"]}
    assert {"cisco_ios", "frr_linux", "openwrt", "routeros", "teltonika", "vyos"} == set(by_name)
    assert all(one["modelled"] and one["writes"] and one["evidence"] for one in by_name.values())
    assert "management.telnet" in by_name["openwrt"]["lacks"]
    assert "netmiko:cisco_s300" in found["platforms"]
    tail = (await http.get("/api/v1/families/netmiko:cisco_s300")).json()
    assert (tail["modelled"], tail["features"], tail["lacks"]) == (False, [], [])
    assert (await http.get("/api/v1/families/abacus")).json()["code"] == "family"


async def test_keys_rotate_and_the_old_one_retires_once_it_wraps_nothing(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("r1")
    await world.back_up("r1", "x")
    old = (await http.get("/api/v1/keys")).json()["items"][0]
    assert (old["active"], old["objects"]) == (True, 1)
    assert (await http.delete(f"/api/v1/keys/{old['key_id']}")).status_code == 409
    assert (await http.post("/api/v1/keys/rotate")).status_code == 202
    assert (await http.delete(f"/api/v1/keys/{old['key_id']}")).status_code == 409
    async for batch in world.database.backups.each_sealed():
        await world.database.backups.rewrap([(sealed.id, *world.vault.rewrap(sealed)) for _, sealed, _ in batch])
    assert (await http.delete(f"/api/v1/keys/{old['key_id']}")).status_code == 409, "backups under way may need it"
    await world.clock.advance(120)
    assert (await http.delete(f"/api/v1/keys/{old['key_id']}")).status_code == 204
    assert (await http.delete("/api/v1/keys/none")).status_code == 404


async def test_a_schedule_is_added_run_and_removed(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("r1")
    body = {"name": "nightly", "cron": "0 1 * * *"}
    added = await http.post("/api/v1/schedules", json=body)
    assert (added.status_code, added.json()["timezone"]) == (201, "Europe/Brussels")
    assert added.json()["next_at"]
    assert (await http.post("/api/v1/schedules", json=body)).status_code == 409
    assert (await http.post("/api/v1/schedules", json={**body, "name": "b", "cron": "x"})).status_code == 422
    run = await http.post("/api/v1/schedules/nightly/run")
    assert (run.status_code, run.json()["counts"]["total"]) == (202, 1)
    assert [one["name"] for one in (await http.get("/api/v1/schedules")).json()["items"]] == ["nightly"]
    assert (await http.delete("/api/v1/schedules/nightly")).status_code == 204
    assert (await http.delete("/api/v1/schedules/nightly")).status_code == 404


async def test_the_daemons_page_counts(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("r1", "r2")
    found = (await http.get("/api/v1/system")).json()
    assert (found["version"], found["engine"], found["devices"]["active"]) == ("1.2.3", "embedded", 2)
    assert "frr_linux" in found["families"]
    assert found["credentials"] == ["lab"]
    assert found["last_event_id"] > 0


async def test_an_overdue_device_is_an_alarm_and_a_filter(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("r1", "r2")
    await world.clock.advance(27 * 3600)
    await world.back_up("r2", "x")
    await world.database.events.mark_overdue({}, 26.0, now=world.clock.now())
    assert [alarm["device"] for alarm in (await http.get("/api/v1/alarms")).json()["items"]] == ["r1"]
    page = (await http.get("/api/v1/devices", params={"overdue": "true"})).json()
    assert [device["name"] for device in page["items"]] == ["r1"]
    fresh = (await http.get("/api/v1/devices/r2")).json()
    assert fresh["age_seconds"] == 60


async def test_readiness_says_why_not_and_health_does_not_care(world: World) -> None:
    async with await world.client(token="") as http:
        assert (await http.get("/readyz")).text == "ready\n"
        world.worker.hindrance = "no space left on the database's disk"
        answer = await http.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert answer.json()["detail"] == "no space left on the database's disk"
        assert (await http.get("/healthz")).text == "ok\n"


async def test_a_database_that_is_away_makes_it_unready_and_answers_503(world: World) -> None:
    class Away:
        async def ping(self) -> None:
            raise StoreBusy("the database is locked")

    object.__setattr__(world.services, "maintenance", Away())
    async with await world.client(token="") as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the database is locked")


async def test_metrics_show_the_fleets_last_successes(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("r1", "r2")
    await world.back_up("r1", "x")
    counts = await world.services.inventory.counts()
    world.metrics.refresh(await world.database.events.statuses(), counts, 3, 17)
    answer = await http.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.text
    assert 'cpe_backup_last_success_timestamp_seconds{device="r1",family="frr_linux",group=""}' in text
    assert 'device="r2"' not in text, "a device without a success has no such time"
    assert 'cpe_devices{state="active"} 2.0' in text
    assert "cpe_manager_due_rows 17.0" in text
    assert 'cpe_manager_info{engine="embedded",version="1.2.3"} 1.0' in text
