"""A virtual box that is found where its own configuration says, and whose restarts show."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from simulators.fleet import Fleet
from simulators.snmp.line import Sink
from simulators.spec import DeviceSpec

OLD, NEW, MANAGER = "127.61.1.2", "127.62.2.2", "10.100.7.9"
MOVES = {
    "cisco_ios": (
        f"interface gi0/0\nip address {OLD} 255.255.255.0\nexit\nip route 10.100.0.0 255.255.0.0 127.61.1.1",
        f"interface gi0/0\nip address {NEW} 255.255.255.0\nexit\nip route 10.100.0.0 255.255.0.0 127.62.2.1",
    ),
    "frr_linux": (
        f"interface eth0\n ip address {OLD}/24\nexit\nip route 10.100.0.0/16 127.61.1.1",
        f"interface eth0\n no ip address {OLD}/24\n ip address {NEW}/24\nexit\nip route 10.100.0.0/16 127.62.2.1",
    ),
}


async def hears(place: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(place, port)
    except OSError:
        return False
    writer.close()
    return True


class _Heard(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.came.put_nowait((data, addr[0]))


@pytest.mark.parametrize("family", MOVES)
async def test_a_box_moves_with_its_configuration_and_so_do_its_traps(family: str) -> None:
    there, moved = MOVES[family]
    loop = asyncio.get_running_loop()
    transport, heard = await loop.create_datagram_endpoint(_Heard, local_addr=("127.0.0.1", 0))
    sink = Sink("127.0.0.1", transport.get_extra_info("sockname")[1], "2c")
    spec = DeviceSpec("r1", family, 3, "root" if family == "frr_linux" else "backup", address=OLD)
    async with Fleet([replace(spec, options={"mode": "linux"} if family == "frr_linux" else {})], snmp=True,
                     sinks=(sink,)) as fleet:  # fmt: skip
        box = fleet.device("r1")
        with pytest.raises(ValueError, match="does not let it be managed"):
            box.roam(MANAGER)
        box.change(there)
        with pytest.raises(ValueError, match="does not let it be managed"):
            box.roam("198.51.100.9")  # its filters let 10.0.0.0/8 in
        box.roam(MANAGER)
        await fleet.settled()
        box.snmp.lose_line()
        assert (await heard.came.get())[1] == OLD

        box.change(moved)
        await fleet.settled()
        assert box.places == (NEW,)
        assert (await hears(OLD, box.port), await hears(NEW, box.port)) == (False, True)
        box.snmp.restore_line()
        assert (await heard.came.get())[1] == NEW
        # Nobody saved it: a restart brings what is kept, which is neither, and the box is nowhere.
        box.restart(0.0)
        await fleet.settled()
        assert box.places == ()
        assert not await hears(NEW, box.port)
    transport.close()


async def test_a_box_that_has_come_up_tells_so_after_the_time_that_it_takes() -> None:
    loop = asyncio.get_running_loop()
    transport, heard = await loop.create_datagram_endpoint(_Heard, local_addr=("127.0.0.1", 0))
    sink = Sink("127.0.0.1", transport.get_extra_info("sockname")[1], "2c")
    async with Fleet([DeviceSpec("r1", "cisco_ios", 3)], 0.4, snmp=True, sinks=(sink,)) as fleet:
        box, start = fleet.device("r1"), time.monotonic()
        box.restart()
        data, _ = await heard.came.get()
        assert time.monotonic() - start >= 0.4
        # coldStart, as BER has it: 1.3.6.1.6.3.1.1.5.1
        assert bytes.fromhex("2b060106030101 0501".replace(" ", "")) in data
        assert box.state.uptime < 60
    transport.close()
