"""What a careless or hostile program asks for is refused with the field named, and nothing of it is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.api.changing import OPEN_PORT, desk
from tests.integration.api.world import World

AT = "/api/v1/changes"
PORT: dict[str, Any] = {"port": 443, "inside": "192.168.1.10"}


def ports(**more: Any) -> dict[str, Any]:
    return {**OPEN_PORT, "parameters": {"ports": [PORT | more]}}


def of(kind: str, **parameters: Any) -> dict[str, Any]:
    return {"type": kind, "site": "w1", "parameters": parameters}


def network(**more: Any) -> dict[str, Any]:
    return of("wifi", networks=[{"band": "2.4"} | more])


BAD: list[tuple[Any, str]] = [
    ({**OPEN_PORT, "type": 7}, "/type"),
    ({**OPEN_PORT, "type": "coffee"}, "/type"),
    ({**OPEN_PORT, "type": "a" * 65}, "/type"),
    ({**OPEN_PORT, "colour": "red"}, "/colour"),
    ({**OPEN_PORT, "parameters": []}, "/parameters"),
    ({**OPEN_PORT, "site": None}, "/site"),
    ({**OPEN_PORT, "site": {"a": 1}}, "/site"),
    ({**OPEN_PORT, "note": "a" * 2001}, "/note"),
    ({**OPEN_PORT, "note": "bell\a"}, "/note"),
    ({**OPEN_PORT, "requested_for": "2026-12-01T08:00:00"}, "/requested_for"),
    ({**OPEN_PORT, "requested_for": "tomorrow"}, "/requested_for"),
    (of("open-port"), "/parameters"),
    (of("open-port", ports=[]), "/parameters/ports"),
    (of("open-port", ports={}), "/parameters/ports"),
    (of("open-port", ports=[PORT] * 2000), "/parameters/ports"),
    (ports(port="443"), ""),
    (ports(port=0), "/parameters/ports/0/port"),
    (ports(port=65536), "/parameters/ports/0/port"),
    (ports(port=True), "/parameters/ports/0/port"),
    (ports(port="9000-8000"), "/parameters/ports/0/port"),
    (ports(inside="192.168.1.300"), "/parameters/ports/0/inside"),
    (ports(inside="::ffff:192.168.1.10"), "/parameters/ports/0/inside"),
    (ports(inside="192.168.1.10/24"), "/parameters/ports/0/inside"),
    (ports(protocol="icmp"), "/parameters/ports/0/protocol"),
    (ports(color="red"), "/parameters/ports/0/color"),
    (network(ssid="line\nbreak"), "/parameters/networks/0/ssid"),
    (network(ssid="s" * 33), "/parameters/networks/0/ssid"),
    (network(channel="six"), "/parameters/networks/0/channel"),
    (network(key="short"), "/parameters/networks/0"),
    (of("lan-address", address="192.168.1.0/24"), "/parameters/address"),
    (of("lan-address", address="::ffff:192.168.1.1/120"), "/parameters/address"),
    (of("dhcp", first="192.168.1.200", last="192.168.1.100"), "/parameters"),
    (of("ip-pack", network="203.0.113.1/29"), "/parameters/network"),
    (of("ip-pack", network="203.0.113.0/24"), "/parameters/network"),
    (of("ipv6", prefix="2001:db8::1/56"), "/parameters/prefix"),
    (of("ipv6", prefix="::ffff:192.0.2.0/120"), "/parameters/prefix"),
    ([OPEN_PORT], ""),
    ("open-port", ""),
]


@pytest.fixture(autouse=True)
async def office(world: World) -> None:
    await world.add_devices("w1", family="openwrt")


async def test_each_is_refused_with_its_place_and_nothing_is_stored(world: World) -> None:
    wrong: list[object] = []
    async with await desk(world) as http:
        for number, (body, place) in enumerate(BAD):
            answer = await http.post(AT, json=body, headers={"Idempotency-Key": f"k{number}"})
            if place == "" and isinstance(body, dict):
                # Written another way, and the same port: that is taken.
                assert answer.status_code == 202, answer.text
                continue
            told = answer.json()
            places = [one["pointer"] for one in told.get("errors") or ()]
            if answer.status_code != 422 or not any((one or "").startswith(place) for one in places if one is not None):
                wrong.append((body, answer.status_code, told.get("detail"), places))
        assert wrong == []
        kept = (await http.get(AT)).json()["items"]
    assert [one["summary"] for one in kept] == ["open tcp 443 to 192.168.1.10"]
    events = await world.database.events.after(0, limit=1000)
    assert sum(event.kind.startswith("change.") for event in events) == 1


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ('{"type":"open-port","site":"w1","site":"w2","parameters":{}}', "/site"),
        (
            '{"type":"open-port","site":"w1","parameters":{"ports":[{"port":443,"port":23}]}}',
            "/parameters/ports/0/port",
        ),
        ('{"type":"open-port","site":"w1","parameters":{"ports":NaN}}', "/parameters/ports"),
        ('{"type":"open-port","site":"w1","parameters":{"ports":[Infinity]}}', "/parameters/ports/0"),
        ('{"type":"open-port","site":"w1","parameters":{"ports":' + "[" * 500 + "]" * 500 + "}}", ""),
        ('{"type":"open-port","site":"w1\\u0000","parameters":{}}', ""),
        ('{"type":"open-port","site":"\\ud800","parameters":{}}', ""),
    ],
)
async def test_json_of_two_meanings_is_none(world: World, text: str, pointer: str) -> None:
    async with await desk(world) as http:
        answer = await http.post(AT, content=text, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (422, "input"), answer.text
        assert pointer in [one["pointer"] for one in answer.json()["errors"]]
        assert (await http.get(AT)).json()["items"] == []


async def test_a_body_that_is_too_large_is_not_even_read(world: World) -> None:
    big = {**OPEN_PORT, "parameters": {"ports": [PORT] * 40_000}}
    assert len(json.dumps(big)) > 2**20
    async with await desk(world) as http:
        answer = await http.post(AT, json=big)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        deep: Any = 1
        for _ in range(100):
            deep = [deep]
        odd = await http.post(AT, json={**OPEN_PORT, "parameters": {"ports": deep}})
        assert odd.status_code == 422
        assert (await http.get(AT)).json()["items"] == []


async def test_a_refusal_does_not_repeat_a_secret(world: World) -> None:
    async with await desk(world) as http:
        answer = await http.post(AT, json=network(key="hunter2-secret\n", ssid=["hunter2-secret"]))
        assert answer.status_code == 422
        assert "hunter2" not in answer.text
