"""Proven traps as evidence on lines: linkDown, linkUp, restarts, a dying gasp.

They are handed on as they come, before anything is stored, doubled ones too: what is late or double is known by the
agent's uptime (``Evidence.order``) where it is weighed. Which way an interface belongs to is known from the line's own
setting or from what the poller has learned; of an interface that nobody knows nothing is said, but the line is looked
at at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cpe_manager.domain.failover.lines import Evidence, Line, LineRecord, Source, Way
from cpe_manager.ports.sensing import LinePoller
from cpe_manager.ports.snmp import Notification
from cpe_manager.services.failover.sensing_terms import Sink
from cpe_manager.services.traps.trap_kinds import (
    COLD_START,
    LINK_DOWN,
    LINK_UP,
    WARM_START,
    dying_gasp,
    port_row,
    shown,
)

DYING_GASP = "dying gasp"
"""How the words of such a trap begin, by which the decision knows it."""


class TrapEvidence:
    """``note`` is what ``Traps.watching`` calls. ``hurry``: look at a line closely from now on. ``port_name``: name of
    a device's interface by its number, where it was learned."""

    def __init__(
        self,
        poller: LinePoller,
        sink: Sink,
        hurry: Callable[[str], None],
        port_name: Callable[[str, int], str | None] = lambda _device, _index: None,
    ) -> None:
        self._poller, self._sink, self._hurry, self._port_name = poller, sink, hurry, port_name
        self._lines: dict[str, Line] = {}

    def set_lines(self, records: Iterable[LineRecord]) -> None:
        self._lines = {record.line.device_id: record.line for record in records if record.line.setup.watched}

    def note(self, one: Notification) -> None:
        line = self._lines.get(one.sender.device_id)
        if line is None:
            return
        if one.kind in {LINK_DOWN, LINK_UP}:
            self._link(line, one)
        elif one.kind in {COLD_START, WARM_START}:
            what = "cold start" if one.kind == COLD_START else "warm start"
            self._tell(line, one, Way.MANAGEMENT, None, what, restarted=True)
        elif dying_gasp(one.kind, one.values):
            self._tell(line, one, Way.FIXED, False, f"{DYING_GASP}: the box loses its power")
            self._hurry(line.id)

    def _link(self, line: Line, one: Notification) -> None:
        row = port_row(one.values)
        name = shown(row.name) or self._port_name(one.sender.device_id, row.index) or ""
        way = _set(line, name) or self._poller.way_of(line.id, row.index, name)
        if way is not None:
            up = one.kind == LINK_UP
            words = f"{'linkUp' if up else 'linkDown'} of {name or f'interface {row.index}'}"
            if not up and row.admin == "down":
                words += ", switched off"
            self._tell(line, one, way, up, words)
        # Of another interface there is nothing to be said, and nothing to be looked for when it came up.
        if way is Way.FIXED or (way is None and one.kind == LINK_DOWN):
            self._hurry(line.id)

    def _tell(
        self, line: Line, one: Notification, way: Way, ok: bool | None, what: str, *, restarted: bool = False
    ) -> None:  # fmt: skip
        at = one.at.timestamp()
        self._sink(Evidence(line.id, Source.TRAP, way, ok, at, what, one.uptime, restarted=restarted))


def _set(line: Line, name: str) -> Way | None:
    """As an operator has set it."""
    said = name.casefold()
    if said and said == line.setup.fixed_port.casefold():
        return Way.FIXED
    return Way.MOBILE if said and said == line.setup.mobile_port.casefold() else None
