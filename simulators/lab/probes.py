"""What runs on hosts of a lab and sends and counts packets: a program by itself, of the standard library alone.

``probes.py serve`` is the internet's side: UDP echo at port 7000, streams over TCP at port 7001; ``probes.py count
PROBE`` tells there how many datagrams of a probe have come.
``probes.py udp|tcp|voice ADDRESS SECONDS`` is a customer's host; it says ``ready``, begins, and prints one JSON object
at the end. Times are seconds on the machine's monotonic clock, which all namespaces and containers share.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import selectors
import socket
import struct
import sys
import time
from itertools import pairwise
from typing import Any

UDP_PORT = 7000
TCP_PORT = 7001
CHUNK = 2048
EVERY = 0.01
"""The TCP server sends ``CHUNK`` bytes so often: 1.6 Mbit/s, well below the rate of the mobile connection."""
VOICE_PORTS = (5060, 5061, 10000, 10001, 16384, 19999, 20000)
# The probe's own number and the datagram's; the answer has the address that the far end saw it come from, too.
_REQUEST = struct.Struct("!QQ")
_REPLY = struct.Struct("!QQ4s")
# Asked with a probe's number alone, the far end tells how many of its datagrams have got there.
_COUNT = struct.Struct("!Q")


def serve() -> None:
    """Run until killed."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    udp.bind(("0.0.0.0", UDP_PORT))
    udp.setblocking(False)
    tcp = socket.create_server(("", TCP_PORT), backlog=64)
    tcp.setblocking(False)
    waiting = selectors.DefaultSelector()
    waiting.register(udp, selectors.EVENT_READ)
    waiting.register(tcp, selectors.EVENT_READ)
    clients: dict[socket.socket, None] = {}
    counts: dict[int, int] = {}
    payload = b"x" * CHUNK
    due = time.monotonic()
    while True:
        pause = max(0.0, due - time.monotonic()) if clients else None
        for key, _ in waiting.select(pause):
            if key.fileobj is udp:
                _echo(udp, counts)
            else:
                client, _ = tcp.accept()
                client.setblocking(False)
                clients[client] = None
                due = time.monotonic()
        if clients and time.monotonic() >= due:
            due += EVERY
            for client in list(clients):
                try:
                    client.send(payload)
                except BlockingIOError:
                    pass  # its buffer is full: the path is cut
                except OSError:
                    client.close()
                    del clients[client]


def _echo(udp: socket.socket, counts: dict[int, int]) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            data, source = udp.recvfrom(2048)
            if len(data) == _COUNT.size:
                (probe,) = _COUNT.unpack(data)
                udp.sendto(_COUNT.pack(counts.get(probe, 0)), source)
            elif len(data) == _REQUEST.size:
                probe, number = _REQUEST.unpack(data)
                counts[probe] = counts.get(probe, 0) + 1
                with contextlib.suppress(OSError):
                    udp.sendto(_REPLY.pack(probe, number, socket.inet_aton(source[0])), source)


def count(probe: int) -> int:
    """How many datagrams of a probe have got to the far end; asked on that host itself."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(5.0)
    sock.sendto(_COUNT.pack(probe), ("127.0.0.1", UDP_PORT))
    (found,) = _COUNT.unpack(sock.recv(64))
    return int(found)


def udp_probe(address: str, seconds: float, every: float) -> dict[str, Any]:
    """Send a datagram each ``every`` seconds and note which come back."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.connect((address, UDP_PORT))
    sock.setblocking(False)
    probe = secrets.randbits(63)
    total = int(seconds / every)
    sent_at: list[float] = []
    arrived: dict[int, float] = {}
    seen: dict[str, int] = {}
    late: list[float] = []
    refused = 0
    waiting = selectors.DefaultSelector()
    waiting.register(sock, selectors.EVENT_READ)
    _ready()
    begin = time.monotonic()
    end = begin + total * every + 1.0
    while time.monotonic() < end and len(arrived) + refused < total:
        now = time.monotonic()
        due = begin + len(sent_at) * every
        if len(sent_at) < total and now >= due:
            late.append(now - due)
            try:
                sock.send(_REQUEST.pack(probe, len(sent_at)))
            except OSError:
                refused += 1  # an ICMP error of an earlier one, or no route
            sent_at.append(now)
            continue
        for _ in waiting.select(min(due, end) - now if len(sent_at) < total else end - now):
            with contextlib.suppress(OSError):
                while True:
                    _, number, source = _REPLY.unpack(sock.recv(2048))
                    arrived.setdefault(number, time.monotonic())
                    name = socket.inet_ntoa(source)
                    seen[name] = seen.get(name, 0) + 1
    return _summary(sent_at, arrived, late, every) | {"probe": probe, "sources": seen}


