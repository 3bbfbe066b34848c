"""A web server to measure transfers against: GET gives so many bytes as the path says, PUT takes what comes."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PIECE = bytes(65_536)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self.path[1:].isdecimal():
            self.send_error(404)
            return
        left = int(self.path[1:])
        self.send_response(200)
        self.send_header("Content-Length", str(left))
        self.end_headers()
        try:
            while left > 0:
                self.wfile.write(_PIECE[: min(left, len(_PIECE))])
                left -= len(_PIECE)
        except OSError:
            self.close_connection = True

    def do_PUT(self) -> None:
        while (size := int(self.rfile.readline() or b"0", 16)) > 0:
            self.rfile.read(size + 2)
        self.rfile.readline()
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002


if __name__ == "__main__":
    with ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler) as server:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        server.serve_forever()
