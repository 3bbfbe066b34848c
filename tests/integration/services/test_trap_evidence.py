"""Traps as evidence on lines, whoever sends them: boxes, Debian's snmptrap, strangers who guess."""

from __future__ import annotations

import asyncio
import random
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from cpe_manager.domain.failover.lines import Evidence, Line, LineRecord, LineSetup, Source, Way
from cpe_manager.ports.snmp import SnmpAccess
from cpe_manager.services.failover.trap_evidence import TrapEvidence
from simulators.snmp.line import Sink
from tests.fakes.sensing import FakeLinePoller
from tests.integration.foreign.net_snmp import run
from tests.integration.services.trap_scene import ADDRESS, CLOCK, Scene, a_box, access_to, known, scene
from tests.integration.snmp import burst

LINK_DOWN, LINK_UP, COLD_START = (f"1.3.6.1.6.3.1.1.5.{number}" for number in (3, 4, 1))
IF_INDEX, IF_NAME, SYS_NAME = "1.3.6.1.2.1.2.2.1.1", "1.3.6.1.2.1.31.1.1.1.1", "1.3.6.1.2.1.1.5.0"
ACCESS = SnmpAccess("c0mmunity", "debian", "auth-password", "SHA-256", "priv-password")
USER = (
    "-v3",
    "-l",
    "authPriv",
    "-u",
    "debian",
    "-a",
    "SHA-256",
    "-A",
    "auth-password",
    "-x",
    "AES",
    "-X",
    "priv-password",
)
ENGINE = ("-e", "0x80001f8804676e742d3031")


class Watched:
    """A scene whose traps are evidence on the line of GENT-01."""

    def __init__(self, here: Scene, **setup: Any) -> None:
        self.here = here
        self.seen: list[Evidence] = []
        self.hurried: list[str] = []
        self.poller = FakeLinePoller(CLOCK)
        device = known("GENT-01")
        line = Line("line-1", "ref", device.site, device.id, device.name, "node", LineSetup("line-1", **setup))
        evidence = TrapEvidence(self.poller, self.seen.append, self.hurried.append, here.traps.names.get)
        for each in (evidence, here.traps.senders):
            each.set_lines([LineRecord(line)])
        here.traps.watching = evidence.note

    async def told(self, number: int) -> list[tuple[Way, bool | None, str]]:
        async with asyncio.timeout(30):
            while len(self.seen) < number:
                await asyncio.sleep(0.01)
        return [(one.way, one.ok, one.what) for one in self.seen]


@asynccontextmanager
async def watched(home: Path, access: SnmpAccess = ACCESS, **setup: Any) -> AsyncIterator[Watched]:
    devices = (known("GENT-01"), known("AALST-01", "127.0.0.2"))
    async with scene(home, {"GENT-01": access, "AALST-01": ACCESS}, *devices) as here:
        yield Watched(here, **setup)


async def trap(
    port: int,
    kind: str,
    *bindings: str,
    access: tuple[str, ...] = ("-v2c", "-c", "c0mmunity"),
    source: str = ADDRESS,
    inform: bool = False,
    uptime: str = "4200",
) -> None:
    """Debian's ``snmptrap``; bindings as it takes them (name, type, value)."""
    engine = ENGINE if "-v3" in access and not inform else ()
    said = await run(
        "snmpinform" if inform else "snmptrap", "-m", "", *access, *engine, f"--clientaddr={source}", "-t", "5",
        f"udp:{ADDRESS}:{port}", uptime, kind, *bindings,
    )  # fmt: skip
    assert said.status == 0, said.err


def link(index: int, name: str = "") -> tuple[str, ...]:
    named = (f"{IF_NAME}.{index}", "s", name) if name else ()
    return (f"{IF_INDEX}.{index}", "i", str(index), *named)


@pytest.mark.parametrize("version", ["2c", "3"])
async def test_a_box_that_loses_its_line_speaks_against_the_fixed_way_and_for_it_when_it_is_back(tmp_path, version):
    async with a_box() as box, watched(tmp_path, access_to(box), fixed_port="vdsl0") as world:
        box.snmp.sinks = (Sink(ADDRESS, world.here.port.port, version),)
        box.lose_line()
        await world.told(1)
        box.restore_line()
        assert await world.told(2) == [
            (Way.FIXED, False, "linkDown of VDSL0"), (Way.FIXED, True, "linkUp of VDSL0"),
        ]  # fmt: skip
        first, second = world.seen
        assert (first.source, first.line_id) == (Source.TRAP, "line-1")
        assert first.order is not None
        assert second.order is not None
        assert 0 < first.order <= second.order
        assert world.hurried == ["line-1", "line-1"]


