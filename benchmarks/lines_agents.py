"""Thousands of SNMP agents in one light process: ``python -m benchmarks.lines_agents LINES PORT``.

Each line's box has an address of its own on loopback (``address_of``), all behind one UDP socket that answers from the
address it was asked at. Messages are cut up by hand, for the agents must cost less than who asks them. Commands come on
standard input, one a line: ``down FIRST COUNT STEP TRAPS`` (the fixed ports of so many boxes lose their link; a port to
send linkDown traps to, or 0), ``up``. Prints ``ready``, and after each command ``done`` with the time of its effect.
"""

from __future__ import annotations

import ipaddress
import os
import selectors
import socket
import subprocess
import sys
import time
from bisect import bisect_right

COMMUNITY = "c0mmunity"
IP_PKTINFO = 8
BUFFER = 16 * 1024 * 1024
DSL, LAN, WWAN = 1, 2, 3
INTEGER, OCTETS, NULL, OID, SEQUENCE, COUNTER, TICKS, COUNTER64 = 2, 4, 5, 6, 0x30, 0x41, 0x43, 0x46
GET, NEXT, RESPONSE, BULK, TRAP = 0xA0, 0xA1, 0xA2, 0xA5, 0xA7
NO_INSTANCE, END_OF_VIEW = 0x81, 0x82
UPTIME, OPER = "1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.2.2.1.8"
Oid = tuple[int, ...]


