"""What a careless or hostile program sends is refused with a reason, and never becomes an internal error."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from cpe_manager.client_http import part
from cpe_manager.domain.errors import InputError, SettingsError
from tests.integration.api.world import CSV, World

JSON = {"Content-Type": "application/json"}
DEVICE = '{"name":"r1","address":"198.51.100.1","family":"frr_linux","site":%s}'


def refused(answer: httpx.Response, word: str, status: int = 422) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert word in answer.json()["detail"]


@pytest.mark.parametrize("text", ['"a\\ud800"', '"a\\u0000b"', '{"deep": ["\\udfff"]}'])
async def test_text_that_no_database_takes_is_refused(http: httpx.AsyncClient, text: str) -> None:
    refused(await http.post("/api/v1/devices", content=DEVICE % text, headers=JSON), "NUL")
    inner = '{"files":[{"name":"a.csv","text":TEXT}]}'.replace("TEXT", text)
    assert (await http.post("/api/v1/imports", content=inner, headers=JSON)).status_code == 422


async def test_a_body_nested_as_deep_as_the_reader_allows_is_refused_not_fatal(http: httpx.AsyncClient) -> None:
    for depth in (100, 400, 900, 100_000):
        body = DEVICE % ("[" * depth + "]" * depth)
        assert (await http.post("/api/v1/devices", content=body, headers=JSON)).status_code in {400, 422}


@pytest.mark.parametrize("name", ["a/b", "..", ".", "-x", "a\nb", " a", "", "x" * 101])
async def test_what_is_addressed_by_name_gets_no_name_that_no_path_can_hold(
    http: httpx.AsyncClient, name: str
) -> None:  # fmt: skip
    schedule = {"name": name, "cron": "0 1 * * *"}
    assert (await http.post("/api/v1/schedules", json=schedule)).status_code == 422
    assert (await http.post("/api/v1/tokens", json={"name": name, "scopes": ["read"]})).status_code == 422


async def test_a_token_named_in_words_can_be_revoked_by_that_name(http: httpx.AsyncClient) -> None:
    name = "monitoring, Zoë's probe"
    assert (await http.post("/api/v1/tokens", json={"name": name, "scopes": ["read"]})).status_code == 201
    assert (await http.delete(f"/api/v1/tokens/{part(name)}")).json()["revoked_at"]


@pytest.mark.parametrize(
    "path",
    [
        "/devices/r1/backups/99999999999999999999999",
        "/devices/r1/diff?from=99999999999999999999999",
        "/events?after=99999999999999999999999",
        "/events/stream?after=99999999999999999999999",
        "/events?cursor=99999999999999999999999",
        "/events?cursor=%C2%B2",
    ],
)
async def test_a_number_larger_than_any_is_refused(world: World, http: httpx.AsyncClient, path: str) -> None:
    await world.add_devices("r1")
    assert (await http.get(f"/api/v1{path}")).status_code == 422


async def test_a_path_with_a_nul_names_nothing(http: httpx.AsyncClient) -> None:
    refused(await http.get("/api/v1/devices/a%00b"), "NUL", 404)


async def test_a_body_that_is_not_said_to_be_json_is_told_so(http: httpx.AsyncClient) -> None:
    refused(await http.post("/api/v1/devices", content=b'{"name":"r1"}'), "Content-Type: application/json")
    refused(await http.post("/api/v1/devices", json=[]), "body: Input should be")


async def test_a_reason_is_told_without_the_librarys_preface(http: httpx.AsyncClient) -> None:
    refused(await http.post("/api/v1/backups", json={}), "body: give exactly one of names, group and all")


async def test_events_are_paged_like_every_other_list(world: World, http: httpx.AsyncClient) -> None:
    await world.add_devices("r1", "r2", "r3")
    every = [event["id"] for event in (await http.get("/api/v1/events")).json()["items"]]
    seen: list[int] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await http.get("/api/v1/events", params=query)).json()
        seen += [event["id"] for event in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == every
    assert len(seen) > 3


async def test_a_group_can_be_read_alone_and_an_unknown_one_is_not_found(http: httpx.AsyncClient) -> None:
    stored = await http.put("/api/v1/groups/shops", json={"family": "frr_linux", "settings": {"max_attempts": 3}})
    assert stored.status_code == 200
    assert (await http.get("/api/v1/groups/shops")).json() == stored.json()
    refused(await http.get("/api/v1/groups/none"), "none", 404)


async def test_an_import_can_be_told_to_make_no_groups(http: httpx.AsyncClient) -> None:
    text = CSV.replace("site", "group") + "r1,198.51.100.1,frr_linux,lab,shops\n"
    body = {"files": [{"name": "a.csv", "text": text}], "backup": False}
    refused(await http.post("/api/v1/imports", json={**body, "make_groups": False}), "shops")
    assert (await http.post("/api/v1/imports", json=body)).json()["groups"] == ["shops"]


async def test_the_daemons_page_is_there_when_the_credentials_are_not(world: World, http: httpx.AsyncClient) -> None:
    class Open:
        def names(self) -> tuple[str, ...]:
            raise SettingsError("credentials.toml is open to others")

    object.__setattr__(world.services, "credentials", Open())
    answer = await http.get("/api/v1/system")
    assert answer.status_code == 200
    assert (answer.json()["credentials"], answer.json()["credentials_error"]) == (
        [], "credentials.toml is open to others",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../keys", "a\0b", "a\nb", "\udcff"])
def test_the_client_sends_no_name_that_leads_to_another_path(name: str) -> None:
    with pytest.raises(InputError, match="not a name"):
        part(name)


@pytest.mark.parametrize(
    ("body", "pointer", "word"),
    [
        ('{"name":"r1","address":"192.0.2.1","name":"r2"}', "/name", "more than once"),
        ('{"name":"r1","address":"192.0.2.1","settings":{"a/b":1,"a/b":2}}', "/settings/a~1b", "more than once"),
        ('{"name":"r1","address":"192.0.2.1","settings":{"shrink_ratio":NaN}}', "/settings/shrink_ratio", "number"),
        ('{"name":"r1","address":"192.0.2.1","settings":{"x":[0,-Infinity]}}', "/settings/x/1", "number"),
        ('{"name":"r1","address":"192.0.2.1","settings":{"shrink_ratio":1e999}}', "/settings/shrink_ratio", "number"),
        ('{"name":"r1","address":"192.0.2.1","sit":"a"}', "/sit", "Extra inputs"),
        ('{"name":"r1"}', "/address", "required"),
        ('{"name":"r1","address":7}', "/address", "text"),
        ('{"name":"r1","address":"192.0.2.1","port":"22"}', "/port", "whole number"),
        ('{"name":"r1","address":"192.0.2.1","port":true}', "/port", "whole number"),
        ('{"name":"r1","address":"192.0.2.1","backup":0}', "/backup", "true or false"),
        ("{", "", "JSON"),
    ],
)
async def test_what_is_wrong_with_a_body_is_told_with_its_place(
    http: httpx.AsyncClient, body: str, pointer: str, word: str
) -> None:
    answer = await http.post("/api/v1/devices", content=body, headers=JSON)
    refused(answer, word)
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
    assert (await http.get("/api/v1/devices")).json()["items"] == []


async def test_what_is_wrong_with_a_parameter_is_told_with_its_name(http: httpx.AsyncClient) -> None:
    answer = await http.get("/api/v1/devices", params={"limit": 0, "nothing": 1})
    assert {one["parameter"] for one in answer.json()["errors"]} == {"limit", "nothing"}
    assert {one["pointer"] for one in answer.json()["errors"]} == {None}


async def test_a_group_is_written_over_what_was_read_alone(http: httpx.AsyncClient) -> None:
    path = "/api/v1/groups/shops"
    late = await http.put(path, json={"settings": {}}, headers={"If-Match": '"abc"'})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert (await http.get(path)).status_code == 404
    made = await http.put(path, json={"settings": {"max_attempts": 3}}, headers={"If-None-Match": "*"})
    read = await http.get(path)
    assert made.headers["etag"] == read.headers["etag"]
    again = await http.put(path, json={"settings": {}}, headers={"If-None-Match": "*"})
    assert again.status_code == 412
    changed = await http.put(path, json={"settings": {}}, headers={"If-Match": read.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != read.headers["etag"]
    late = await http.put(path, json={"settings": {"max_attempts": 9}}, headers={"If-Match": read.headers["etag"]})
    assert late.status_code == 412
    assert (await http.get(path)).json()["settings"] == {}
