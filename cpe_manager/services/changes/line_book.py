"""What evaluation of change requests needs to know of lines."""

from __future__ import annotations

from typing import Protocol

from cpe_manager.domain.errors import NotFound
from cpe_manager.domain.failover.lines import Barrier, LineRecord
from cpe_manager.services.changes.parts import LineSaid


class LineStore(Protocol):
    async def line(self, name: str) -> LineRecord: ...


class LineBook:
    """``parts.KnownLines``. ``barrier``: ports of voice of the installation, where a line says nothing else."""

    def __init__(self, lines: LineStore, barrier: Barrier) -> None:
        self._lines, self._barrier = lines, barrier

    async def of(self, device: str) -> LineSaid:
        try:
            setup = (await self._lines.line(device)).line.setup
        except NotFound:
            return LineSaid(barrier=self._barrier)
        return LineSaid(setup.coverage, setup.coverage_reason, self._barrier)