def _summary(sent_at: list[float], arrived: dict[int, float], late: list[float], every: float) -> dict[str, Any]:
    answered = sorted(arrived)
    gaps: list[tuple[float, float]] = []
    last = -1
    for number in [*answered, len(sent_at)]:
        missing = number - last - 1
        if missing:
            first = sent_at[last + 1]
            after = sent_at[number] if number < len(sent_at) else sent_at[-1] + every
            gaps.append((after - first, first))
        last = number
    longest, since = max(gaps, default=(0.0, 0.0))
    trips = sorted(arrived[number] - sent_at[number] for number in answered)
    late.sort()
    return {
        "every": every,
        "sent": len(sent_at),
        "lost": len(sent_at) - len(answered),
        "outage": longest,
        "outage_at": since,
        "gaps": len(gaps),
        "trip_median": trips[len(trips) // 2] if trips else None,
        "trip_most": trips[-1] if trips else None,
        "late_median": late[len(late) // 2] if late else 0.0,
        "late_most": late[-1] if late else 0.0,
    }


def tcp_stream(address: str, seconds: float, every: float) -> dict[str, Any]:
    """Take a stream in for ``seconds`` and note how many bytes each ``every`` seconds brought."""
    sock = socket.create_connection((address, TCP_PORT), timeout=5.0)
    own = sock.getsockname()
    _ready()
    begin = time.monotonic()
    bins = [0] * int(seconds / every)
    arrivals = [begin]
    alive, total = True, 0
    while alive and (left := begin + seconds - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            data = sock.recv(65536)
        except TimeoutError:
            break
        except OSError:
            alive = False
            break
        now = time.monotonic()
        alive = bool(data)
        total += len(data)
        arrivals.append(now)
        bins[min(len(bins) - 1, int((now - begin) / every))] += len(data)
    arrivals.append(begin + seconds)
    stalls = [(after - before, before) for before, after in pairwise(arrivals)]
    stall, at = max(stalls)
    return {
        "every": every,
        "bytes": total,
        "stall": stall,
        "stall_at": at,
        "survived": alive,
        "bins": bins,
        "port": own[1],
    }


def voice(address: str, seconds: float, every: float) -> dict[str, Any]:
    """Send what telephones send: SIP to 5060 and 5061, RTP to ports within 10000-20000, 172 bytes each."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    waiting = selectors.DefaultSelector()
    _ready()
    begin = time.monotonic()
    rounds = int(seconds / every)
    sent = refused = 0
    for turn in range(rounds):
        for port in VOICE_PORTS:
            try:
                sock.sendto(b"v" * 172, (address, port))
                sent += 1
            except OSError:
                refused += 1
        waiting.select(max(0.0, begin + (turn + 1) * every - time.monotonic()))
    return {"every": every, "sent": sent, "refused": refused}


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def main() -> None:
    if sys.argv[1] == "serve":
        serve()
        return
    if sys.argv[1] == "count":
        sys.stdout.write(f"{count(int(sys.argv[2]))}\n")
        return
    kind, address, seconds = sys.argv[1:4]
    probe, usual = {"udp": (udp_probe, 0.001), "tcp": (tcp_stream, 0.01), "voice": (voice, 0.02)}[kind]
    result = probe(address, float(seconds), float(sys.argv[4]) if len(sys.argv) > 4 else usual)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
