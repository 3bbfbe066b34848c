"""Echoes over real sockets, each scene in a network namespace of its own: what is believed, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NO_RAW = "setpriv --bounding-set=-net_raw --inh-caps=-net_raw"
PINGS = "echo '0 0' > /proc/sys/net/ipv4/ping_group_range && "

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("unshare") is None or shutil.which("ip") is None, reason="no network namespaces"),
]


async def played(scene: str, before: str = "", wrapper: str = "") -> Any:
    """What a scene found; ``before`` is done in its namespace, ``wrapper`` takes rights away."""
    line = f"ip link set lo up && {before}exec {wrapper} {sys.executable} -m tests.integration.echo_scenes {scene}"
    namespaces = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    process = await asyncio.create_subprocess_exec(
        "unshare", *namespaces, "sh", "-c", line, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out.splitlines()[-1])


async def test_hosts_of_both_internets_answer_also_from_an_address_or_over_an_interface():
    assert await played("answered") == {"silent": [], "raw": True, "late": 0}


async def test_without_the_right_to_raw_sockets_the_kernels_ping_socket_does():
    assert await played("answered", PINGS, NO_RAW) == {"silent": [], "raw": False, "late": 0}


async def test_with_neither_it_is_said_what_to_do():
    found = await played("answered", "", NO_RAW)
    assert "CAP_NET_RAW" in found["refused"]
    assert "net.ipv4.ping_group_range" in found["refused"]


@pytest.mark.parametrize("wrapper", ["", NO_RAW], ids=["raw", "ping socket"])
async def test_silence_is_told_when_its_time_is_over_and_not_before(wrapper):
    assert await played("silent", PINGS, wrapper) == {"got": [None, None, None], "early": False, "waiting": 0}


async def test_an_answer_is_believed_from_the_address_that_was_asked_with_the_token_that_was_sent_alone():
    # Those of another length are none at all; wrong token, wrong number, wrong address and the second right one count.
    assert await played("forged") == {"early": False, "answered": True, "refused": 4}


async def test_cancelled_echoes_leave_nothing_behind():
    assert await played("cancelled") == {"before": 50, "after": 0, "cancelled": True}


async def test_what_this_machine_cannot_send_is_an_error_and_no_silence():
    said = await played("unreachable")
    assert "network is unreachable" in said["198.51.100.1"]
    assert "neither an interface of this machine" in said["127.0.0.1"]
    assert "its name is not found" in said["no.such.name.invalid"]


async def test_ten_thousand_echoes_are_under_way_at_once_and_none_is_lost():
    assert await played("thousands") == {"waiting": 10_000, "answered": 10_000, "refused": 0}
