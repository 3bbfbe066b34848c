"""The verbs of webhooks against a live daemon and a receiver."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from tests.integration.api.live import Live
from tests.support.hook_server import HookServer
from tests.unit.cli.runner import Cli, ok, one_line, parsed

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture
def server() -> Iterator[HookServer]:
    """In a loop of its own: the command line blocks this one."""
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


def test_a_webhook_is_added_tried_shown_and_removed(cli: Cli, server: HookServer) -> None:
    assert "nobody is told" in cli("webhooks", "list").stderr
    added = cli("webhooks", "add", "desk", server.url, "--kind", "line.*", "--kind", "incident.*")
    secret = added.stdout.strip()
    assert secret.startswith("whsec_")
    assert "not shown again" in added.stderr
    assert ok(cli("webhooks", "test", "desk")).startswith("taken in")
    call, headers = server.calls[0]
    assert call["type"] == "webhook.test"
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert headers["webhook-signature"] == Webhook(secret).sign(headers["webhook-id"], at, server.raw[0].decode())
    (listed,) = parsed(cli("webhooks", "list", "--json"))["items"]
    assert (listed["name"], listed["kinds"], listed["state"]) == ("desk", ["line.*", "incident.*"], "active")
    shown = ok(cli("webhooks", "show", "desk"))
    for text in (shown, ok(cli("webhooks", "list")), ok(cli("webhooks", "show", "desk", "--json"))):
        assert secret not in text
    assert "events behind" in shown
    assert "removed" in ok(cli("webhooks", "remove", "desk", "--yes"))
    one_line(cli("webhooks", "show", "desk"), "not_found", "desk")


def test_a_receiver_that_does_not_take_it_is_told_by_the_exit_code(cli: Cli, server: HookServer) -> None:
    ok(cli("webhooks", "add", "desk", server.url, "--kind", "*"))
    server.answer = lambda document, headers: (503, {})
    refused = cli("webhooks", "test", "desk")
    assert (refused.exit_code, refused.stdout.strip()) == (1, "not taken: HTTP 503")
    again = cli("webhooks", "test", "desk", "--json")
    assert (again.exit_code, json.loads(again.stdout)["status"]) == (1, 503)


def test_the_receivers_own_secret_comes_from_standard_input(cli: Cli, server: HookServer) -> None:
    added = cli("webhooks", "add", "desk", server.url, "--kind", "*", "--secret-stdin", stdin=f"{SECRET}\n")
    assert ok(added) == "desk added\n"
    assert SECRET not in added.stderr
    nothing = cli("webhooks", "add", "other", server.url, "--kind", "*", "--secret-stdin", stdin="\n")
    assert "--secret-stdin" in nothing.stderr


@pytest.mark.parametrize("since", ["2h", "2026-01-01T00:00:00Z", "2026-01-01"])
def test_events_are_told_once_more(cli: Cli, fleet: Live, server: HookServer, since: str) -> None:
    ok(cli("webhooks", "add", "desk", server.url, "--kind", "*"))
    assert "is told everything after event" in ok(cli("webhooks", "replay", "desk", "--since", since))
    assert parsed(cli("webhooks", "replay", "desk", "--json"))["name"] == "desk"


def test_a_time_that_is_none_is_refused(cli: Cli, server: HookServer) -> None:
    ok(cli("webhooks", "add", "desk", server.url, "--kind", "*"))
    assert "30m" in cli("webhooks", "replay", "desk", "--since", "yesterday").stderr
