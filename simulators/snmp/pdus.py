"""Answers to requests, by the rules of RFC 3416."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pysnmp.proto.api import v2c
from pysnmp.proto.rfc1905 import endOfMibView, noSuchInstance, noSuchObject

from simulators.snmp.families import Oid
from simulators.snmp.line import Ports
from simulators.snmp.mib import IF_ADMIN, IF_ENTRY, Mib

Pairs = list[tuple[Oid, Any]]
NO_ACCESS, WRONG_TYPE, WRONG_VALUE, NOT_WRITABLE = 6, 7, 10, 17
# More would not fit an Ethernet frame; a walker asks again.
_MOST_BINDINGS = 40


class Refused(Exception):
    """A set that is not carried out: RFC 3416's error status and the number of the binding, from 1."""

    def __init__(self, status: int, index: int) -> None:
        super().__init__(status, index)
        self.status, self.index = status, index


def bindings(pdu: Any) -> Pairs:
    return [(tuple(name), value) for name, value in v2c.apiPDU.get_varbinds(pdu)]


def answer_to(pdu: Any, pairs: Pairs, refused: Refused | None = None) -> Any:
    """The response to a request."""
    response = v2c.ResponsePDU()
    v2c.apiPDU.set_defaults(response)
    v2c.apiPDU.set_request_id(response, v2c.apiPDU.get_request_id(pdu))
    if refused is not None:
        v2c.apiPDU.set_error_status(response, refused.status)
        v2c.apiPDU.set_error_index(response, refused.index)
    return filled(response, pairs)


def filled(pdu: Any, pairs: Iterable[tuple[Oid, Any]]) -> Any:
    """The PDU with these bindings."""
    v2c.apiPDU.set_varbinds(pdu, [(v2c.ObjectIdentifier(name), value) for name, value in pairs])
    return pdu


class Responder:
    """Answers from one box's objects."""

    def __init__(self, mib: Mib, ports: Ports) -> None:
        self._mib = mib
        self._ports = ports
        self.flipped: list[int] = []
        """Ports whose link a set has changed, until somebody takes them."""

    def answer(self, pdu: Any, may_write: bool) -> Any:
        """The response PDU; None for what asks for nothing."""
        if pdu.isSameTypeWith(v2c.GetRequestPDU(), matchConstraints=False):
            return answer_to(pdu, [(name, self._value(name)) for name, _ in bindings(pdu)])
        if pdu.isSameTypeWith(v2c.GetNextRequestPDU(), matchConstraints=False):
            return answer_to(pdu, [self._next(name) for name, _ in bindings(pdu)])
        if pdu.isSameTypeWith(v2c.GetBulkRequestPDU(), matchConstraints=False):
            return answer_to(pdu, self._bulk(pdu))
        if pdu.isSameTypeWith(v2c.SetRequestPDU(), matchConstraints=False):
            return self._set(pdu, may_write)
        return None

    def _value(self, name: Oid) -> Any:
        value = self._mib.get(name)
        if value is not None:
            return value
        return noSuchInstance if self._mib.knows(name) else noSuchObject

    def _next(self, name: Oid) -> tuple[Oid, Any]:
        return self._mib.after(name) or (name, endOfMibView)

    def _bulk(self, pdu: Any) -> Pairs:
        asked = [name for name, _ in bindings(pdu)]
        once = min(max(0, int(v2c.apiBulkPDU.get_non_repeaters(pdu))), len(asked))
        rounds = max(0, int(v2c.apiBulkPDU.get_max_repetitions(pdu)))
        found = [self._next(name) for name in asked[:once]]
        row = asked[once:]
        for _ in range(rounds if row else 0):
            if len(found) + len(row) > _MOST_BINDINGS:
                break
            following = [self._next(name) for name in row]
            found += following
            if all(value is endOfMibView for _, value in following):
                break
            row = [name for name, _ in following]
        return found

    def _set(self, pdu: Any, may_write: bool) -> Any:
        pairs = bindings(pdu)
        try:
            # All or nothing: everything is looked at before anything is done.
            wanted = [self._checked(name, value, place, may_write) for place, (name, value) in enumerate(pairs, 1)]
        except Refused as refused:
            return answer_to(pdu, pairs, refused)
        self.flipped += [index for index, status in wanted if self._ports.set_admin(index, status)]
        return answer_to(pdu, pairs)

    def _checked(self, name: Oid, value: Any, place: int, may_write: bool) -> tuple[int, int]:
        """Port and status of a set of ifAdminStatus, the one object that can be written."""
        if not may_write:
            raise Refused(NO_ACCESS, place)
        index = name[-1] - 1
        if name[:-1] != (*IF_ENTRY, IF_ADMIN) or not 0 <= index < len(self._ports.states):
            raise Refused(NOT_WRITABLE, place)
        if not isinstance(value, v2c.Integer):
            raise Refused(WRONG_TYPE, place)
        if int(value) not in (1, 2):
            raise Refused(WRONG_VALUE, place)
        return index, int(value)
