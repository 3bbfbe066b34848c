"""Setting objects: rare, so each has a socket of its own; v3 asks for the engine and its clock first."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar, cast

from cpe_manager.adapters.snmp import messages
from cpe_manager.adapters.snmp.messages import AUTH, PRIV, REPORTABLE, Header, Pdu
from cpe_manager.adapters.snmp.usm import ENGINE_IDS, Keys, keys_for
from cpe_manager.domain.errors import (
    AuthFailed,
    CommandRefused,
    ConnectFailed,
    CredentialMissing,
    DeviceError,
    DeviceTimeout,
    InputError,
    ProtocolError,
)
from cpe_manager.ports.snmp import Assignment, SnmpTarget

T = TypeVar("T")
STATUS: Final = (
    "noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength",
    "wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed",
    "undoFailed", "authorizationError", "notWritable", "inconsistentName",
)  # fmt: skip
"""RFC 3416's error-status by number."""
_UNDO_FAILED = 15
_USM_STATS = "1.3.6.1.6.3.15.1.1."
_NOT_IN_WINDOW, _UNKNOWN_ENGINE = f"{_USM_STATS}2.0", f"{_USM_STATS}4.0"
_REFUSALS: Final = {
    f"{_USM_STATS}1.0": "the security level",
    f"{_USM_STATS}3.0": "the user",
    f"{_USM_STATS}5.0": "the authentication key",
    f"{_USM_STATS}6.0": "the privacy key",
}


