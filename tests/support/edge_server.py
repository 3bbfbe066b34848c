"""An edge behind the HTTP contract of platform hooks, in a thread of the test: what it routes where is the test's to
see, and its BFD sessions are the test's to break."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(eq=False)
class _Order:
    """One that waits."""

    line: str
    over: str
    lost: bool = False


@dataclass
class Edge:
    """``sessions``: BFD by the fixed gateway of a line. ``over``: what each line's addresses are reached over.
    ``refusing``: it moves nothing; ``refused``: lines that it does not move to mobile."""

    sessions: dict[str, bool] = field(default_factory=dict)
    over: dict[str, str] = field(default_factory=dict)
    moves: list[tuple[str, str]] = field(default_factory=list)
    """(line, over), whenever something really changed."""
    orders: list[tuple[str, str]] = field(default_factory=list)
    """(line, over), whatever came of it."""
    refused: set[str] = field(default_factory=set)
    calls: Counter[str] = field(default_factory=Counter)
    refusing: bool = False
    url: str = ""
    _closed: set[tuple[str, str]] = field(default_factory=set)
    _waiting: list[_Order] = field(default_factory=list)
    _turn: threading.Condition = field(default_factory=threading.Condition)

    def close(self, lines: Iterable[str], over: str) -> None:
        """Orders to move these stand and wait from now on."""
        with self._turn:
            self._closed |= {(line, over) for line in lines}

    def open(self) -> None:
        """All that wait are done."""
        with self._turn:
            self._closed.clear()
            self._turn.notify_all()

    def lose(self, lines: Iterable[str]) -> None:
        """Forget orders that wait for these."""
        gone = set(lines)
        with self._turn:
            for order in self._waiting:
                order.lost = order.lost or order.line in gone
            self._turn.notify_all()

    def waiting(self, over: str) -> set[str]:
        """Lines whose orders wait."""
        with self._turn:
            return {order.line for order in self._waiting if order.over == over and not order.lost}

    def _let_through(self, line: str, over: str) -> bool:
        """Once the way is free; False when the order was lost."""
        with self._turn:
            order = _Order(line, over)
            self.orders.append((line, over))
            self._waiting.append(order)
            self._turn.wait_for(lambda: order.lost or (line, over) not in self._closed)
            self._waiting.remove(order)
            return not order.lost

    def answer(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        verb, line = asked["verb"], (asked.get("line") or {}).get("id", "")
        self.calls[verb] += 1
        if verb == "sessions":
            return 200, {"sessions": {host: {"bfd": up, "bgp": None} for host, up in self.sessions.items()}}
        if verb == "carry":
            if not self._let_through(line, asked["over"]):
                return 500, {"error": "lost"}
            if self.refusing or (line in self.refused and asked["over"] == "mobile"):
                return 409, {"error": "maintenance", "state": "untouched"}
            if self.over.get(line, "fixed") != asked["over"]:
                self.moves.append((line, asked["over"]))
            self.over[line] = asked["over"]
        if verb in {"carry", "carried"}:
            return 200, {"over": self.over.get(line, "fixed")}
        if verb == "reachable":
            up = self.sessions.get(asked["line"]["fixed_gateway"], True)
            return 200, {"reachable": up or self.over.get(line, "fixed") == "mobile"}
        return 200, {}


@contextmanager
def edge_server() -> Iterator[Edge]:
    edge = Edge()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, told = edge.answer(asked)
            text = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_said: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

        def handle_error(self, *_request: Any) -> None:
            """Who asked was killed meanwhile."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    edge.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    try:
        yield edge
    finally:
        edge.open()
        server.shutdown()
        thread.join()
        server.server_close()
