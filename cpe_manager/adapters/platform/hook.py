"""Whatever an operator puts in place of an edge: a command or an HTTP server that keeps a contract.

``docs/reference/platform-hook.md`` is the contract. One JSON document goes in, one comes back; what was not said is
not assumed: a carrying that does not tell over what the addresses are reached now is asked for it.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cpe_manager.domain.errors import (
    CommandRefused,
    ConnectFailed,
    DeviceError,
    DeviceTimeout,
    ProtocolError,
    SessionDropped,
)
from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.ports.platform import EdgeSession, Routed
from cpe_manager.ports.posts import Posts

CONTRACT: Final = 1
DEADLINE: Final = 10.0
"""Seconds of a call, unless the platform's entry says otherwise."""
_MOST_BYTES: Final = 4 * 1024 * 1024
_AT_ONCE: Final = 16
_STATES: Final = frozenset({"untouched", "changed", "unknown"})
DONE, REFUSED, UNSUPPORTED, UNKNOWN, TRY_LATER = 0, 1, 2, 3, 75
"""Exit statuses of a command; the last is ``EX_TEMPFAIL`` of sysexits(3). Any other one is as ``UNKNOWN``."""


class Unsupported(Exception):
    """The other side does not know this verb."""


class Caller(Protocol):
    async def call(self, document: Mapping[str, Any], key: str, seconds: float) -> Mapping[str, Any]:
        """The answer. Raises ``Unsupported``, or a ``DeviceError`` with what it did to the platform."""
        ...

    async def close(self) -> None: ...


class Hook:
    """Implements ``ports.platform.Platform`` over a caller."""

    def __init__(self, name: str, caller: Caller, *, seconds: float = DEADLINE) -> None:
        self._name = name
        self._caller = caller
        self._seconds = seconds
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def carry(self, routed: Routed, over: Carrier) -> None:
        if routed.ipv4 is None and routed.ipv6 is None:
            raise CommandRefused(f"line {routed.line_id}: has no fixed addresses that could be moved")
        until = asyncio.get_running_loop().time() + self._seconds
        try:
            answer = await self._call("carry", routed, over=over.value)
        except Unsupported:
            raise CommandRefused(f"{self._name}: cannot carry: the hook does not know the verb") from None
        try:
            told = answer.get("over")
            if told is None and (left := until - asyncio.get_running_loop().time()) > 0:
                told = (await self._call("carried", routed, seconds=left)).get("over")
        except Unsupported:
            told = None
        except DeviceError as error:
            error.device_state = "unknown"
            raise
        if told != over.value:
            found = "does not tell over what" if told is None else f"says over {str(told)[:40]!r}"
            doubt = CommandRefused(f"{self._name}: line {routed.line_id} over {over}: done, it says, and {found}")
            doubt.device_state = "unknown"
            raise doubt

    async def carried(self, routed: Routed) -> Carrier | None:
        told = await self._asked("carried", "over", routed)
        if told is None:
            return None
        try:
            return Carrier(told)
        except ValueError:
            raise ProtocolError(f"{self._name}: {str(told)[:40]!r} is neither fixed nor mobile") from None

    async def reachable(self, routed: Routed) -> bool | None:
        told = await self._asked("reachable", "reachable", routed)
        if told is not None and not isinstance(told, bool):
            raise ProtocolError(f"{self._name}: reachable is true, false or null, not {str(told)[:40]!r}")
        return told

    async def sessions(self) -> Mapping[str, EdgeSession] | None:
        told = await self._asked("sessions", "sessions")
        if told is None:
            return None
        if not isinstance(told, dict) or not all(isinstance(entry, dict) for entry in told.values()):
            raise ProtocolError(f"{self._name}: sessions is an object of objects by neighbour address")
        return {address: EdgeSession(_flag(entry, "bfd"), _flag(entry, "bgp")) for address, entry in told.items()}

    async def warm(self) -> None:
        with suppress(Unsupported):
            await self._call("warm")

    async def close(self) -> None:
        await self._caller.close()

    async def _asked(self, verb: str, name: str, routed: Routed | None = None) -> Any:
        try:
            return (await self._call(verb, routed)).get(name)
        except Unsupported:
            return None

    async def _call(
        self, verb: str, routed: Routed | None = None, *, over: str = "", seconds: float | None = None
    ) -> Mapping[str, Any]:
        """One call, and a second one where nothing of the first can have arrived. The key is the same for both."""
        key = secrets.token_hex(16)
        document: dict[str, Any] = {"version": CONTRACT, "verb": verb, "id": key, "platform": self._name}
        if routed is not None:
            document["line"] = _line(routed)
        if over:
            document["over"] = over
        loop = asyncio.get_running_loop()
        until = loop.time() + (seconds or self._seconds)
        # What an edge says of its sessions is asked several times a second, once at a time: it does not queue behind
        # orders that the other side takes its time for, or losses would not be seen while lines are being moved.
        async with nullcontext() if routed is None else self._turns:
            try:
                return await self._caller.call(document, key, until - loop.time())
            except ConnectFailed:
                if until - loop.time() < 0.5:
                    raise
                await asyncio.sleep(0.2)
                return await self._caller.call(document, key, until - loop.time())


