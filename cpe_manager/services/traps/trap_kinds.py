"""What standard notifications mean, and what they say of an interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cpe_manager.domain.events import Severity
from cpe_manager.ports.snmp import Value

_STANDARD = "1.3.6.1.6.3.1.1.5"
COLD_START, WARM_START = f"{_STANDARD}.1", f"{_STANDARD}.2"
LINK_DOWN, LINK_UP = f"{_STANDARD}.3", f"{_STANDARD}.4"
KINDS: Final[Mapping[str, tuple[str, str, Severity]]] = {
    COLD_START: ("trap.cold_start", "restarted (cold start)", "warning"),
    WARM_START: ("trap.warm_start", "its SNMP agent restarted (warm start)", "info"),
    LINK_DOWN: ("trap.link_down", "link down", "warning"),
    LINK_UP: ("trap.link_up", "link up", "info"),
    f"{_STANDARD}.5": ("trap.authentication_failure", "somebody asked it with a wrong community or key", "warning"),
}
"""RFC 3418's and RFC 2863's notifications: kind of event, words, severity."""
OTHER: Final = ("trap.received", "sent a trap", "info")
OAM_EVENT: Final = "1.3.6.1.2.1.158.0.2"
"""dot3OamNonThresholdEvent (RFC 4878)."""
_OAM_TYPE, _DYING_GASP = "1.3.6.1.2.1.158.1.6.1.4", 257
_IF_ENTRY, _IF_NAME = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1.1"
_IF_INDEX, _IF_DESCR, _IF_ADMIN, _IF_OPER = (f"{_IF_ENTRY}.{column}" for column in (1, 2, 7, 8))
IF_NAME, IF_DESCR = _IF_NAME, _IF_DESCR
_STATUS: Final = {1: "up", 2: "down", 3: "testing", 5: "dormant", 6: "notPresent", 7: "lowerLayerDown"}


@dataclass(frozen=True, slots=True)
class PortRow:
    """The row of ifTable that a notification speaks of. ``index`` 0: it does not say which. ``name`` as it came."""

    index: int
    name: Value
    admin: str | None
    oper: str | None


def port_row(values: Mapping[str, Value]) -> PortRow:
    """From whichever columns the box sends; RFC 2863 asks for index and states alone."""
    row: dict[str, Value] = {}
    index = 0
    for name, value in values.items():
        column, _, number = name.rpartition(".")
        if column in {_IF_INDEX, _IF_DESCR, _IF_NAME, _IF_ADMIN, _IF_OPER}:
            row[column] = value
            index = index or (value if column == _IF_INDEX and isinstance(value, int) else int(number))
    told = row.get(_IF_NAME) or row.get(_IF_DESCR) or b""
    return PortRow(index, told, _status(row.get(_IF_ADMIN)), _status(row.get(_IF_OPER)))


def dying_gasp(kind: str, values: Mapping[str, Value]) -> bool:
    """Whether a box says with its last breath that it loses its power (IEEE 802.3 OAM)."""
    return kind == OAM_EVENT and any(
        name.startswith(f"{_OAM_TYPE}.") and value == _DYING_GASP for name, value in values.items()
    )


def shown(value: Value) -> str:
    """As text: one line; what is no text as numbers, as everybody shows a physical address."""
    if isinstance(value, bytes):
        told = value.decode("utf-8", "replace")
        printable = "".join(char if char.isprintable() else " " for char in told)
        return value.hex(":") if "\ufffd" in told else " ".join(printable.split())
    return str(value if value is not None else "")


def _status(value: Value) -> str | None:
    return _STATUS.get(value, str(value)) if isinstance(value, int) else None