@pytest.mark.parametrize("inform", [False, True], ids=["trap", "inform"])
@pytest.mark.parametrize("access", [("-v2c", "-c", "c0mmunity"), USER], ids=["v2c", "v3"])
async def test_debians_snmptrap_is_understood(tmp_path, access, inform):
    async with watched(tmp_path, mobile_port="wwan0") as world:
        world.poller.ways[("line-1", 7, "")] = Way.FIXED
        port = world.here.port.port
        await trap(port, LINK_DOWN, *link(7), access=access, inform=inform)
        await trap(port, LINK_DOWN, *link(9, "wwan0"), access=access, inform=inform, uptime="4300")
        await trap(port, COLD_START, access=access, inform=inform, uptime="100")
        assert await world.told(3) == [
            (Way.FIXED, False, "linkDown of interface 7"), (Way.MOBILE, False, "linkDown of wwan0"),
            (Way.MANAGEMENT, None, "cold start"),
        ]  # fmt: skip
        assert [(one.order, one.restarted) for one in world.seen] == [(42.0, False), (43.0, False), (1.0, True)]
        assert world.hurried == ["line-1"]


async def test_a_trap_that_comes_twice_is_evidence_twice_with_the_same_count(tmp_path):
    async with watched(tmp_path, fixed_port="eth0") as world:
        for _ in range(2):
            await trap(world.here.port.port, LINK_DOWN, *link(2, "eth0"))
        await world.told(2)
        assert [one.order for one in world.seen] == [42.0, 42.0]


async def test_an_interface_that_nobody_knows_says_nothing_but_has_the_line_looked_at(tmp_path):
    async with watched(tmp_path) as world:
        await trap(world.here.port.port, LINK_DOWN, *link(3, "eth9"))
        await trap(world.here.port.port, LINK_UP, *link(3, "eth9"))
        await world.here.told(2)
        assert (world.seen, world.hurried) == ([], ["line-1"])


async def test_a_last_breath_is_told_as_one(tmp_path):
    async with watched(tmp_path) as world:
        await trap(world.here.port.port, "1.3.6.1.2.1.158.0.2", "1.3.6.1.2.1.158.1.6.1.4.1.1", "u", "257")
        [(way, ok, what)] = await world.told(1)
        assert (way, ok, what.startswith("dying gasp")) == (Way.FIXED, False, True)


async def test_a_port_that_was_switched_off_is_told_as_such(tmp_path):
    async with watched(tmp_path, fixed_port="eth0") as world:
        off = ("1.3.6.1.2.1.2.2.1.7.2", "i", "2")
        await trap(world.here.port.port, LINK_DOWN, *link(2, "eth0"), *off)
        assert await world.told(1) == [(Way.FIXED, False, "linkDown of eth0, switched off")]


async def test_over_mobile_a_box_is_known_by_its_lines_addresses(tmp_path):
    setup = {
        "fixed_port": "eth0", "line_address": "127.0.0.50", "mobile_address": "127.0.0.51",
        "fixed_ipv4": IPv4Network("127.0.7.0/29"),
    }  # fmt: skip
    async with watched(tmp_path, **setup) as world:
        for source in ("127.0.0.50", "127.0.0.51", "127.0.7.5"):
            await trap(world.here.port.port, LINK_DOWN, *link(2, "eth0"), source=source)
        await world.told(3)
        await trap(world.here.port.port, LINK_DOWN, *link(2, "eth0"), source="127.0.7.9")
        await world.here.until_dropped(unknown_source=1)


async def test_behind_a_strangers_address_a_box_is_known_by_the_name_that_it_tells_and_proves_it_by_its_community(
    tmp_path,
):
    async with watched(tmp_path, fixed_port="eth0") as world:
        port = world.here.port.port

        async def say(name: str, community: str = "c0mmunity", source: str = "127.0.0.99") -> None:
            named = (SYS_NAME, "s", name) if name else ()
            access = ("-v2c", "-c", community)
            await trap(port, LINK_DOWN, *link(2, "eth0"), *named, access=access, source=source)

        await say("GENT-01")
        await say("GENT-01.operator.example")
        await world.told(2)
        await say("")
        await say("BRUGGE-01")
        await world.here.until_dropped(unknown_source=2)
        await say("GENT-01", "guessed")
        await world.here.until_dropped(unknown_source=2, community=1)
        # At the address of another device, its own community is what counts, whatever it calls itself.
        await say("GENT-01", source="127.0.0.2")
        events = await world.here.told(3)
        assert [event.device for event in events] == ["GENT-01", "GENT-01", "AALST-01"]
        assert len(world.seen) == 2