def _line(routed: Routed) -> dict[str, str | None]:
    return {
        "id": routed.line_id,
        "site": routed.site,
        "ipv4": str(routed.ipv4) if routed.ipv4 else None,
        "ipv6": str(routed.ipv6) if routed.ipv6 else None,
        "fixed_gateway": routed.fixed_gateway,
        "mobile_gateway": routed.mobile_gateway,
    }


def _flag(entry: Mapping[str, Any], name: str) -> bool | None:
    value = entry.get(name)
    if value is not None and not isinstance(value, bool):
        raise ProtocolError(f"{name} is true, false or null, not {str(value)[:40]!r}")
    return value


def read_answer(place: str, text: bytes) -> Mapping[str, Any]:
    """Raises ``ProtocolError``, with the state ``unknown``: something was done, and nobody understands what."""
    try:
        answer = json.loads(text or b"{}")
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    error = ProtocolError(f"{place}: answered {text[:80]!r} and not with a JSON object")
    error.device_state = "unknown"
    raise error


def _refusal(kind: type[DeviceError], place: str, answer: Mapping[str, Any], otherwise: str, state: str) -> DeviceError:
    """``answer`` may say better than status or code what the matter is, and what was done."""
    reason = " ".join(str(answer.get("error") or otherwise).split())[:300]
    error = kind(f"{place}: {reason}")
    told = answer.get("state", state)
    error.device_state = told if told in _STATES else "unknown"
    return error


@dataclass(frozen=True, slots=True)
class CommandCaller:
    """Each call is a process of its own, which ends with its deadline at the latest, with all that it has started.

    It gets this process's environment without our own settings and passwords."""

    name: str
    argv: Sequence[str]

    async def call(self, document: Mapping[str, Any], key: str, seconds: float) -> Mapping[str, Any]:
        del key  # the document has it
        place = f"{self.name}: {self.argv[0]}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CPE_MANAGER_")}
        try:
            process = await asyncio.create_subprocess_exec(
                *self.argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, start_new_session=True
            )
        except (OSError, ValueError) as error:
            raise CommandRefused(f"{place} does not start: {error}") from error
        try:
            async with asyncio.timeout(max(seconds, 0.1)):
                out, complaints = await process.communicate(json.dumps(document).encode() + b"\n")
        except TimeoutError as error:
            late = DeviceTimeout(f"{place}: no end within {seconds:.1f} s")
            late.device_state = "unknown"
            raise late from error
        finally:
            await _end(process)
        return _by_status(place, process.returncode, out[:_MOST_BYTES], complaints)

    async def close(self) -> None:
        """There is nothing that lives between two calls."""


def _by_status(place: str, status: int | None, out: bytes, complaints: bytes) -> Mapping[str, Any]:
    if status == DONE:
        return read_answer(place, out)
    if status == UNSUPPORTED:
        raise Unsupported
    lines = complaints.decode(errors="replace").strip().splitlines()
    otherwise = lines[-1] if lines else f"exit status {status}"
    try:
        answer = read_answer(place, out)
    except ProtocolError:
        answer = {}
    if status == TRY_LATER:
        raise _refusal(ConnectFailed, place, answer, otherwise, "untouched")
    if status == REFUSED:
        raise _refusal(CommandRefused, place, answer, otherwise, "untouched")
    raise _refusal(SessionDropped, place, answer, otherwise, "unknown")


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


class HttpCaller:
    """A POST for each call. ``token``: goes along as a bearer token."""

    def __init__(self, name: str, url: str, posts: Posts, *, token: str = "") -> None:
        self._name = name
        self._url = url
        self._posts = posts
        self._token = token

    async def call(self, document: Mapping[str, Any], key: str, seconds: float) -> Mapping[str, Any]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        body = json.dumps(document).encode()
        try:
            posted = await self._posts.post(self._url, body, headers, seconds=max(seconds, 0.1), most=_MOST_BYTES)
        except ConnectFailed:
            raise
        except DeviceError as error:
            error.device_state = "unknown"
            raise
        if posted.taken:
            return read_answer(self._name, posted.body)
        if posted.status == 501:
            raise Unsupported
        try:
            answer = read_answer(self._name, posted.body)
        except ProtocolError:
            answer = {}
        otherwise = f"HTTP {posted.status}"
        if posted.status in {408, 425, 429, 503}:
            raise _refusal(ConnectFailed, self._name, answer, otherwise, "untouched")
        if 300 <= posted.status < 500:
            raise _refusal(CommandRefused, self._name, answer, otherwise, "untouched")
        raise _refusal(SessionDropped, self._name, answer, otherwise, "unknown")

    async def close(self) -> None:
        await self._posts.close()
