"""The faults that a running box has at the moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from simulators.faults.kinds import Fault

F = TypeVar("F", bound=Fault)


class ActiveFaults:
    """At most one fault of each kind; a fault with `times` heals by being taken that often."""

    def __init__(self) -> None:
        self._faults: dict[type[Fault], Fault] = {}
        self._left: dict[type[Fault], int] = {}

    def set(self, fault: Fault) -> None:
        """Add a fault, in the place of one of the same kind."""
        self._faults[type(fault)] = fault
        self._left[type(fault)] = fault.times

    def clear(self, name: str | None = None) -> None:
        """Remove one fault by name, or all of them."""
        for kind in [kind for kind in self._faults if name in (None, kind.name)]:
            del self._faults[kind], self._left[kind]

    def peek(self, kind: type[F]) -> F | None:
        """The active fault of a kind, without using it up."""
        fault = self._faults.get(kind)
        return fault if isinstance(fault, kind) else None

    def take(self, kind: type[F]) -> F | None:
        """The active fault of a kind, counted as happening once."""
        fault = self.peek(kind)
        if fault is not None and fault.times:
            self._left[kind] -= 1
            if self._left[kind] <= 0:
                self.clear(fault.name)
        return fault

    def __bool__(self) -> bool:
        return bool(self._faults)

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._faults.values()))
