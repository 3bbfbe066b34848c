"""One SNMP client in a process of its own: ``python -m benchmarks.snmp_clients NAME INVENTORY CREDENTIALS POLLS``.

Every client asks every agent of the inventory for the same three values (sysUpTime, ifOperStatus.1, ifHCInOctets.1) as
often as it is told, 50 at once. The first round makes sessions and learns engines and is not counted. Prints one JSON
line; CPU is this process's own (user and system). ``traps`` takes a burst that it has a process of its own send.
"""

from __future__ import annotations

import asyncio
import csv
import json
import resource
import subprocess
import sys
import time
import tomllib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop

AT_ONCE = 50
NAMES = ("1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.2.2.1.8.1", "1.3.6.1.2.1.31.1.1.1.6.1")
TIMEOUT, RETRIES = 10.0, 2
BURST = 10_000


@dataclass(frozen=True)
class Agent:
    host: str
    port: int
    community: str
    user: str
    auth: str
    priv: str


@dataclass(frozen=True)
class Figures:
    """``ok``: answers with all three values (or traps read). Times in seconds, memory in MiB."""

    client: str
    asked: int
    ok: int
    cpu: float
    wall: float
    peak_mb: float


Ask = Callable[[Agent], Awaitable[int]]
"""The number of values that came."""


def agents(inventory: Path, credentials: Path) -> list[Agent]:
    known = tomllib.loads(credentials.read_text())["credentials"]
    found = []
    for row in csv.DictReader(inventory.open(newline="")):
        login = known[row["credential"]]
        found.append(
            Agent(
                row["address"], int(row["settings.snmp_port"]), login["snmp_community"], login["snmp_user"],
                login["snmp_auth_password"], login["snmp_priv_password"],
            )
        )  # fmt: skip
    return found


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def everyone(ask: Ask, fleet: Sequence[Agent]) -> int:
    """How many answered in full."""
    left = iter(fleet)
    whole = 0

    async def worker() -> None:
        nonlocal whole
        for agent in left:
            came = await ask(agent)
            whole += came == len(NAMES)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return whole


def ours(version: str) -> Ask:
    from cpe_manager.adapters.clock import SystemClock
    from cpe_manager.adapters.snmp.poller import SnmpPoller
    from cpe_manager.ports.snmp import SnmpAccess, SnmpTarget

    poller = SnmpPoller(SystemClock())
    targets: dict[Agent, SnmpTarget] = {}

    async def ask(agent: Agent) -> int:
        if agent not in targets:
            access = SnmpAccess(agent.community)
            if version == "3":
                access = SnmpAccess("", agent.user, agent.auth, "SHA", agent.priv)
            targets[agent] = SnmpTarget("x", agent.host, access, agent.port, TIMEOUT, RETRIES)
        return len(await poller.get(targets[agent], NAMES))

    return ask


def bare_gufo(version: str) -> Ask:
    from gufo.snmp import Aes128Key, Sha1Key, User
    from gufo.snmp.aio import SnmpSession

    sessions: dict[Agent, SnmpSession] = {}

    async def ask(agent: Agent) -> int:
        if agent not in sessions:
            keys = (Sha1Key(agent.auth.encode()), Aes128Key(agent.priv.encode()))
            user = User(agent.user, auth_key=keys[0], priv_key=keys[1]) if version == "3" else None
            session = SnmpSession(agent.host, agent.port, community=agent.community, user=user, timeout=TIMEOUT)
            await session.refresh()
            sessions[agent] = session
        return len(await sessions[agent].get_many(NAMES))

    return ask


def pysnmp(version: str) -> Ask:
    from pysnmp.hlapi.v3arch.asyncio import (
        USM_AUTH_HMAC96_SHA,
        USM_PRIV_CFB128_AES,
        CommunityData,
        ContextData,
        ObjectIdentity,
        ObjectType,
        SnmpEngine,
        UdpTransportTarget,
        UsmUserData,
        get_cmd,
    )

    engines: dict[Agent, tuple[Any, Any, Any]] = {}
    shared = SnmpEngine()

    async def ask(agent: Agent) -> int:
        if agent not in engines:
            target = await UdpTransportTarget.create((agent.host, agent.port), timeout=TIMEOUT, retries=RETRIES)
            data: Any = CommunityData(f"i{agent.port}", agent.community)
            engine = shared
            if version == "3":
                # Boxes share the name of the user but not its keys, which one engine cannot hold.
                engine = SnmpEngine()
                data = UsmUserData(
                    agent.user, agent.auth, agent.priv,
                    authProtocol=USM_AUTH_HMAC96_SHA, privProtocol=USM_PRIV_CFB128_AES,
                )  # fmt: skip
            engines[agent] = engine, data, target
        engine, data, target = engines[agent]
        wanted = [ObjectType(ObjectIdentity(name)) for name in NAMES]
        _, _, _, found = await get_cmd(engine, data, target, ContextData(), *wanted, lookupMib=False)
        return len(found)

    return ask


POLLERS = {"ours": ours, "bare gufo": bare_gufo, "pysnmp": pysnmp}


async def poll(client: str, fleet: Sequence[Agent], polls: int) -> Figures:
    name, _, version = client.rpartition(" v")
    ask = POLLERS[name](version)
    await everyone(ask, fleet)
    before, started = cpu(), time.perf_counter()
    ok = 0
    for _ in range(polls):
        ok += await everyone(ask, fleet)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Figures(client, polls * len(fleet), ok, cpu() - before, time.perf_counter() - started, peak)


async def traps() -> Figures:
    """A burst through the port, read as fast as it can be."""
    from cpe_manager.adapters.clock import SystemClock
    from cpe_manager.adapters.snmp.receiver import LocalEngine, TrapPort, new_engine
    from cpe_manager.ports.snmp import Sender, SnmpAccess

    port = TrapPort("127.0.0.1", 0, LocalEngine(new_engine(), 1), SystemClock())
    await port.start()
    argv = [sys.executable, "-m", "tests.integration.snmp.burst", str(port.port), str(BURST), "5000", "c0mmunity"]
    sender = [Sender("id", "x", SnmpAccess("c0mmunity"))]
    before, started = cpu(), time.perf_counter()
    burst = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    ok = 0
    while ok < BURST and port.overflowed + port.lost_in_kernel() == 0:
        for datagram in await port.take(200):
            ok += bool(port.read(datagram, sender).values)
        await asyncio.sleep(0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = Figures("traps, ours", BURST, ok, cpu() - before, time.perf_counter() - started, peak)
    burst.wait()
    await port.stop()
    return figures


def pysnmp_decoding() -> Figures:
    """The same traps through pysnmp's message types, without a socket."""
    from pyasn1.codec.ber import decoder
    from pysnmp.proto.api import v2c

    from tests.integration.snmp.burst import template

    data, number = template("c0mmunity"), BURST // 10
    before, started = cpu(), time.perf_counter()
    ok = 0
    for _ in range(number):
        message, _rest = decoder.decode(data, asn1Spec=v2c.Message())
        ok += bool([(str(name), value) for name, value in v2c.apiPDU.get_varbinds(v2c.apiMessage.get_pdu(message))])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Figures("traps, pysnmp's types", number, ok, cpu() - before, time.perf_counter() - started, peak)


def main() -> None:
    client, inventory, credentials, polls = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    if client == "traps, ours":
        figures = uvloop.run(traps())
    elif client == "traps, pysnmp's types":
        figures = pysnmp_decoding()
    else:
        figures = uvloop.run(poll(client, agents(inventory, credentials), polls))
    print(json.dumps(asdict(figures)))


if __name__ == "__main__":
    main()
