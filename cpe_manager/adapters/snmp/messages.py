"""SNMP messages as octets: v2c (RFC 3416) and v3 (RFC 3412), read and written. Security is not looked at here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cpe_manager.kit import ber
from cpe_manager.ports.snmp import Assignment, Value

V1, V2C, V3 = 0, 1, 3
GET, RESPONSE, SET, INFORM, TRAP, REPORT = 0xA0, 0xA2, 0xA3, 0xA6, 0xA7, 0xA8
AUTH, PRIV, REPORTABLE = 1, 2, 4
MAX_SIZE = 65507
MOST_BINDINGS = 500
_USM = 3

Binding = tuple[str, Value]


@dataclass(frozen=True, slots=True)
class Pdu:
    """status and index: RFC 3416's error-status and error-index. ``octets``: the bindings as they are on the wire."""

    kind: int
    number: int
    status: int = 0
    index: int = 0
    values: tuple[Binding, ...] = ()
    octets: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Header:
    """What of a v3 message travels in the clear. boots and time (seconds) are those of the authoritative engine."""

    number: int
    flags: int
    engine: bytes = b""
    boots: int = 0
    time: int = 0
    user: bytes = b""


@dataclass(frozen=True, slots=True)
class Secured:
    """A v3 message as it came. ``digest_at``: where in ``raw`` the digest is. ``body``: the scoped PDU or what hides
    it."""

    header: Header
    digest: bytes
    digest_at: int
    salt: bytes
    body: bytes = field(repr=False)
    raw: bytes = field(repr=False)


def version_of(data: bytes) -> tuple[int, int, int]:
    """The version, and the place after it up to the end. Raises ``ValueError`` for what is no SNMP message."""
    start, end = ber.expect(data, 0, len(data), ber.SEQUENCE)
    version, place = ber.number(data, start, end)
    return version, place, end


def read_v2c(data: bytes, place: int, end: int) -> tuple[bytes, Pdu]:
    """Community and PDU. Raises ``ValueError``."""
    community, place = ber.octets(data, place, end)
    return community, read_pdu(data, place, end)


def read_pdu(data: bytes, place: int, end: int) -> Pdu:
    """Raises ``ValueError``."""
    kind, place, end = ber.header(data, place, end)
    if not GET <= kind <= REPORT or kind == 0xA4:
        raise ValueError(f"PDU type {kind:#04x}")
    number, place = ber.number(data, place, end)
    status, place = ber.number(data, place, end)
    index, place = ber.number(data, place, end)
    start, end = ber.expect(data, place, end, ber.SEQUENCE)
    return Pdu(kind, number, status, index, tuple(_bindings(data, start, end)), data[start:end])


def _bindings(data: bytes, place: int, end: int) -> list[Binding]:
    found: list[Binding] = []
    while place < end:
        start, stop = ber.expect(data, place, end, ber.SEQUENCE)
        name_at, name_end = ber.expect(data, start, stop, ber.OID)
        tag, value_at, value_end = ber.header(data, name_end, stop)
        found.append((ber.dotted(data[name_at:name_end]), ber.value(tag, data[value_at:value_end])))
        if len(found) > MOST_BINDINGS:
            raise ValueError("too many bindings")
        place = stop
    return found