class _Line(asyncio.DatagramProtocol):
    """A connected socket; what comes is kept in order."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the library's signature
        self.inbox.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, OSError):
            self.inbox.put_nowait(exc)

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class SnmpSetter:
    """Implements ``ports.snmp.SnmpWriter``."""

    def __init__(self) -> None:
        self._numbers = itertools.count(secrets.randbits(30))

    async def set(self, target: SnmpTarget, wanted: Sequence[Assignment]) -> None:
        try:
            bindings = messages.assignments(wanted)
        except ValueError as error:
            raise InputError(f"{target.name}: {error}") from None
        async with _line(target) as line:
            exchange = _Exchange(target, line, self._numbers)
            answer = await (exchange.as_user(bindings) if target.access.user else exchange.as_community(bindings))
        if answer.status:
            raise _refused(target, wanted, answer)


class _Exchange:
    """One set, until somebody has answered."""

    def __init__(self, target: SnmpTarget, line: _Line, numbers: itertools.count[int]) -> None:
        self._target, self._line, self._numbers = target, line, numbers

    def _number(self) -> int:
        return next(self._numbers) % 2**31

    async def as_community(self, bindings: bytes) -> Pdu:
        community = self._target.access.community.encode()
        if not community:
            raise CredentialMissing(f"{self._target.name}: the credential has neither snmp_community nor snmp_user")
        number = self._number()
        sent = messages.v2c(community, messages.pdu(messages.SET, number, bindings))

        def answer(data: bytes) -> Pdu | None:
            version, place, end = messages.version_of(data)
            if version != messages.V2C:
                return None
            _, found = messages.read_v2c(data, place, end)
            return found if found.kind == messages.RESPONSE and found.number == number else None

        return await self._until(sent, answer, changes=True)

    async def as_user(self, bindings: bytes) -> Pdu:
        known = (await self._discovered()).header
        # A second round: the first answer may be the engine's clock (notInTimeWindows).
        for _ in range(3):
            found, header = await self._keyed(known, bindings)
            if found.kind == messages.RESPONSE:
                return found
            reason = found.values[0][0] if found.values else ""
            if reason not in {_NOT_IN_WINDOW, _UNKNOWN_ENGINE}:
                what = _REFUSALS.get(reason, "the request")
                raise AuthFailed(f"{self._target.name}: its SNMP agent refuses {what}")
            known = header
        raise ProtocolError(f"{self._target.name}: its SNMP engine's clock cannot be followed")

    async def _discovered(self) -> messages.Secured:
        """RFC 3414 §4: who is there, and what time it has."""
        number = self._number()
        empty = messages.scoped(b"", messages.pdu(messages.GET, number, b""))
        sent, _ = messages.v3(Header(number, REPORTABLE), empty)

        def report(data: bytes) -> messages.Secured | None:
            version, place, end = messages.version_of(data)
            if version != messages.V3:
                return None
            found = messages.read_v3(data, place, end)
            return found if found.header.number == number and len(found.header.engine) in ENGINE_IDS else None

        return await self._until(sent, report, changes=False)

    async def _keyed(self, known: Header, bindings: bytes) -> tuple[Pdu, Header]:
        keys = keys_for(self._target.access, known.engine)
        number, user = self._number(), self._target.access.user.encode()
        header = Header(number, AUTH | PRIV | REPORTABLE, known.engine, known.boots, known.time, user)
        content = messages.scoped(known.engine, messages.pdu(messages.SET, number, bindings))
        sent = keys.sealed(header, content)

        def answer(data: bytes) -> tuple[Pdu, Header] | None:
            version, place, end = messages.version_of(data)
            if version != messages.V3:
                return None
            found = messages.read_v3(data, place, end)
            if found.header.number != number:
                return None
            pdu = _opened(found, keys)
            return None if pdu is None else (pdu, found.header)

        return await self._until(sent, answer, changes=True)

    async def _until(self, sent: bytes, answer: Callable[[bytes], T | None], *, changes: bool) -> T:
        """Send until ``answer`` makes something of what came. Raises ``DeviceTimeout``, ``ConnectFailed``."""
        target = self._target
        for _ in range(target.retries + 1):
            self._line.send(sent)
            try:
                async with asyncio.timeout(target.timeout):
                    while True:
                        came = await self._line.inbox.get()
                        if isinstance(came, OSError):
                            raise ConnectFailed(f"{target.name}: SNMP: {came.strerror or came}") from came
                        try:
                            found = answer(came)
                        except ValueError:
                            continue  # noise on the line
                        if found is not None:
                            return found
            except TimeoutError:
                continue
        raise _silence(target, changes=changes)


def _opened(found: messages.Secured, keys: Keys) -> Pdu | None:
    """The PDU when it can be believed: signed and hidden, or a report, some of which come in the clear (RFC 3414)."""
    if found.header.flags & AUTH and not keys.genuine(found):
        return None
    _, pdu = messages.read_scoped(keys.opened(found))
    if pdu.kind == messages.RESPONSE:
        return pdu if found.header.flags & AUTH and found.header.flags & PRIV else None
    # The engine's clock is believed from a signed report alone.
    in_clear = pdu.kind == messages.REPORT and bool(pdu.values) and pdu.values[0][0] != _NOT_IN_WINDOW
    return pdu if found.header.flags & AUTH or in_clear else None


def _silence(target: SnmpTarget, *, changes: bool) -> DeviceError:
    said = DeviceTimeout(f"{target.name}: no answer to an SNMP set within {target.timeout:g} s")
    # The set may have been carried out and its answer lost.
    said.device_state = "unknown" if changes else "untouched"
    return said


def _refused(target: SnmpTarget, wanted: Sequence[Assignment], answer: Pdu) -> CommandRefused:
    status = STATUS[answer.status] if 0 < answer.status < len(STATUS) else f"error {answer.status}"
    place = answer.index - 1
    which = f" for {wanted[place].name}" if 0 <= place < len(wanted) else ""
    error = CommandRefused(f"{target.name}: SNMP set refused: {status}{which}")
    error.device_state = "unknown" if answer.status == _UNDO_FAILED else "untouched"
    return error


@asynccontextmanager
async def _line(target: SnmpTarget) -> AsyncIterator[_Line]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(target.timeout):
            _, line = await loop.create_datagram_endpoint(_Line, remote_addr=(target.host, target.port))
    except OSError as error:
        # TimeoutError is one of them: a name that no server resolves in time.
        raise ConnectFailed(f"{target.name}: SNMP: {error.strerror or 'its name is not found'}") from error
    try:
        yield line
    finally:
        line.close()
