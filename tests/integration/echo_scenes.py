"""Plays one scene with echoes in a network of its own and prints what came of it: ``python -m
tests.integration.echo_scenes SCENE``. Started in a network namespace, where it may tell the kernel not to answer."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

from cpe_manager.adapters.icmp import IcmpEchoes
from cpe_manager.domain.errors import ConnectFailed

_IGNORE = Path("/proc/sys/net/ipv4/icmp_echo_ignore_all")
_REPLY = 0


def deaf() -> None:
    """From now on the kernel answers no echo."""
    _IGNORE.write_text("1")


async def answered(echoes: IcmpEchoes) -> dict[str, Any]:
    asked = {
        "ipv4": ("127.0.0.1", ""), "ipv6": ("::1", ""), "address": ("127.0.0.1", "127.0.0.9"),
        "interface": ("127.0.0.1", "lo"), "ipv6 address": ("::1", "::1"), "ipv6 interface": ("::1", "lo"),
        "name": ("localhost", ""),
    }  # fmt: skip
    got = {what: await echoes.ping(host, 5, source=source) for what, (host, source) in asked.items()}
    return {"silent": [what for what, took in got.items() if took is None], "raw": echoes.raw, "late": echoes.refused}


async def silent(echoes: IcmpEchoes) -> dict[str, Any]:
    deaf()
    loop = asyncio.get_running_loop()
    began = loop.time()
    got = await asyncio.gather(*(echoes.ping("127.0.0.1", wait) for wait in (0.3, 0.1, 0.2)))
    return {"got": got, "early": loop.time() - began < 0.3, "waiting": echoes.waiting}


async def forged(echoes: IcmpEchoes) -> dict[str, Any]:
    """Somebody who sees each question answers it wrongly in every way, and then rightly."""
    deaf()
    ear = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    ear.setblocking(False)
    other = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    other.bind(("127.0.0.66", 0))
    right = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    right.bind(("127.0.0.1", 0))
    task = asyncio.create_task(echoes.ping("127.0.0.1", 5))
    question = (await asyncio.get_running_loop().sock_recv(ear, 2048))[20:]

    def reply(number: int | None = None, token: bytes = question[8:], more: bytes = b"") -> bytes:
        head = (
            bytes((_REPLY, 0, 0, 0)) + question[4:6] + (question[6:8] if number is None else number.to_bytes(2, "big"))
        )
        return _summed(head + token + more)

    own = int.from_bytes(question[6:8], "big")
    for sender, said in (
        (right, reply(token=bytes(8))),
        (right, reply(number=own ^ 1)),
        (right, reply(more=b"more")),
        (right, reply()[:10]),
        (other, reply()),
    ):
        sender.sendto(said, ("127.0.0.1", 0))
    await asyncio.sleep(0.2)
    early = task.done()
    right.sendto(reply(), ("127.0.0.1", 0))
    right.sendto(reply(), ("127.0.0.1", 0))
    took = await task
    await asyncio.sleep(0.1)
    return {"early": early, "answered": took is not None, "refused": echoes.refused}


async def cancelled(echoes: IcmpEchoes) -> dict[str, Any]:
    deaf()
    tasks = [asyncio.create_task(echoes.ping("127.0.0.1", 60)) for _ in range(50)]
    await asyncio.sleep(0.05)
    before = echoes.waiting
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    cancelled = all(isinstance(end, asyncio.CancelledError) for end in ends)
    return {"before": before, "after": echoes.waiting, "cancelled": cancelled}


async def unreachable(echoes: IcmpEchoes) -> dict[str, Any]:
    said = {}
    for host, source in (("198.51.100.1", ""), ("127.0.0.1", "nosuch0"), ("no.such.name.invalid", "")):
        try:
            await echoes.ping(host, 1, source=source)
        except ConnectFailed as error:
            said[host] = str(error)
    return said


async def thousands(echoes: IcmpEchoes) -> dict[str, Any]:
    hosts = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(10_000)]
    over = asyncio.Event()
    came: list[float | None] = []

    def done(took: float | None) -> None:
        came.append(took)
        if len(came) == len(hosts):
            over.set()

    for host in hosts:
        echoes.send(host, 20, done)
    waiting = echoes.waiting
    await over.wait()
    return {"waiting": waiting, "answered": sum(took is not None for took in came), "refused": echoes.refused}


def _summed(packet: bytes) -> bytes:
    padded = packet + bytes(len(packet) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return packet[:2] + (~total & 0xFFFF).to_bytes(2, "big") + packet[4:]


async def play(scene: str) -> None:
    echoes = IcmpEchoes()
    try:
        found = await globals()[scene](echoes)
    except ConnectFailed as error:
        found = {"refused": str(error)}
    finally:
        echoes.close()
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    asyncio.run(play(sys.argv[1]))