def address_of(number: int) -> str:
    """Of the box on a line."""
    return str(ipaddress.IPv4Address("127.16.0.0") + 256 * (number // 250) + number % 250 + 1)


def number_of(packed: bytes) -> int:
    return (packed[1] - 16 << 8 | packed[2]) * 250 + packed[3] - 1


def tlv(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes(2, "big")
    return bytes((tag, 0x82)) + size + body


def integer(value: int, tag: int = INTEGER) -> bytes:
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def arcs(text: str) -> Oid:
    return tuple(int(arc) for arc in text.split("."))


def identifier(name: Oid) -> bytes:
    body = bytearray((name[0] * 40 + name[1],))
    for arc in name[2:]:
        part = [arc & 0x7F]
        while arc := arc >> 7:
            part.append(arc & 0x7F | 0x80)
        body += bytes(reversed(part))
    return tlv(OID, bytes(body))


def read(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, begin and end of a body."""
    size, start = data[at + 1], at + 2
    if size & 0x80:
        octets = size & 0x7F
        size, start = int.from_bytes(data[start : start + octets], "big"), start + octets
    return data[at], start, start + size


def name_at(body: bytes) -> Oid:
    found, arc = [body[0] // 40, body[0] % 40], 0
    for octet in body[1:]:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            found.append(arc)
            arc = 0
    return tuple(found)


def extend(script: str) -> str:
    return f"1.3.6.1.4.1.8072.1.3.2.3.1.1.{len(script)}." + ".".join(str(octet) for octet in script.encode())


def table(*, down: bool) -> dict[Oid, bytes]:
    """What a box shows, without its uptime."""
    found: dict[str, bytes] = {"1.3.6.1.2.1.1.5.0": tlv(OCTETS, b"box")}
    for index, name, kind in ((DSL, b"dsl0", 251), (LAN, b"br-lan", 6), (WWAN, b"wwan0", 243)):
        gone = down and index == DSL
        for column, value in ((2, tlv(OCTETS, name)), (3, integer(kind)), (8, integer(2 if gone else 1)),
                              (11, integer(123456, COUNTER)), (14, integer(17, COUNTER))):  # fmt: skip
            found[f"1.3.6.1.2.1.2.2.1.{column}.{index}"] = value
        for column, value in (
            (1, tlv(OCTETS, name)),
            (6, integer(10**11, COUNTER64)),
            (10, integer(10**10, COUNTER64)),
        ):
            found[f"1.3.6.1.2.1.31.1.1.1.{column}.{index}"] = value
    found[f"1.3.6.1.2.1.10.251.1.1.1.1.18.{DSL}"] = tlv(OCTETS, b"\x20" if down else b"\x80")
    found[extend("cellular-signal")] = tlv(OCTETS, b"rssi -71 dBm")
    found[extend("cellular-registration")] = tlv(OCTETS, b"registered (home)")
    return {arcs(name): value for name, value in found.items()}


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(port: int) -> subprocess.Popen[str]:
    """A process of agents that answers already."""
    argv = [sys.executable, "-m", "benchmarks.lines_agents", str(port)]
    agents = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if agents.stdout is None or agents.stdout.readline() != "ready\n":
        raise SystemExit("the agents did not start")
    return agents


class Agents:
    def __init__(self, port: int) -> None:
        self.began = time.monotonic()
        self.tables = {down: table(down=down) for down in (False, True)}
        self.order = sorted([*self.tables[False], arcs(UPTIME)])
        self.down: set[int] = set()
        self.made: dict[tuple[bytes, bool], tuple[int, bytes]] = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        self.socket.setblocking(False)
        self.socket.bind(("0.0.0.0", port))

    @property
    def ticks(self) -> int:
        return int((time.monotonic() - self.began + 100_000) * 100)

    def readable(self) -> None:
        for _ in range(500):
            try:
                data, ancillary, _, place = self.socket.recvmsg(4096, 64)
            except BlockingIOError:
                return
            here = ancillary[0][2][8:12]
            answer = self.answer(data, number_of(here) in self.down)
            self.socket.sendmsg([answer], [(socket.IPPROTO_IP, IP_PKTINFO, bytes(4) + here + bytes(4))], 0, place)

    def answer(self, data: bytes, down: bool) -> bytes:
        _, at, _ = read(data, 0)
        head = at
        _, _, at = read(data, at)
        _, _, at = read(data, at)
        _, body, _ = read(data, at)
        _, _, after = read(data, body)
        rest = data[at : at + 1] + data[after:]
        second = int(time.monotonic())
        known = self.made.get((rest, down))
        if known is None or known[0] != second:
            known = self.made[rest, down] = second, self.bindings(data[at], data[after:], down)
        return tlv(SEQUENCE, data[head:at] + tlv(RESPONSE, data[body:after] + known[1]))

    def bindings(self, kind: int, rest: bytes, down: bool) -> bytes:
        """Everything behind the request's number."""
        _, _, at = read(rest, 0)
        _, repeat_at, at_end = read(rest, at)
        times = int.from_bytes(rest[repeat_at:at_end], "big") if kind == BULK else 1
        _, at, end = read(rest, at_end)
        out = []
        while at < end:
            _, binding, after = read(rest, at)
            _, first, last = read(rest, binding)
            name = name_at(rest[first:last])
            out += self.gone_forward(name, times, down) if kind in {NEXT, BULK} else [self.got(name, down)]
            at = after
        return integer(0) + integer(0) + tlv(SEQUENCE, b"".join(out))

    def got(self, name: Oid, down: bool) -> bytes:
        value = (
            integer(self.ticks, TICKS) if name == arcs(UPTIME) else self.tables[down].get(name, bytes((NO_INSTANCE, 0)))
        )
        return tlv(SEQUENCE, identifier(name) + value)

    def gone_forward(self, name: Oid, times: int, down: bool) -> list[bytes]:
        place = bisect_right(self.order, name)
        found = [self.got(each, down) for each in self.order[place : place + times]]
        return found or [tlv(SEQUENCE, identifier(name) + bytes((END_OF_VIEW, 0)))]

    def trap(self, number: int, port: int) -> None:
        names = (
            (UPTIME, integer(self.ticks, TICKS)), ("1.3.6.1.6.3.1.1.4.1.0", identifier(arcs("1.3.6.1.6.3.1.1.5.3"))),
            (f"1.3.6.1.2.1.2.2.1.1.{DSL}", integer(DSL)), (f"{OPER}.{DSL}", integer(2)),
            (f"1.3.6.1.2.1.2.2.1.2.{DSL}", tlv(OCTETS, b"dsl0")),
        )  # fmt: skip
        bindings = b"".join(tlv(SEQUENCE, identifier(arcs(name)) + value) for name, value in names)
        body = integer(number) + integer(0) + integer(0) + tlv(SEQUENCE, bindings)
        message = tlv(SEQUENCE, integer(1) + tlv(OCTETS, COMMUNITY.encode()) + tlv(TRAP, body))
        source = bytes(4) + socket.inet_aton(address_of(number)) + bytes(4)
        self.socket.sendmsg([message], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, ("127.0.0.1", port))

    def command(self, line: str) -> None:
        words = line.split()
        if words and words[0] == "down":
            first, count, step, port = (int(word) for word in words[1:])
            failing = range(first, first + count * step, step)
            self.down |= set(failing)
            at = time.time()
            for number in failing if port else ():
                self.trap(number, port)
        else:
            self.down.clear()
            at = time.time()
        sys.stdout.write(f"done {at:.6f}\n")
        sys.stdout.flush()


def main(port: int) -> None:
    agents = Agents(port)
    chosen = selectors.DefaultSelector()
    chosen.register(agents.socket, selectors.EVENT_READ)
    chosen.register(0, selectors.EVENT_READ)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for key, _ in chosen.select():
            if key.fileobj is agents.socket:
                agents.readable()
                continue
            said = os.read(0, 65536)
            if not said:
                return
            for line in said.decode().splitlines():
                agents.command(line)


if __name__ == "__main__":
    main(int(sys.argv[1]))
