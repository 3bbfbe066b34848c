"""Devices, groups and imports over HTTP."""

from __future__ import annotations

import httpx

from cpe_manager.domain.jobs import Outcome
from tests.integration.api.world import CSV, World

KEY_A = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
KEY_B = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"


async def test_an_imported_device_shows_with_what_it_inherits(world: World, http: httpx.AsyncClient) -> None:
    await http.put("/api/v1/groups/core", json={"family": "frr_linux", "credential": "lab", "port": 2022})
    body = {"files": [{"name": "a.csv", "text": "name,address,group\nr1,198.51.100.7,core\n"}]}
    report = (await http.post("/api/v1/imports", json=body)).json()
    assert [device["name"] for device in report["added"]] == ["r1"]
    assert world.engine.tickets, "the first backup follows at once"
    device = (await http.get("/api/v1/devices/r1")).json()
    assert device["family"] is None
    assert device["in_force"]["family"] == "frr_linux"
    assert device["in_force"]["port"] == 2022
    assert device["age_seconds"] is None


async def test_a_dry_run_tells_and_changes_nothing(world: World, http: httpx.AsyncClient) -> None:
    text = CSV + "r1,198.51.100.7,frr_linux,lab,Bakery\n"
    body = {"files": [{"name": "a.csv", "text": text}], "dry_run": True}
    report = (await http.post("/api/v1/imports", json=body)).json()
    assert (report["dry_run"], [d["site"] for d in report["added"]]) == (True, ["Bakery"])
    assert (await http.get("/api/v1/devices")).json()["items"] == []
    assert not world.engine.tickets


async def test_a_bad_import_names_every_place_and_changes_nothing(http: httpx.AsyncClient) -> None:
    text = CSV + "r1,198.51.100.7,junos,lab,x\nr2,198.51.100.8,frr_linux,lab,x\nr3,not an address,frr_linux,lab,x\n"
    answer = await http.post("/api/v1/imports", json={"files": [{"name": "bad.csv", "text": text}]})
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "input"
    assert [(one["file"], one["line"]) for one in problem["errors"]] == [("bad.csv", 2), ("bad.csv", 4)]
    assert (await http.get("/api/v1/devices")).json()["items"] == []


async def test_a_changed_row_is_reported_field_by_field(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("r1")
    text = CSV + "r1,198.51.100.99,frr_linux,lab,r1\n"
    report = (await http.post("/api/v1/imports", json={"files": [{"name": "a.csv", "text": text}]})).json()
    assert report["changed"][0]["changes"] == [
        {"field": "address", "before": "198.51.100.10", "after": "198.51.100.99"}
    ]


async def test_the_list_filters_and_pages_without_losing_or_repeating_a_device(
    world: World, http: httpx.AsyncClient
) -> None:
    names = [f"r{number:02}" for number in range(23)]
    await world.add_devices(*names)
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": "10", **({"cursor": cursor} if cursor else {})}
        page = (await http.get("/api/v1/devices", params=params)).json()
        seen += [device["name"] for device in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == names
    await http.post("/api/v1/devices/r05/suspend")
    for params, expected in (
        ({"state": "suspended"}, ["r05"]),
        ({"q": "r1"}, names[10:20]),
        ({"site": "r07"}, ["r07"]),
        ({"family": "cisco_ios"}, []),
    ):
        page = (await http.get("/api/v1/devices", params=params)).json()
        assert [device["name"] for device in page["items"]] == expected, params


async def test_a_foreign_cursor_and_an_unknown_filter_are_refused(http: httpx.AsyncClient) -> None:
    for params in ({"cursor": "nonsense"}, {"colour": "red"}, {"limit": "0"}, {"group": "nowhere"}):
        answer = await http.get("/api/v1/devices", params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "input"), params


async def test_a_device_goes_through_its_life(world: World, http: httpx.AsyncClient) -> None:
    body = {"name": "r1", "address": "198.51.100.7", "family": "frr_linux", "credential": "lab", "serial": "A1"}
    added = await http.post("/api/v1/devices", json=body)
    assert added.status_code == 201
    assert added.headers["location"] == f"/api/v1/devices/{added.json()['id']}"
    assert (await http.post("/api/v1/devices", json=body)).json()["code"] == "conflict"
    assert (await http.post("/api/v1/devices/r1/suspend")).json()["state"] == "suspended"
    assert (await http.post("/api/v1/devices/r1/suspend")).status_code == 409
    assert (await http.post("/api/v1/devices/r1/resume")).json()["state"] == "active"
    replaced = (await http.post("/api/v1/devices/r1/replace", json={"serial": "B2"})).json()
    assert (replaced["serial"], replaced["id"] != added.json()["id"]) == ("B2", True)
    assert (await http.delete("/api/v1/devices/r1")).json()["state"] == "decommissioned"
    assert (await http.get("/api/v1/devices")).json()["items"] == []
    events = (await http.get("/api/v1/events")).json()["items"]
    kinds = [event["kind"] for event in events if event["kind"].startswith("device.")]
    assert kinds[0] == "device.added"
    assert kinds[-1] == "device.decommissioned"


async def test_a_wrong_record_is_refused_without_a_place_that_does_not_exist(http: httpx.AsyncClient) -> None:
    answer = await http.post("/api/v1/devices", json={"name": "r1", "address": "1.2.3.4.5", "family": "frr_linux"})
    assert answer.status_code == 422
    assert {(one["file"], one["line"]) for one in answer.json()["errors"]} == {(None, None)}
    assert not answer.json()["detail"].startswith(":")


async def test_a_changed_host_key_shows_and_can_be_accepted(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("r1")
    assert (await http.post("/api/v1/devices/r1/accept-key")).status_code == 409
    await world.back_up("r1", "one", first_host_key=KEY_A)
    failed = {"outcome": Outcome.FAILED, "error_code": "host_key", "error": "the host key changed"}
    await world.back_up("r1", "", **failed, offered_host_key=KEY_B)
    device = (await http.get("/api/v1/devices/r1")).json()
    assert (device["last_error_code"], device["failures"]) == ("host_key", 1)
    states = {key["state"]: key["fingerprint"] for key in device["host_keys"]}
    assert states.keys() == {"pinned", "offered"}
    accepted = (await http.post("/api/v1/devices/r1/accept-key")).json()
    assert [(key["state"], key["fingerprint"]) for key in accepted["host_keys"]] == [("pinned", states["offered"])]


async def test_an_unknown_device_is_a_404_problem(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/v1/devices/ghost")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "ghost" in answer.json()["detail"]
