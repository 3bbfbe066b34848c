"""Webhooks of a daemon that is killed: whatever happened is told, in its order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from tests.e2e.world import eventually, world
from tests.support.hook_server import HookServer

EVENTS = 60
KILLS = 3


@pytest.fixture
def receiver() -> Iterator[HookServer]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    made = HookServer()
    asyncio.run_coroutine_threadsafe(made.start(), loop).result(10)
    yield made
    asyncio.run_coroutine_threadsafe(made.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_daemon_that_is_killed_while_it_tells_loses_nothing_and_keeps_the_order(
    tmp_path: Path, receiver: HookServer
) -> None:
    receiver.delay = 0.05
    with world(tmp_path, CPE_MANAGER_WEBHOOK_PRIVATE_ADDRESSES="true") as w:
        w.data.mkdir(parents=True, exist_ok=True)
        w.init()
        w.serve()
        secret = w.json("webhooks", "add", "desk", receiver.url, "--kind", "token.*")["secret"]
        for number in range(EVENTS):
            _token(w.url, w.token, f"t{number:03}")
            if number % (EVENTS // KILLS) == EVENTS // KILLS // 2:
                w.processes[-1].kill()
                w.serve()
        told = eventually("all events", lambda: _told(receiver) if len(_told(receiver)) == EVENTS else None)
        assert told == [f"t{number:03}" for number in range(EVENTS)]
        for (_, headers), body in zip(receiver.calls, receiver.raw, strict=True):
            Webhook(secret).verify(body, dict(headers))


def _token(url: str, token: str, name: str) -> None:
    body = {"name": name, "scopes": ["read"]}
    answer = httpx.post(f"{url}/api/v1/tokens", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    assert answer.status_code == 201, answer.text


def _told(receiver: HookServer) -> list[str]:
    """The first time of each id, in the order in which they came: what a receiver keeps."""
    seen: dict[str, str] = {}
    for call, headers in list(receiver.calls):
        seen.setdefault(headers["webhook-id"], call["data"]["message"].split()[1])
    return list(seen.values())