async def test_behind_a_strangers_address_version_three_is_known_by_its_engine_and_proven_by_its_keys(tmp_path):
    async with watched(tmp_path, fixed_port="eth0") as world:
        port, words = world.here.port.port, link(2, "eth0")
        await trap(port, LINK_DOWN, *words, access=USER, source="127.0.0.99")
        await world.here.until_dropped(unknown_source=1)
        await trap(port, LINK_DOWN, *words, access=USER)
        await world.told(1)
        await trap(port, LINK_DOWN, *words, access=USER, source="127.0.0.99")
        await world.told(2)
        guessed = tuple(word.replace("auth-password", "wrong-password") for word in USER)
        await trap(port, LINK_DOWN, *words, access=guessed, source="127.0.0.99")
        await world.here.until_dropped(unknown_source=1, authentication=1)
        assert len(world.seen) == 2


async def test_an_engine_that_a_poll_has_met_is_known_too(tmp_path):
    async with watched(tmp_path, fixed_port="eth0") as world:
        world.here.traps.senders.engine_place = {bytes.fromhex(ENGINE[1][2:]): ADDRESS}.get
        await trap(world.here.port.port, LINK_DOWN, *link(2, "eth0"), access=USER, source="127.0.0.99")
        await world.told(1)


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Somewhere cut, doubled, flipped, or with another length."""
    octets = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(octets)) if octets else 0
        match chance.randrange(5):
            case 0:
                del octets[at:]
            case 1:
                octets[at:at] = octets[: chance.randrange(40)]
            case 2:
                octets[at : at + 1] = chance.randbytes(1)
            case 3:
                octets[at : at + 1] = bytes((0x80 | chance.randrange(128),))
            case _:
                octets[at:at] = chance.randbytes(chance.randrange(20))
    return bytes(octets)


async def test_ten_thousand_mangled_datagrams_are_refused_or_understood_and_nothing_breaks(tmp_path):
    chance = random.Random(20261128)
    async with watched(tmp_path, fixed_port="last") as world:
        here = world.here
        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ear.bind((ADDRESS, 0))
        ear.settimeout(30)
        here_it_comes = f"udp:{ADDRESS}:{ear.getsockname()[1]}"
        old = ("-v1", "-c", "c0mmunity", here_it_comes, "1.3.6.1.4.1.8072", ADDRESS, "2", "0", "1")
        new = (*USER, *ENGINE, here_it_comes, "1", LINK_DOWN)
        samples = [burst.template("c0mmunity")]
        for words in (old, new):
            await run("snmptrap", "-m", "", *words, *link(2, "eth0"))
            samples.append(await asyncio.to_thread(ear.recv, 65535))
        with ear, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.bind((ADDRESS, 0))
            for number in range(10_000):
                out.sendto(mutated(chance, chance.choice(samples)), (ADDRESS, here.port.port))
                if number % 200 == 0:
                    await asyncio.sleep(0)
            await trap(here.port.port, LINK_DOWN, *link(2, "last"))
        async with asyncio.timeout(60):
            while "linkDown of last" not in {one.what for one in world.seen}:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        events = len(await here.told(1))
        # Questions among them (engine discovery) are answered and are neither.
        refused = sum(here.dropped().values())
        assert refused > 5_000
        assert events + refused <= 10_001
        assert here.dropped().keys() <= {
            "malformed", "version", "community", "user", "authentication", "decryption", "not_a_notification",
            "replayed",
        }  # fmt: skip


@pytest.mark.parametrize("per_second", [5_000, 1_000_000], ids=["in two seconds", "at once"])
async def test_a_burst_of_ten_thousand_is_evidence_to_the_last(tmp_path, per_second):
    async with watched(tmp_path, fixed_port="GigabitEthernet0/1") as world:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(burst.__file__ or "")), str(world.here.port.port), "10000", str(per_second),
            "c0mmunity", stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(90):
            while len(world.seen) < 10_000:
                await asyncio.sleep(0.05)
        await process.communicate()
        await world.here.traps.look()
        assert {(one.way, one.ok) for one in world.seen} == {(Way.FIXED, False)}
        assert world.here.dropped() == {}
