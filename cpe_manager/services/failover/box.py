"""The box's side of fail-over: its default route moved by a push, on the swift path where that is ready (§3.8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

import structlog

from cpe_manager.domain.errors import Conflict
from cpe_manager.domain.failover.lines import Carrier, LineRecord
from cpe_manager.domain.fleet.settings_inheritance import resolve
from cpe_manager.domain.jobs import Priority
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.pushes import NOTHING_TO_CHANGE, Push
from cpe_manager.ports.driver import Carrying
from cpe_manager.ports.shell import Shell, Target
from cpe_manager.ports.stores import InventoryStore
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.failover.asking import Asking, CarryingDriver, Dumb, asked
from cpe_manager.services.failover.change import RouteChange
from cpe_manager.services.failover.swift import Struck, SwiftPath
from cpe_manager.services.fleet.targets import known, target_of
from cpe_manager.services.push.pushes import PushAsked, Pushes

log = structlog.get_logger()

BY: Final = "failover"
GUARD_SECONDS: Final = 120
FIRST_LOOK, LAST_LOOK = 0.2, 2.0
"""Seconds between looks at a push that somebody else works on, growing from one to the other."""
RECENT: Final = 100
"""Pushes of a device among which one of a switch under way is looked for."""
_APPLIED: Final = frozenset({Phase.APPLIED, Phase.PROBED})
_ENDED: Final[frozenset[Phase]] = frozenset()
_INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True, slots=True)
class Moving:
    """A box that has taken its new route, or has refused it. ``push_id`` empty: nothing had to be pushed."""

    push_id: str = ""
    failed: str = ""
    """Why the box did not take it, as far as is known by now; ``end`` says the rest."""


class Box(Protocol):
    """What the conductor needs of boxes. ``key`` names a move: the same one again is the same move."""

    async def move(self, record: LineRecord, over: Carrier, key: str) -> Moving:
        """Returns when the change is in effect on the box, or has come to nothing. Raises ``CpeManagerError`` when it
        could not even be asked for."""
        ...

    async def end(self, moving: Moving) -> str:
        """Waits for the end of the move; empty when the box keeps it, else why not."""
        ...

    async def give_up(self, record: LineRecord, key: str) -> bool:
        """Have a move of that key taken back that has not ended, and wait for it. True when one is in force (or may be,
        stuck) all the same: it has to be followed by a move back."""
        ...

    def asking(self, record: LineRecord) -> AbstractAsyncContextManager[Asking]:
        """To ask it again and again over what its own route goes. Entering raises ``CpeManagerError`` when nobody can
        know how the box is spoken to."""
        ...


@dataclass(frozen=True, slots=True)
class BoxParts:
    pushes: Pushes
    inventory: InventoryStore
    outside: Outside
    change: RouteChange
    swift: SwiftPath | None = None


@dataclass(slots=True)
class _Followed:
    """Tasks of strikes of this process, by push: nobody needs to look for the ends of those."""

    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def add(self, struck: Struck) -> None:
        self.tasks[struck.push_id] = struck.ended
        struck.ended.add_done_callback(lambda _: self.tasks.pop(struck.push_id, None))


class PushedBox:
    """``Box`` over the commit path."""

    def __init__(self, parts: BoxParts) -> None:
        self._parts = parts
        self._followed = _Followed()

    async def move(self, record: LineRecord, over: Carrier, key: str) -> Moving:
        if over is Carrier.MOBILE and (struck := await self._strike(record, key)) is not None:
            if not struck.error:
                return Moving(struck.push_id)
            push = await self._when(struck.push_id, _ENDED)
        else:
            push = await self._when((await self._ask(record, over, key)).id, _APPLIED)
        if _once_more(push):
            log.info("failover.once_more", device=record.line.device, push_id=push.id, reason=push.reason)
            push = await self._when((await self._ask(record, over, f"{key}:again")).id, _APPLIED)
        return Moving(push.id, _failure(push))

    async def _strike(self, record: LineRecord, key: str) -> Struck | None:
        if self._parts.swift is None:
            return None
        try:
            struck = await self._parts.swift.strike(record.line.device_id, key, by=BY)
        except Conflict as error:
            # Asked for already, or another push is in the way: the ordinary path finds the one, and queues for the
            # other.
            log.info("swift.refused", device=record.line.device, reason=str(error))
            return None
        if struck is not None:
            self._followed.add(struck)
        return struck

    async def _ask(self, record: LineRecord, over: Carrier, key: str) -> Push:
        change = await self._parts.change.patch(record.line.device_id, over)
        asked = PushAsked(
            record.line.device_id, change=change, guard_seconds=GUARD_SECONDS, key=key, priority=Priority.URGENT
        )
        return await self._parts.pushes.submit(asked, by=BY)

    async def end(self, moving: Moving) -> str:
        if not moving.push_id:
            return moving.failed
        return _failure(await self._when(moving.push_id, _ENDED))

    async def give_up(self, record: LineRecord, key: str) -> bool:
        names = {f"{BY}:{key}", f"{BY}:{key}:again"}
        page = await self._parts.pushes.list(device=record.line.device_id, limit=RECENT)
        in_force = False
        for push in (one for one in page.items if one.key in names):
            if push.ended_at is None:
                with suppress(Conflict):  # it has ended meanwhile
                    await self._parts.pushes.withdraw(push.id, by=BY)
            ended = await self._when(push.id, _ENDED)
            in_force = in_force or ended.phase in {Phase.CONFIRMED, Phase.STUCK}
        return in_force

    async def _when(self, push_id: str, there: frozenset[Phase]) -> Push:
        """The push, once it is where it is waited for, or has ended. A phase that is an end is written a moment before
        the end itself, which alone says why."""
        clock, pause = self._parts.outside.clock, FIRST_LOOK
        while True:
            push = (await self._parts.pushes.show(push_id)).push
            if push.phase in there or push.ended_at is not None:
                return push
            task = self._followed.tasks.get(push_id)
            if task is not None and not task.done():
                sleep = asyncio.ensure_future(clock.sleep(LAST_LOOK))
                try:
                    await asyncio.wait({task, sleep}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    sleep.cancel()
                continue
            await clock.sleep(pause)
            pause = min(LAST_LOOK, pause * 1.3)

    @asynccontextmanager
    async def asking(self, record: LineRecord) -> AsyncIterator[Asking]:
        parts = self._parts
        view = await parts.inventory.device(record.line.device_id)
        groups = {group.name: group for group in await parts.inventory.groups()}
        resolved = resolve(view.device, groups)
        driver = parts.outside.drivers.get(known("family", resolved.family))
        if not isinstance(driver, Carrying):
            yield Dumb()
            return
        target = target_of(view.device, resolved, view.pinned_keys)
        async with asked(cast("CarryingDriver", driver), lambda: self._session(target)) as made:
            yield made

    @asynccontextmanager
    async def _session(self, target: Target) -> AsyncIterator[Shell]:
        outside = self._parts.outside
        with ExitStack() as held:
            held.enter_context(outside.redactor.holding(*outside.credentials.get(target.credential_ref).secrets()))
            async with outside.sessions.open(target) as opened:
                yield opened.shell


def _failure(push: Push) -> str:
    """Why a push that has ended did not give what was wanted; empty when it did, or has not ended."""
    if push.ended_at is None or push.phase is Phase.CONFIRMED or push.reason == NOTHING_TO_CHANGE:
        return ""
    return f"push {push.phase.value}: {push.reason or push.code or 'no reason is known'}"


def _once_more(push: Push) -> bool:
    """A push that a dying process has left behind, or that was prepared for what the box no longer runs, was no
    attempt that says anything of the box."""
    if push.ended_at is None or push.withdrawn_by is not None or push.phase is Phase.CONFIRMED:
        return False
    interrupted = push.phase is Phase.REVERTED and (push.reason or "").startswith(_INTERRUPTED)
    stale = push.phase is Phase.WITHDRAWN and push.code == "refused"
    return (interrupted or stale) and not (push.key or "").endswith(":again")
