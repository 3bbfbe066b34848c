"""BER as SNMP uses it (X.690 with RFC 3417 §8: definite lengths, single-octet tags), read and written without a schema.

A schema-driven decoder takes a millisecond for a trap; after a power cut thousands come within a second. Reading is
total: whatever the octets are, it ends with a value or ``ValueError``, in time linear to their number.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

INTEGER, OCTETS, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
IP_ADDRESS, COUNTER, GAUGE, TICKS, OPAQUE, COUNTER64 = 0x40, 0x41, 0x42, 0x43, 0x44, 0x46
ABSENT: Final = frozenset({0x80, 0x81, 0x82})
"""noSuchObject, noSuchInstance, endOfMibView: exceptions in the place of a value."""
_NUMBERS: Final = frozenset({INTEGER, COUNTER, GAUGE, TICKS, COUNTER64})
_LONGEST_NUMBER = 9

Value = int | float | str | bytes | None


def tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Two's complement in as few octets as hold it; unsigned types get a leading zero where they need one."""
    return tlv(tag, value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, "big", signed=True))


@lru_cache(maxsize=4096)
def identifier(text: str) -> bytes:
    """A dotted object identifier. Raises ``ValueError`` for one that cannot be."""
    arcs = [int(arc) for arc in text.split(".")]
    if len(arcs) < 2 or arcs[0] > 2 or (arcs[0] < 2 and arcs[1] > 39) or min(arcs) < 0 or max(arcs) >= 2**32:
        raise ValueError(f"not an object identifier: {text}")
    body = bytearray()
    for arc in (arcs[0] * 40 + arcs[1], *arcs[2:]):
        part = [arc & 0x7F]
        while arc := arc >> 7:
            part.append(arc & 0x7F | 0x80)
        body += bytes(reversed(part))
    return tlv(OID, bytes(body))


def header(data: bytes, place: int, end: int) -> tuple[int, int, int]:
    """Tag, and where the body at ``place`` begins and ends. Raises ``ValueError`` when it is not within ``end``."""
    if place + 2 > end:
        raise ValueError("cut off")
    tag, size = data[place], data[place + 1]
    start = place + 2
    if size & 0x80:
        octets = size & 0x7F
        if not 0 < octets <= 4 or start + octets > end:
            raise ValueError("a length that SNMP does not have")
        size = int.from_bytes(data[start : start + octets], "big")
        start += octets
    if start + size > end:
        raise ValueError("cut off")
    return tag, start, start + size


def expect(data: bytes, place: int, end: int, tag: int) -> tuple[int, int]:
    """Begin and end of a body that must have ``tag``. Raises ``ValueError``."""
    found, start, stop = header(data, place, end)
    if found != tag:
        raise ValueError(f"type {found:#04x} where {tag:#04x} belongs")
    return start, stop


def number(data: bytes, place: int, end: int) -> tuple[int, int]:
    """An INTEGER and the place after it. Raises ``ValueError``."""
    start, stop = expect(data, place, end, INTEGER)
    return _number(INTEGER, data[start:stop]), stop


def octets(data: bytes, place: int, end: int) -> tuple[bytes, int]:
    """An OCTET STRING and the place after it. Raises ``ValueError``."""
    start, stop = expect(data, place, end, OCTETS)
    return data[start:stop], stop


def value(tag: int, body: bytes) -> Value:
    """What a body means; exceptions (``ABSENT``) and NULL are None. Raises ``ValueError`` for a type SNMP has not."""
    if tag in _NUMBERS:
        return _number(tag, body)
    if tag in {OCTETS, OPAQUE}:
        return body
    if tag == OID:
        return dotted(body)
    if tag == IP_ADDRESS and len(body) == 4:
        return ".".join(str(octet) for octet in body)
    if tag == NULL or tag in ABSENT:
        return None
    raise ValueError(f"type {tag:#04x} is none of SNMP's")


@lru_cache(maxsize=8192)
def dotted(body: bytes) -> str:
    """The text of an object identifier. Raises ``ValueError``."""
    if not body or body[-1] & 0x80 or len(body) > 640:
        raise ValueError("not an object identifier")
    arcs: list[int] = []
    arc = 0
    for octet in body:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
        elif arc >= 2**32:
            raise ValueError("not an object identifier")
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def _number(tag: int, body: bytes) -> int:
    if not 0 < len(body) <= _LONGEST_NUMBER:
        raise ValueError("not a number of SNMP's")
    # Some agents leave out the leading zero of an unsigned number.
    return int.from_bytes(body, "big", signed=tag == INTEGER)
