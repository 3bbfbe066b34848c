"""A receiver that is down for a while, on a real daemon that is killed meanwhile: thousands of events, none lost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from tests.e2e.world import World, eventually, world
from tests.support.hook_server import HookServer

EACH = 1000
"""Events of one import."""
DOWN = 25.0
"""Seconds, at least."""


class Receiver:
    """A server in a thread of its own, which can be taken down and brought back."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.server = HookServer()
        self.up()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def up(self) -> None:
        self._run(self.server.start())

    def down(self) -> None:
        self._run(self.server.stop())

    def close(self) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_receiver_that_was_down_gets_all_of_thousands_of_events_in_order_and_signed(
    tmp_path: Path, receiver: Receiver
) -> None:
    with world(tmp_path, CPE_MANAGER_WEBHOOK_PRIVATE_ADDRESSES="true") as w:
        w.data.mkdir(parents=True, exist_ok=True)
        w.init()
        with w.credentials.open("a") as file:
            file.write('[credentials.lab]\nusername = "backup"\npassword = "is-never-used"\n')
        w.serve()
        made = w.json("webhooks", "add", "desk", receiver.server.url, "--kind", "device.added")
        import_devices(w, "a")
        eventually("some of the first events", lambda: len(receiver.server.calls) > 100)
        receiver.down()
        began = time.monotonic()
        import_devices(w, "b")
        eventually("a failure", lambda: w.json("webhooks", "show", "desk")["failures"])
        w.processes[-1].kill()
        w.serve()
        import_devices(w, "c")
        eventually("more failures", lambda: time.monotonic() - began > DOWN)
        assert w.json("webhooks", "show", "desk")["failures"] >= 2
        receiver.up()
        wanted = [f"{batch}{number:04}" for batch in "abc" for number in range(EACH)]
        told = eventually("every event", lambda: _all(receiver, len(wanted)), within=400)
        assert sorted(told) == wanted
        ids = [call["data"]["id"] for call in _once(receiver).values()]
        assert ids == sorted(ids)
        for (_, headers), body in zip(receiver.server.calls, receiver.server.raw, strict=True):
            Webhook(made["secret"]).verify(body, dict(headers))


def import_devices(w: World, batch: str) -> None:
    """Each makes one event."""
    rows = [
        f"{batch}{number:04},127.{ord(batch)}.{number // 250}.{number % 250 + 1},frr_linux,lab,s1"
        for number in range(EACH)
    ]
    body = {"files": [{"name": "a.csv", "text": "name,address,family,credential,site\n" + "\n".join(rows) + "\n"}]}
    answer = httpx.post(
        f"{w.url}/api/v1/imports",
        json=body | {"backup": False},
        headers={"Authorization": f"Bearer {w.token}"},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text[:300]


def _once(receiver: Receiver) -> dict[str, Any]:
    """The first time of each id, in the order in which they came: what a receiver keeps."""
    seen: dict[str, Any] = {}
    for call, headers in list(receiver.server.calls):
        seen.setdefault(headers["webhook-id"], call)
    return seen


def _all(receiver: Receiver, count: int) -> list[str] | None:
    told = [call["data"]["device"] for call in _once(receiver).values() if call["type"] == "device.added"]
    return told if len(told) >= count else None
