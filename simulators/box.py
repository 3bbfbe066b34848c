"""One fresh box for a program that starts it: told of on standard output, steered and ended by standard input.

Standard output has a JSON object a line. The first one says where the box is and how to log in: `box` (1, the version
of this contract), `name`, `family`, `host`, `port`, `host_key` (`ssh-ed25519 AAAA...`), `username`, `password`,
`enable_password`; or, when there is no such box, `unknown_family`. Standard input takes a word a line: `restart` takes
the box's power away for a moment; the answer is `{"restarted": true}`, once the box has come up with what it had saved.
At the end of standard input the box ends, and so it never outlives the process that started it, however that one died.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterable
from typing import Any

from simulators.device import Device
from simulators.faults.kinds import Fault
from simulators.fleet import Fleet
from simulators.spec import DeviceSpec

CONTRACT = 1
_LONGEST_WORD = 1024


def refuse_family(family: str) -> None:
    """Say, in the words of the contract, that there are no boxes of this family."""
    _say({"box": CONTRACT, "unknown_family": family})


async def serve_box(spec: DeviceSpec, faults: Iterable[Fault] = ()) -> None:
    """Run one box until standard input ends, or SIGTERM or SIGINT comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    words = asyncio.StreamReader(limit=_LONGEST_WORD)
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    async with Fleet([spec]) as fleet:
        device = fleet.device(spec.name)
        for fault in faults:
            device.set_fault(fault)
        _say(_introduced(device))
        listening = loop.create_task(_listen(words, device), name="cpe-sim-box-words")
        stopping = loop.create_task(stop.wait(), name="cpe-sim-box-stop")
        await asyncio.wait({listening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in (listening, stopping):
            task.cancel()
        await asyncio.gather(listening, stopping, return_exceptions=True)
    pipe.close()


def _introduced(device: Device) -> dict[str, Any]:
    spec, secrets = device.spec, device.spec.secrets
    return {
        "box": CONTRACT, "name": spec.name, "family": spec.family, "host": device.address, "port": device.port,
        "host_key": device.host_key_public, "username": spec.username, "password": secrets.login,
        "enable_password": secrets.enable,
    }  # fmt: skip


async def _listen(words: asyncio.StreamReader, device: Device) -> None:
    while line := await words.readline():
        word = line.decode(errors="replace").strip()
        if word == "restart":
            device.restart(0.0)
            _say({"restarted": True})
        elif word:
            _say({"error": f"no such word: {word[:40]}"})


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
