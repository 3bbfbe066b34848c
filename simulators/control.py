"""Steering a running fleet from another process: JSON lines over a Unix socket.

The client sends one JSON object a line and gets one back for each, in order:

    {"op": "list"}                                       names, families, addresses, ports, host keys, active faults
    {"op": "fault", "name": N, "fault": F, "parameters": {"at": "0.5"}}       parameters as text
    {"op": "clear", "name": N, "fault": F}               without "fault": all; without "name": on all boxes
    {"op": "change", "name": N, "text": T, "by": WHO}    without "text": a harmless change; answers with the lines
    {"op": "save", "name": N}                            what runs survives a restart
    {"op": "show", "name": N}                            the true running configuration
    {"op": "standing", "name": N}                        what runs, what a restart would bring, alarms and files
    {"op": "typing", "name": N}                          faults that struck a command; commands of each log-in so far
    {"op": "forget", "name": N}                          the strikes so far
    {"op": "cut", "name": N, "seconds": S}               cut the path to it; 0: until `clear`
    {"op": "advance", "name": N, "seconds": S}           put its clock forward
    {"op": "secrets", "name": N}                         the box's secrets, and the forms its own passwords take
    {"op": "rotate", "name": N}                          a new host key; answers with it
    {"op": "restart", "name": N, "down": SECONDS}
    {"op": "roam", "name": N, "manager": ADDRESS}        it is where its configuration says, within 127/8; its addresses
    {"op": "lose_line", "name": N, "kind": "carrier"}    or "silent": everything stays up and carries nothing
    {"op": "restore_line", "name": N}
    {"op": "lose_mobile", "name": N}                     its mobile network, and `restore_mobile` brings it back
    {"op": "stats"}                                      counters of each box and of all together

Answers are `{"ok": true, "result": ...}` or `{"ok": false, "error": "..."}`. The socket is open to its owner alone.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class ControlError(Exception):
    """The fleet refused a request; the message says why."""


class ControlClient:
    """Blocking client; one connection, to be closed or used as a context manager. `timeout` in seconds per request."""

    def __init__(self, path: Path | str, timeout: float = 10.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._stream = self._socket.makefile("rwb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def call(self, op: str, **request: Any) -> Any:
        """Send one request. Raises ControlError when the fleet refuses it or is gone."""
        self._stream.write(json.dumps({"op": op, **request}).encode() + b"\n")
        self._stream.flush()
        line = self._stream.readline()
        if not line:
            raise ControlError("the fleet closed the connection")
        answer = json.loads(line)
        if not answer["ok"]:
            raise ControlError(answer["error"])
        return answer["result"]

    def devices(self) -> list[dict[str, Any]]:
        return list(self.call("list"))

    def set_fault(self, name: str, fault: str, **parameters: object) -> None:
        self.call("fault", name=name, fault=fault, parameters={key: str(value) for key, value in parameters.items()})

    def clear(self, name: str | None = None, fault: str | None = None) -> None:
        self.call("clear", name=name, fault=fault)

    def change(self, name: str, text: str | None = None, by: str = "") -> str:
        return str(self.call("change", name=name, text=text, by=by))

    def save(self, name: str) -> None:
        self.call("save", name=name)

    def show(self, name: str) -> str:
        return str(self.call("show", name=name))

    def standing(self, name: str) -> dict[str, Any]:
        return dict(self.call("standing", name=name))

    def cut(self, name: str, seconds: float = 0.0) -> None:
        self.call("cut", name=name, seconds=seconds)

    def advance(self, name: str, seconds: float) -> None:
        self.call("advance", name=name, seconds=seconds)

    def secrets(self, name: str) -> dict[str, Any]:
        return dict(self.call("secrets", name=name))

    def rotate_host_key(self, name: str) -> str:
        return str(self.call("rotate", name=name))

    def restart(self, name: str, down: float | None = None) -> None:
        self.call("restart", name=name, down=down)

    def roam(self, name: str, manager: str = "127.0.0.1") -> list[str]:
        return list(self.call("roam", name=name, manager=manager))

    def lose_line(self, name: str, kind: str = "carrier") -> None:
        self.call("lose_line", name=name, kind=kind)

    def restore_line(self, name: str) -> None:
        self.call("restore_line", name=name)

    def lose_mobile(self, name: str) -> None:
        self.call("lose_mobile", name=name)

    def restore_mobile(self, name: str) -> None:
        self.call("restore_mobile", name=name)

    def stats(self) -> dict[str, Any]:
        return dict(self.call("stats"))
