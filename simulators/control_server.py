"""The fleet's side of the control socket; `simulators.control` describes the protocol."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self, cast, get_args

from simulators.device import Device
from simulators.faults.kinds import make_fault
from simulators.fleet import Fleet
from simulators.snmp.line import LossKind

Request = Mapping[str, Any]
_LINE_LIMIT = 4 * 1024 * 1024
_SUMMED = ("connections", "open_connections", "auth_completed", "passwords_refused", "sessions", "open_sessions")


class ControlServer:
    """Serves one fleet on one socket, in the fleet's event loop."""

    def __init__(self, fleet: Fleet, path: Path) -> None:
        self._fleet = fleet
        self._path = path
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        before = os.umask(0o177)
        try:
            self._path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=_LINE_LIMIT)
        finally:
            os.umask(before)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._writers):
            writer.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            return
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            handler = _OPERATIONS.get(request.get("op"))
            if handler is None:
                return {"ok": False, "error": f"unknown operation; known: {', '.join(_OPERATIONS)}"}
            return {"ok": True, "result": handler(self._fleet, request)}
        except KeyError as error:
            return {"ok": False, "error": f"no such box, or missing: {error}"}
        except (ValueError, TypeError, AttributeError) as error:
            return {"ok": False, "error": str(error)}


def _list(fleet: Fleet, _request: Request) -> list[dict[str, Any]]:
    return [
        {
            "name": device.name,
            "family": device.spec.family,
            "address": device.address,
            "port": device.port,
            "snmp_port": device.snmp.port,
            "host_key": device.host_key_public,
            "faults": [fault.name for fault in device.faults],
        }
        for device in fleet.devices
    ]


def _fault(fleet: Fleet, request: Request) -> None:
    fault = make_fault(request["fault"], request.get("parameters") or {})
    fleet.device(request["name"]).set_fault(fault)


def _clear(fleet: Fleet, request: Request) -> None:
    chosen = [fleet.device(request["name"])] if request.get("name") else fleet.devices
    for device in chosen:
        device.clear_faults(request.get("fault"))


def _change(fleet: Fleet, request: Request) -> str:
    return fleet.device(request["name"]).change(request.get("text"), request.get("by") or "")


def _save(fleet: Fleet, request: Request) -> None:
    fleet.device(request["name"]).save()


def _show(fleet: Fleet, request: Request) -> str:
    return fleet.device(request["name"]).running_text()


def _standing(fleet: Fleet, request: Request) -> dict[str, Any]:
    return fleet.device(request["name"]).standing()


def _typing(fleet: Fleet, request: Request) -> dict[str, Any]:
    typing = fleet.device(request["name"]).typing
    return {"struck": list(typing.struck), "sessions": list(typing.sessions)}


def _forget(fleet: Fleet, request: Request) -> None:
    fleet.device(request["name"]).typing.struck.clear()


def _cut(fleet: Fleet, request: Request) -> None:
    fleet.device(request["name"]).cut(float(request.get("seconds") or 0.0))


def _advance(fleet: Fleet, request: Request) -> None:
    fleet.device(request["name"]).advance(float(request["seconds"]))


def _secrets(fleet: Fleet, request: Request) -> dict[str, Any]:
    device = fleet.device(request["name"])
    return {**asdict(device.spec.secrets), "login_forms": list(device.login_forms())}


def _rotate(fleet: Fleet, request: Request) -> str:
    return fleet.device(request["name"]).rotate_host_key()


def _restart(fleet: Fleet, request: Request) -> None:
    fleet.device(request["name"]).restart(request.get("down"))


def _roam(fleet: Fleet, request: Request) -> list[str]:
    device = fleet.device(request["name"])
    device.roam(str(request.get("manager") or "127.0.0.1"))
    return list(device.places)


def _lose_line(fleet: Fleet, request: Request) -> None:
    kind = request.get("kind") or "carrier"
    known = get_args(LossKind)
    if kind not in known:
        raise ValueError(f"unknown kind of loss {kind!r}; known: {', '.join(known)}")
    fleet.device(request["name"]).lose_line(cast("LossKind", kind))


def _restore_line(fleet: Fleet, request: Request) -> None:
    fleet.device(request["name"]).restore_line()


def _lose_mobile(fleet: Fleet, request: Request) -> None:
    fleet.device(request["name"]).lose_mobile()


def _restore_mobile(fleet: Fleet, request: Request) -> None:
    fleet.device(request["name"]).restore_mobile()


def _stats(fleet: Fleet, _request: Request) -> dict[str, Any]:
    each = {device.name: _counters(device) for device in fleet.devices}
    total = {key: sum(counters[key] for counters in each.values()) for key in _SUMMED}
    return {"total": total, "devices": each}


def _counters(device: Device) -> dict[str, Any]:
    counters = asdict(device.stats)
    counters["commands"] = list(device.stats.commands)
    return counters


_OPERATIONS: Mapping[str, Callable[[Fleet, Request], Any]] = MappingProxyType(
    {
        "list": _list,
        "fault": _fault,
        "clear": _clear,
        "change": _change,
        "save": _save,
        "show": _show,
        "standing": _standing,
        "typing": _typing,
        "forget": _forget,
        "cut": _cut,
        "advance": _advance,
        "secrets": _secrets,
        "rotate": _rotate,
        "restart": _restart,
        "roam": _roam,
        "lose_line": _lose_line,
        "restore_line": _restore_line,
        "lose_mobile": _lose_mobile,
        "restore_mobile": _restore_mobile,
        "stats": _stats,
    }
)
