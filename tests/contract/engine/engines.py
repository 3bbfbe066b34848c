"""Makes the engines under test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cpe_manager.adapters.clock import SystemClock
from cpe_manager.adapters.engine.embedded import EmbeddedEngine
from cpe_manager.adapters.engine.procrastinate import EngineOptions, ProcrastinateEngine
from cpe_manager.adapters.engine.tables import ensure_schema
from cpe_manager.domain.jobs import Priority
from cpe_manager.ports.engine import Engine, Handler

SLOTS = {Priority.URGENT: 2, Priority.NORMAL: 2, Priority.BULK: 2}


@dataclass
class Engines:
    """Makes engines of one adapter and stops them at the end of the test."""

    url: str | None
    made: list[Engine] = field(default_factory=list)

    async def start(self, handlers: Mapping[str, Handler], slots: Mapping[Priority, int] | None = None) -> Engine:
        engine = self._engine(SLOTS if slots is None else slots)
        for kind, handler in handlers.items():
            engine.register(kind, handler)
        if self.url is not None:
            await ensure_schema(self.url)
        await engine.start()
        self.made.append(engine)
        return engine

    def _engine(self, slots: Mapping[Priority, int]) -> Engine:
        if self.url is None:
            return EmbeddedEngine(clock=SystemClock(), slots=slots)
        return ProcrastinateEngine(self.url, EngineOptions(slots=slots, poll=0.2, restart_after=0.1))

    async def stop(self) -> None:
        for engine in self.made:
            await engine.stop(0)
