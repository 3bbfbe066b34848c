"""Ports as they are seen from outside, over real sockets; the page of a report, by the real template."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.adapters.outside import CommandProber, TcpProber
from cpe_manager.adapters.templates.pages import JinjaPages
from cpe_manager.domain.errors import InputError

PROBER = Path(__file__).parents[2] / "support" / "outside_prober.py"


async def test_an_open_port_and_a_refused_one_are_told_apart() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        found = await TcpProber().tcp("127.0.0.1", port, 5)
        assert (found.seen, found.reason) == ("open", "")
        assert found.vantage
    assert (await TcpProber().tcp("127.0.0.1", port, 5)).seen == "refused"


async def test_a_command_says_what_it_saw(tmp_path: Path) -> None:
    seen = tmp_path / "seen.json"
    seen.write_text(json.dumps({"443": ["silent", "open"]}))
    prober = CommandProber(f"{sys.executable} {PROBER} {seen}")
    first, second, third = [await prober.tcp("203.0.113.2", 443, 5) for _ in range(3)]
    assert (first.seen, second.seen, third.seen) == ("silent", "open", "open")
    assert (first.reason, first.vantage) == ("203.0.113.2:443 is silent", "internet")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("/nowhere/prober", "cannot be run"),
        ("false", "ended with status 1"),
        ("echo", "JSON"),
        ("sh -c 'echo {}'", "none of"),
    ],
)
async def test_a_command_that_says_nothing_of_use_is_no_verdict(command: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        await CommandProber(command).tcp("203.0.113.2", 443, 5)


def test_what_is_no_command_line_is_refused_at_once() -> None:
    for command in ("a 'b", " "):
        with pytest.raises(InputError):
            CommandProber(command)


def a_report(**more: Any) -> dict[str, Any]:
    test = {"title": "Throughput", "section": "§3.1.2", "verdict": "failed", "measured": "3 Mbps", "goal": "80 Mbps"}
    return {
        "activation_id": "a1", "number": 1, "passed": False, "reason": "too slow", "made_on": "2026-03-01",
        "site": "Bakery & Sons", "device": "cpe-1", "customer": "<b>Bakery</b>", "title": "Internet Pro+",
        "technology": "copper", "options": [], "catalogue_version": 1, "router": True, "order": {},
        "ordered_on": "2026-02-20", "ordered_by": "op", "due_on": "2026-03-20", "in_time": True, "rush": False,
        "rush_answer": "", "backup": {}, "steps": [], "rounds": 1, "tests": [test | {"reason": "'<script>'"}],
        "counts": {"passed": 0, "failed": 1, "unproven": 0, "not-ordered": 0},
    } | more  # fmt: skip


async def test_a_page_escapes_whatever_a_customer_or_a_box_says_and_loads_nothing() -> None:
    page = await JinjaPages().html(a_report())
    assert "Bakery &amp; Sons" in page
    assert "&lt;b&gt;Bakery&lt;/b&gt;" in page
    assert "<script" not in page
    assert "default-src 'none'" in page
    for outside in ("http://", "https://", "src=", "href=", "url("):
        assert outside not in page


async def test_a_page_tells_of_everything_that_was_ordered() -> None:
    order = {
        "wan": {"mode": "pppoe", "address": "203.0.113.7/32", "username": "ab@isp", "password": "***",
                "ipv6_prefix": "2001:db8:7::/56", "ip_pack": "198.51.100.8/29"},
        "lan": {"address": "192.168.1.1/24"},
        "wifi": {"on": True, "networks": [{"ssid": "One", "band": "2.4"}, {"ssid": "Two", "band": "5"}]},
    }  # fmt: skip
    backup = {"version": 3, "at": "2026-03-01T10:11:12+00:00"}
    options = [{"id": "mobile-backup", "title": "mobile backup"}, {"id": "ip-pack", "title": "IP pack"}]
    steps = [{"step": "configure", "at": "2026-03-01T10:11:12.5+00:00", "result": "done", "reason": "push 7"}]
    page = await JinjaPages().html(
        a_report(order=order, backup=backup, options=options, steps=steps, passed=True, rush=True, tests=[])
    )
    for told in (
        "203.0.113.7/32", "ab@isp", "2001:db8:7::/56", "198.51.100.8/29", "192.168.1.1/24", "on: One (2.4 GHz), Two",
        "version 3, 2026-03-01 10:11 UTC", "mobile backup, IP pack", "not answered", "2026-03-01 10:11:12", "push 7",
        "Passed: the service works as ordered.", "did not come to any test",
    ):  # fmt: skip
        assert told in page, told
