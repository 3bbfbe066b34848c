"""Lines end to end, without a real switch: set up, watched, held and released, over a kill of the daemon."""

from __future__ import annotations

import csv
import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import BIN, World, eventually, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        made.fleet(2, extra=("--mix", "frr_linux", "--option", "frr_linux.mode=linux"))
        made.init()
        made.serve()
        made.ok("devices", "import", str(made.inventory), "--no-backup")
        yield made


def names(w: World) -> list[str]:
    return [device["name"] for device in w.get("devices")["items"]]


def line(w: World, name: str) -> Any:
    return w.get(f"lines/{name}")


def watched(w: World) -> str:
    found: str = w.get("line-summary")["watcher"] or ""
    return found


def import_all(w: World) -> None:
    """Without addresses: the watcher learns nothing of the lines, and moves nothing."""
    file = w.home / "lines.csv"
    with file.open("w", newline="") as text:
        rows = csv.writer(text)
        rows.writerow(("device", "formula", "ordered", "coverage", "coverage_reason", "policy.poll_every"))
        rows.writerows((name, "pro-plus", "yes", "passed", "on site", "600") for name in names(w))
    assert w.ok("lines", "import", str(file)).strip() == "2 new"


def test_a_hold_is_taken_up_kept_over_a_kill_and_released(w: World) -> None:
    one, other = names(w)
    import_all(w)
    eventually("somebody watches", lambda: watched(w))
    assert w.ok("failover", "hold", one, "--reason", "works in the street").startswith(f"{one}: held")
    shown = w.ok("lines", "show", one)
    assert "nothing is moved until it is released" in shown
    assert w.ok("failover", "status").startswith("1 fixed, 1 held; no open incident; watched by")
    history = json.loads(w.ok("failover", "history", one, "--json"))["items"]
    assert [(step["before"], step["after"]) for step in history] == [("fixed", "held")]
    w.processes[-1].kill()
    w.serve()
    eventually("somebody watches again", lambda: watched(w))
    assert (line(w, one)["state"], line(w, other)["state"]) == ("held", "fixed")
    released = w.ok("failover", "release", one)
    assert released.startswith(f"{one}: fixed")
    assert len(json.loads(w.ok("failover", "history", one, "--json"))["items"]) == 2
    assert json.loads(w.ok("incidents", "list", "--json"))["items"] == []


def test_a_terminal_is_drawn_anew_with_each_event_until_ctrl_c(w: World) -> None:
    one, _ = names(w)
    import_all(w)
    eventually("somebody watches", lambda: watched(w))
    master, slave = pty.openpty()
    env = w.environment()
    command = [str(BIN / "cpe-manager"), "lines", "watch"]
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True) as shown:
        os.close(slave)
        screen = ""
        try:
            screen = read_until(master, "watched by", screen)
            w.ok("failover", "hold", one, "--no-wait")
            screen = read_until(master, "1 held", screen)
            # The table comes after its summary, often in another read.
            screen = read_until(master, one, screen)
            shown.send_signal(signal.SIGINT)
            assert shown.wait(60) == 130
            assert "Traceback" not in screen + rest(master)
        finally:
            shown.kill()
            os.close(master)


def rest(master: int) -> str:
    """What is left to be read once the other side is closed, which Linux tells by EIO."""
    try:
        return os.read(master, 65_536).decode(errors="replace")
    except OSError:
        return ""


def read_until(master: int, words: str, screen: str) -> str:
    deadline = time.monotonic() + 60
    while words not in screen:
        assert time.monotonic() < deadline, f"{words!r} never came: {screen[-2000:]}"
        ready, _, _ = select.select([master], [], [], 1)
        if ready:
            screen += os.read(master, 65_536).decode(errors="replace")
    return screen
