"""The event stream on a real socket: live, resumable, with signs of life, and over when the daemon stops."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cpe_manager.api.schemas.system import EventView
from cpe_manager.client import Client
from cpe_manager.domain.errors import StoreBusy
from cpe_manager.domain.events import NewEvent
from tests.integration.api.live import Live, live_daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Live]:
    with live_daemon(tmp_path) as made:
        yield made


def say(daemon: Live, *messages: str) -> None:
    at = daemon.world.clock.now()
    daemon.run(daemon.world.database.events.add([NewEvent("device.changed", at, message=text) for text in messages]))


def lines(daemon: Live, headers: dict[str, str], count: int, params: dict[str, str] | None = None) -> list[str]:
    """The first ``count`` lines of the stream that are not empty."""
    auth = {"Authorization": f"Bearer {daemon.token}", **headers}
    with (
        httpx.Client(base_url=daemon.url, headers=auth, timeout=20) as http,
        http.stream("GET", "/api/v1/events/stream", params=params) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(itertools.islice((line for line in response.iter_lines() if line), count))


def test_a_reader_gets_every_event_once_and_resumes_where_it_was_cut_off(daemon: Live) -> None:
    say(daemon, "one", "two", "three")
    start = daemon.run(daemon.world.database.events.last_id()) - 3
    with Client(daemon.url, daemon.token) as client:
        first = list(itertools.islice(client.follow_events(start), 2))
        say(daemon, "four")
        rest = list(itertools.islice(client.follow_events(first[-1].id), 2))
    assert [event.message for event in (*first, *rest)] == ["one", "two", "three", "four"]


def test_each_message_carries_id_kind_and_the_whole_event(daemon: Live) -> None:
    say(daemon, "line one\nline two")
    last = daemon.run(daemon.world.database.events.last_id())
    for headers, params in (({"Last-Event-ID": str(last - 1)}, None), ({}, {"after": str(last - 1)})):
        found = [line for line in lines(daemon, headers, 5, params) if not line.startswith((":", "retry"))]
        assert found[:2] == [f"id: {last}", "event: device.changed"]
        assert EventView.model_validate_json(found[2].removeprefix("data: ")).message == "line one\nline two"


def test_a_stream_begins_now_and_a_quiet_one_shows_that_it_lives(daemon: Live) -> None:
    say(daemon, "before")
    assert lines(daemon, {}, 4) == ["retry: 2000", ": connected", ": alive", ": alive"]


def test_a_locked_database_interrupts_nobody(daemon: Live) -> None:
    feed, store = daemon.world.app.state.feed, daemon.world.database.events

    class Sometimes:
        calls = 0

        async def after(self, event_id: int, *, limit: int) -> object:
            self.calls += 1
            if self.calls % 2:
                raise StoreBusy("locked")
            return await store.after(event_id, limit=limit)

    feed._events = Sometimes()
    say(daemon, "one")
    with Client(daemon.url, daemon.token) as client:
        assert next(client.follow_events(0)).message


def test_a_stopping_daemon_ends_its_streams(tmp_path: Path) -> None:
    daemon = Live(tmp_path)
    daemon.start()
    auth = {"Authorization": f"Bearer {daemon.token}"}
    with (
        httpx.Client(base_url=daemon.url, headers=auth, timeout=20) as http,
        http.stream("GET", "/api/v1/events/stream") as response,
    ):
        chunks = response.iter_raw()
        next(chunks)
        daemon.stop()
        assert b"".join(chunks).replace(b": alive\n\n", b"") == b""


@pytest.mark.parametrize("headers", [{"Last-Event-ID": "x"}, {"Last-Event-ID": "-1"}])
def test_a_senseless_event_id_is_refused(daemon: Live, headers: dict[str, str]) -> None:
    auth = {"Authorization": f"Bearer {daemon.token}", **headers}
    answer = httpx.get(f"{daemon.url}/api/v1/events/stream", headers=auth)
    assert (answer.status_code, answer.json()["code"]) == (422, "input")
