"""What runs on hosts of a lab and sends and counts packets: a program by itself, of the standard library alone.

``probes.py serve`` is the internet's side: UDP echo at port 7000, streams over TCP at port 7001.
``probes.py udp|tcp|voice ADDRESS SECONDS`` is a customer's host; it says ``ready``, begins, and prints one JSON object
at the end. Times are seconds on the machine's monotonic clock, which all namespaces and containers share.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import struct
import sys
import time
from typing import Any

UDP_PORT = 7000
TCP_PORT = 7001
CHUNK = 2048
EVERY = 0.01
"""The TCP server sends ``CHUNK`` bytes so often: 1.6 Mbit/s, well below the rate of the mobile connection."""
VOICE_PORTS = (5060, 5061, 10000, 10001, 16384, 19999, 20000)
# Sequence number and time of sending; then how many the far end has got, and whom it saw them come from.
_REQUEST = struct.Struct("!Qd")
_REPLY = struct.Struct("!QdQ4s")


def serve() -> None:
    """Run until killed."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    udp.bind(("0.0.0.0", UDP_PORT))  # noqa: S104  (a host of a lab, in a namespace)
    udp.setblocking(False)  # noqa: FBT003
    tcp = socket.create_server(("", TCP_PORT), backlog=64)
    tcp.setblocking(False)  # noqa: FBT003
    waiting = selectors.DefaultSelector()
    waiting.register(udp, selectors.EVENT_READ)
    waiting.register(tcp, selectors.EVENT_READ)
    clients: dict[socket.socket, None] = {}
    counts: dict[tuple[str, int], int] = {}
    payload = b"x" * CHUNK
    due = time.monotonic()
    while True:
        pause = max(0.0, due - time.monotonic()) if clients else None
        for key, _ in waiting.select(pause):
            if key.fileobj is udp:
                _echo(udp, counts)
            else:
                client, _ = tcp.accept()
                client.setblocking(False)  # noqa: FBT003
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


def _echo(udp: socket.socket, counts: dict[tuple[str, int], int]) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            data, source = udp.recvfrom(2048)
            if len(data) < _REQUEST.size:
                continue
            number, sent = _REQUEST.unpack_from(data)
            if number == 0:
                counts[source] = 0
            counts[source] = counts.get(source, 0) + 1
            with contextlib.suppress(OSError):
                udp.sendto(_REPLY.pack(number, sent, counts[source], socket.inet_aton(source[0])), source)


def udp_probe(address: str, seconds: float, every: float) -> dict[str, Any]:
    """Send a datagram each ``every`` seconds and note which come back."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.connect((address, UDP_PORT))
    sock.setblocking(False)  # noqa: FBT003
    total = int(seconds / every)
    sent_at: list[float] = []
    arrived: dict[int, float] = {}
    seen: dict[str, int] = {}
    late: list[float] = []
    far = refused = 0
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
                sock.send(_REQUEST.pack(len(sent_at), now))
            except OSError:
                refused += 1  # an ICMP error of an earlier one, or no route
            sent_at.append(now)
            continue
        for _ in waiting.select(min(due, end) - now if len(sent_at) < total else end - now):
            with contextlib.suppress(OSError):
                while True:
                    number, _, got, source = _REPLY.unpack(sock.recv(2048))
                    arrived.setdefault(number, time.monotonic())
                    far = max(far, got)
                    name = socket.inet_ntoa(source)
                    seen[name] = seen.get(name, 0) + 1
    return _summary(sent_at, arrived, late, every) | {"lost_up": len(sent_at) - far, "sources": seen}


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
    stalls = [(after - before, before) for before, after in zip(arrivals, arrivals[1:], strict=False)]
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
    kind, address, seconds = sys.argv[1:4]
    probe, usual = {"udp": (udp_probe, 0.001), "tcp": (tcp_stream, 0.01), "voice": (voice, 0.02)}[kind]
    result = probe(address, float(seconds), float(sys.argv[4]) if len(sys.argv) > 4 else usual)
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