def read_v3(data: bytes, place: int, end: int) -> Secured:
    """Raises ``ValueError``, also for another security model than RFC 3414's."""
    start, stop = ber.expect(data, place, end, ber.SEQUENCE)
    number, start = ber.number(data, start, stop)
    _size, start = ber.number(data, start, stop)
    flags, start = ber.octets(data, start, stop)
    model, _ = ber.number(data, start, stop)
    if model != _USM or len(flags) != 1:
        raise ValueError("not the user-based security model")
    sec_at, sec_end = ber.expect(data, stop, end, ber.OCTETS)
    at, at_end = ber.expect(data, sec_at, sec_end, ber.SEQUENCE)
    engine, at = ber.octets(data, at, at_end)
    boots, at = ber.number(data, at, at_end)
    time, at = ber.number(data, at, at_end)
    user, at = ber.octets(data, at, at_end)
    digest_at, digest_end = ber.expect(data, at, at_end, ber.OCTETS)
    salt, _ = ber.octets(data, digest_end, at_end)
    header = Header(number, flags[0], engine, boots, time, user)
    if header.flags & PRIV:
        body, _ = ber.octets(data, sec_end, end)
    else:
        _start, body_end = ber.expect(data, sec_end, end, ber.SEQUENCE)
        body = data[sec_end:body_end]
    return Secured(header, data[digest_at:digest_end], digest_at, salt, body, data)


def read_scoped(body: bytes) -> tuple[bytes, Pdu]:
    """Context engine and PDU of a scoped PDU in the clear. Raises ``ValueError``."""
    start, end = ber.expect(body, 0, len(body), ber.SEQUENCE)
    engine, start = ber.octets(body, start, end)
    _name, start = ber.octets(body, start, end)
    return engine, read_pdu(body, start, end)


def pdu(kind: int, number: int, bindings: bytes, status: int = 0, index: int = 0) -> bytes:
    """``bindings``: encoded, one after the other."""
    head = ber.integer(number) + ber.integer(status) + ber.integer(index)
    return ber.tlv(kind, head + ber.tlv(ber.SEQUENCE, bindings))


def binding(name: str, value: bytes) -> bytes:
    return ber.tlv(ber.SEQUENCE, ber.identifier(name) + value)


def assignments(wanted: Sequence[Assignment]) -> bytes:
    """Raises ``ValueError`` for a value that is not of its kind."""
    return b"".join(binding(each.name, _assigned(each)) for each in wanted)


def _assigned(each: Assignment) -> bytes:
    given = each.value
    tags = {"integer": ber.INTEGER, "gauge": ber.GAUGE, "ticks": ber.TICKS}
    if each.kind in tags and isinstance(given, int):
        return ber.integer(given, tags[each.kind])
    if each.kind == "string" and not isinstance(given, int):
        return ber.tlv(ber.OCTETS, given if isinstance(given, bytes) else given.encode())
    if each.kind == "oid" and isinstance(given, str):
        return ber.identifier(given)
    raise ValueError(f"{each.name}: a value of type {type(given).__name__} is no {each.kind}")


def v2c(community: bytes, content: bytes) -> bytes:
    return ber.tlv(ber.SEQUENCE, ber.integer(V2C) + ber.tlv(ber.OCTETS, community) + content)


def scoped(engine: bytes, content: bytes) -> bytes:
    return ber.tlv(ber.SEQUENCE, ber.tlv(ber.OCTETS, engine) + ber.tlv(ber.OCTETS, b"") + content)


def v3(header: Header, body: bytes, salt: bytes = b"", digest_size: int = 0) -> tuple[bytes, int]:
    """A message with a digest of zeros, and where that digest is. ``body``: scoped PDU, or its cipher text."""
    head = ber.integer(header.number) + ber.integer(MAX_SIZE) + ber.tlv(ber.OCTETS, bytes((header.flags,)))
    head = ber.tlv(ber.SEQUENCE, head + ber.integer(_USM))
    before = ber.tlv(ber.OCTETS, header.engine) + ber.integer(header.boots) + ber.integer(header.time)
    before += ber.tlv(ber.OCTETS, header.user)
    after = ber.tlv(ber.OCTETS, salt)
    security = ber.tlv(ber.SEQUENCE, before + ber.tlv(ber.OCTETS, bytes(digest_size)) + after)
    if header.flags & PRIV:
        body = ber.tlv(ber.OCTETS, body)
    message = ber.tlv(ber.SEQUENCE, ber.integer(V3) + head + ber.tlv(ber.OCTETS, security) + body)
    return message, len(message) - len(body) - len(after) - digest_size
