"""Hooks that do not do as they should: what counts as done, refused and unknown."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.adapters.http_posts import HttpPosts
from cpe_manager.adapters.platform.hook import CommandCaller, Hook, HttpCaller
from cpe_manager.domain.errors import CommandRefused, ConnectFailed, DeviceError, DeviceTimeout, SessionDropped
from cpe_manager.domain.failover.lines import Carrier
from tests.lab.edge import LINE
from tests.support.hook_server import HookServer


@pytest.fixture
async def server() -> AsyncIterator[HookServer]:
    async with HookServer() as running:
        yield running


def hook_at(server: HookServer, seconds: float = 10.0) -> Hook:
    return Hook("x", HttpCaller("x", server.url, HttpPosts(private=True)), seconds=seconds)


def command(folder: Path, body: str, seconds: float = 10.0) -> Hook:
    script = folder / "hook.sh"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return Hook("x", CommandCaller("x", (str(script),)), seconds=seconds)


@pytest.mark.parametrize(
    ("body", "kind", "state", "words"),
    [
        ("cat >/dev/null; echo 'BRAS says no' >&2; exit 1", CommandRefused, "untouched", "BRAS says no"),
        ("""cat >/dev/null; echo '{"error": "half", "state": "changed"}'; exit 1""", CommandRefused, "changed", "half"),
        ("cat >/dev/null; exit 75", ConnectFailed, "untouched", "exit status 75"),
        ("cat >/dev/null; exit 3", SessionDropped, "unknown", "exit status 3"),
        ("kill -9 $$", SessionDropped, "unknown", "exit status -9"),
        ("cat >/dev/null; exit 2", CommandRefused, "untouched", "does not know the verb"),
        ("cat >/dev/null; echo done", DeviceError, "unknown", "not with a JSON object"),
        ("""cat >/dev/null; echo '{"over": "fixed"}'""", CommandRefused, "unknown", "says over 'fixed'"),
        ("""grep -q carried && exit 2; echo '{}'""", CommandRefused, "unknown", "does not tell over what"),
    ],
)
async def test_what_a_command_says_by_its_status(
    tmp_path: Path, body: str, kind: type[DeviceError], state: str, words: str
) -> None:
    with pytest.raises(kind, match=words) as failure:
        await command(tmp_path, body).carry(LINE, Carrier.MOBILE)
    assert failure.value.device_state == state


async def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    hook = command(tmp_path, f"sleep 300 & echo $! >{tmp_path}/child; wait", seconds=1.0)
    with pytest.raises(DeviceTimeout) as failure:
        await hook.carry(LINE, Carrier.MOBILE)
    assert failure.value.device_state == "unknown"
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the child lives")


async def test_a_command_finds_none_of_our_settings_and_gets_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "CPE_MANAGER_DATABASE_URL", "postgresql://u:secret@h/d")
    hook = command(tmp_path, f"""cat >{tmp_path}/call; env >{tmp_path}/env; echo '{{"over": "mobile"}}'""")
    await hook.carry(LINE, Carrier.MOBILE)
    assert "secret" not in (tmp_path / "env").read_text()
    call = json.loads((tmp_path / "call").read_text())
    assert call.pop("id")
    assert call == {
        "version": 1,
        "verb": "carry",
        "platform": "x",
        "over": "mobile",
        "line": {
            "id": "line-1",
            "site": "Gent",
            "ipv4": "203.0.113.10/32",
            "ipv6": "2001:db8:10::/56",
            "fixed_gateway": "10.1.0.2, fd01::2",
            "mobile_gateway": "10.2.0.2, fd02::2",
        },
    }


async def test_a_program_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandRefused, match="does not start") as failure:
        await Hook("x", CommandCaller("x", (str(tmp_path / "none"),))).carry(LINE, Carrier.MOBILE)
    assert failure.value.device_state == "untouched"


@pytest.mark.parametrize(
    ("status", "told", "kind", "state"),
    [
        (409, {"error": "no such line"}, CommandRefused, "untouched"),
        (302, {}, CommandRefused, "untouched"),
        (503, {}, ConnectFailed, "untouched"),
        (500, {}, SessionDropped, "unknown"),
        (500, {"error": "rolled back", "state": "untouched"}, SessionDropped, "untouched"),
        (501, {}, CommandRefused, "untouched"),
        (200, "<html>", DeviceError, "unknown"),
        (200, {"over": "fixed"}, CommandRefused, "unknown"),
    ],
)
async def test_what_a_server_says_by_its_status(
    server: HookServer, status: int, told: object, kind: type[DeviceError], state: str
) -> None:
    server.answer = lambda document, headers: (status, told)
    server.more_headers = {"Location": server.url}
    with pytest.raises(kind) as failure:
        await hook_at(server).carry(LINE, Carrier.MOBILE)
    assert failure.value.device_state == state
    assert len(server.calls) == (2 if status == 503 else 1)
    assert len({call["id"] for call, _ in server.calls}) == 1


async def test_a_server_that_does_not_answer_or_hangs_up_leaves_it_unknown(server: HookServer) -> None:
    server.hang_up = True
    with pytest.raises(DeviceError) as failure:
        await hook_at(server).carry(LINE, Carrier.MOBILE)
    assert failure.value.device_state == "unknown"
    server.hang_up, server.delay = False, 30.0
    with pytest.raises(DeviceTimeout) as failure:
        await hook_at(server, seconds=0.3).carry(LINE, Carrier.MOBILE)
    assert failure.value.device_state == "unknown"


async def test_a_server_that_is_not_there_is_asked_twice_and_left_untouched(server: HookServer) -> None:
    await server.stop()
    with pytest.raises(ConnectFailed) as failure:
        await hook_at(server).carry(LINE, Carrier.MOBILE)
    assert failure.value.device_state == "untouched"


async def test_what_a_server_does_not_know_cannot_be_told(server: HookServer) -> None:
    server.answer = lambda document, headers: (501, {})
    hook = hook_at(server)
    assert await hook.carried(LINE) is None
    assert await hook.reachable(LINE) is None
    assert await hook.sessions() is None
    await hook.warm()


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("carried", {"over": "both"}),
        ("reachable", {"reachable": "yes"}),
        ("sessions", {"sessions": ["a"]}),
        ("sessions", {"sessions": {"a": {"bfd": 1}}}),
    ],
)
async def test_an_answer_that_is_not_in_the_contract_is_an_error(server: HookServer, verb: str, told: object) -> None:
    server.answer = lambda document, headers: (200, told)
    hook = hook_at(server)
    with pytest.raises(DeviceError):
        await (hook.sessions() if verb == "sessions" else getattr(hook, verb)(LINE))


async def test_what_an_edge_says_of_its_sessions_does_not_queue_behind_slow_orders() -> None:
    moved = asyncio.Event()

    class Slow:
        async def call(self, document: Mapping[str, Any], key: str, seconds: float) -> Mapping[str, Any]:
            if document["verb"] == "sessions":
                return {"sessions": {"10.0.0.1": {"bfd": False}}}
            await moved.wait()
            return {"over": document["over"]}

        async def close(self) -> None: ...

    hook = Hook("x", Slow())
    orders = [asyncio.create_task(hook.carry(LINE, Carrier.MOBILE)) for _ in range(100)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        sessions = await hook.sessions()
    assert sessions is not None
    assert sessions["10.0.0.1"].bfd is False
    assert not any(order.done() for order in orders)
    moved.set()
    await asyncio.gather(*orders)
