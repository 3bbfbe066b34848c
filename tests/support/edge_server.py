"""An edge behind the HTTP contract of platform hooks, in a thread of the test: what it routes where is the test's to
see, and its BFD sessions are the test's to break."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Edge:
    """``sessions``: BFD by the fixed gateway of a line. ``over``: what each line's addresses are reached over.
    ``refusing``: it moves nothing."""

    sessions: dict[str, bool] = field(default_factory=dict)
    over: dict[str, str] = field(default_factory=dict)
    moves: list[tuple[str, str]] = field(default_factory=list)
    """(line, over), whenever something really changed."""
    calls: Counter[str] = field(default_factory=Counter)
    refusing: bool = False
    url: str = ""

    def answer(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        verb, line = asked["verb"], (asked.get("line") or {}).get("id", "")
        self.calls[verb] += 1
        if verb == "sessions":
            return 200, {"sessions": {host: {"bfd": up, "bgp": None} for host, up in self.sessions.items()}}
        if verb == "carry":
            if self.refusing:
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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    edge.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    try:
        yield edge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
