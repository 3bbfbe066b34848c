"""Takes each change request one decision further, again and again (§5.2.2).

Level-triggered: what a decision needs is read each time, so nothing is lost with a process. What is decided is
``domain.changes.flow``'s; here it is written, always on the revision that it was decided on. A request is said to
execute before its push is asked for, and the push is named by request and round: whoever comes after a crash asks for
the same one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final, Protocol

import structlog

from cpe_manager.domain.changes.flow import (
    LONGEST_PAUSE,
    UNREACHABLE,
    Act,
    Decision,
    Seen,
    decide,
    may_execute,
    pause,
    push_key,
)
from cpe_manager.domain.changes.requests import ChangeRequest, ChangeState
from cpe_manager.domain.changes.telling import ASKED_AGAIN
from cpe_manager.domain.errors import Conflict, CpeManagerError, InputError, NotFound, StoreError
from cpe_manager.domain.push.pushes import Push
from cpe_manager.ports.changes import Turn
from cpe_manager.services.changes.evaluating import Accepted, Evaluating, NotNow, Refusal
from cpe_manager.services.changes.parts import ChangeParts, Execution, Pushing, asked_of, effect_of
from cpe_manager.services.changes.windows import ChangeWindows

log = structlog.get_logger()

BY: Final = "cpe-manager"
BUSY_PAUSE: Final = 0.2
IDLE_PAUSE: Final = 1.0
"""Seconds between looks while there is something to be done, and while there is nothing."""
HELD: Final = timedelta(seconds=180)
"""So long whoever evaluates has a request alone: longer than a session lasts."""
BEGINNING: Final = timedelta(seconds=30)
"""So long whoever said that a request executes has it alone, to ask for its push."""
IN_THE_WAY: Final = timedelta(seconds=30)
"""Until a push that could not be asked for is asked for again."""
TOLD_WITHIN: Final = timedelta(days=7)
"""Whom nobody could tell by then keeps no request open."""
BATCH: Final = 500
CLOSING: Final = 100
"""Closed at a look: nobody waits for that."""
_S: Final = ChangeState


class Everyone(Protocol):
    """Those who are told of what happens."""

    async def mark(self) -> int:
        """Of what has happened up to now."""
        ...

    async def reached(self) -> int | None:
        """Up to which mark everyone was told; None: there is nobody to tell."""
        ...


class ChangeObserver(Protocol):
    """Takes what the metrics show."""

    def turned(self, change: ChangeRequest) -> None: ...

    def began(self, seconds: float) -> None:
        """From the approval of a standard change to its execution."""
        ...

    def standing(self, counts: Mapping[ChangeState, int]) -> None: ...


class Unwatched:
    """``ChangeObserver`` of nobody."""

    def turned(self, change: ChangeRequest) -> None: ...

    def began(self, seconds: float) -> None: ...

    def standing(self, counts: Mapping[ChangeState, int]) -> None: ...


class Hand:
    """What the keeper lets things be done by."""

    def __init__(self, pushing: Pushing, evaluating: Evaluating, windows: ChangeWindows, everyone: Everyone) -> None:
        self.pushing, self.evaluating, self.windows, self.everyone = pushing, evaluating, windows, everyone


class ChangeKeeper:
    """One in every process that works."""

    def __init__(self, parts: ChangeParts, hand: Hand, observer: ChangeObserver | None = None) -> None:
        self._parts, self._store, self._clock = parts, parts.store, parts.clock
        self._hand, self._observer = hand, observer or Unwatched()
        self._busy: set[str] = set()
        self._marks: dict[str, int] = {}

    async def run(self) -> None:
        """Until cancelled. Devices that are slow to answer hold up no other request."""
        await self._warm()
        async with asyncio.TaskGroup() as group:
            while True:
                begun = 0
                try:
                    begun = await self._begin(group)
                    await self._close()
                except StoreError as error:
                    log.error("change.refused_by_store", code=error.code, reason=str(error))
                except Exception:  # a defect must not end the looking for good
                    log.exception("change.defect")
                await self._clock.sleep(BUSY_PAUSE if begun or self._busy else IDLE_PAUSE)

    async def _warm(self) -> None:
        try:
            catalogue = await self._parts.catalogues.current()
            await asyncio.to_thread(self._hand.windows.warm, catalogue, self._clock.now())
        except CpeManagerError as error:  # whoever needs it says so again
            log.warning("change.not_warm", code=error.code, reason=str(error))

    async def look(self) -> int:
        """One decision of each request about which there is one, and wait for what comes of it. How many there were."""
        begun = 0
        now = self._clock.now()
        for change in await self._store.to_evaluate(now, now + HELD, self._parts.rules.at_once):
            begun += 1
            await self._safely(change, self._evaluate)
        for change in await self._store.to_do(now, BATCH):
            begun += 1
            await self._safely(change, self._step)
        return begun + await self._close()

    async def figures(self) -> None:
        """What the metrics show; a chore, as it need not be up to the second."""
        self._observer.standing(await self._store.counts())

    async def _begin(self, group: asyncio.TaskGroup) -> int:
        now, at_once = self._clock.now(), self._parts.rules.at_once
        found: list[tuple[ChangeRequest, Callable[[ChangeRequest], Awaitable[None]]]] = []
        if (free := at_once - len(self._busy)) > 0:
            found += [(change, self._evaluate) for change in await self._store.to_evaluate(now, now + HELD, free)]
        # Approved ones are not kept waiting by those that are only being looked at: a place each of their own.
        room = 2 * at_once - len(self._busy) - len(found)
        for change in await self._store.to_do(now, BATCH) if room > 0 else ():
            if change.id not in self._busy and room > 0:
                found.append((change, self._step))
                room -= 1
        for change, work in found:
            self._busy.add(change.id)
            task = group.create_task(self._safely(change, work), name=f"change {change.ticket}")
            task.add_done_callback(lambda _, done=change.id: self._busy.discard(done))  # type: ignore[misc]
        return len(found)

    async def _safely(self, change: ChangeRequest, work: Callable[[ChangeRequest], Awaitable[None]]) -> None:
        """One that fails holds up no other."""
        try:
            await work(change)
        except Conflict as error:  # somebody was faster; the next look sees what came of it
            log.debug("change.overtaken", ticket=change.ticket, reason=str(error))
        except CpeManagerError as error:
            log.error("change.hindered", ticket=change.ticket, code=error.code, reason=str(error))
            await self._later(change, IN_THE_WAY)
        except Exception:
            log.exception("change.defect", ticket=change.ticket)
            await self._later(change, LONGEST_PAUSE)

    async def _later(self, change: ChangeRequest, wait: timedelta) -> None:
        try:
            await self._store.note(change.id, change.revision, {"look_at": self._clock.now() + wait})
        except CpeManagerError as error:
            log.error("change.refused_by_store", ticket=change.ticket, code=error.code, reason=str(error))

    async def _evaluate(self, change: ChangeRequest) -> None:
        found = await self._hand.evaluating.evaluate(change)
        now = self._clock.now()
        if isinstance(found, NotNow):
            if now - change.submitted_at >= self._parts.rules.approval:
                found = Refusal(f"the device could not be read: {found.reason}", UNREACHABLE)
            else:
                await self._not_now(change, found)
                return
        if isinstance(found, Refusal):
            values: tuple[tuple[str, object], ...] = (("ended_at", now),)
            await self._turn(change, Decision(Act.TURN, _S.REFUSED, found.reason, found.code, values))
        else:
            await self._accept(change, found)

    async def _accept(self, change: ChangeRequest, found: Accepted, reason: str = "", code: str = "") -> None:
        """``reason``: why it is asked again."""
        now = self._clock.now()
        again = change.state is not _S.SUBMITTED
        values = {
            "shown": found.shown,
            "fee": found.fee,
            "standard": found.terms.standard,
            "catalogue_version": found.catalogue_version,
            "approval": None,
            "push_id": None,
            "not_before": None,
            "expires_at": None if change.by_right else now + self._parts.rules.approval,
            "round": change.round + again,
        }
        kind = ASKED_AGAIN if again and not change.by_right else ""
        turn = Turn(
            change.id, change.revision, _S.ACCEPTED, now, BY, reason, code, tuple(values.items()), found.effect, kind
        )
        self._observer.turned(await self._store.turn(turn))
        log.info("change.accepted", ticket=change.ticket, device=change.device, again=again, reason=reason)

    async def _not_now(self, change: ChangeRequest, found: NotNow) -> None:
        wait = pause(change.tries) if found.passing else LONGEST_PAUSE
        values = {"look_at": self._clock.now() + wait, "tries": change.tries + 1, "reason": found.reason}
        await self._store.note(change.id, change.revision, values)
        log.info("change.waits", ticket=change.ticket, device=change.device, reason=found.reason)

    async def _step(self, change: ChangeRequest) -> None:
        await self._do(change, decide(change, await self._seen(change)))

    async def _seen(self, change: ChangeRequest) -> Seen:
        """What has to be known for a decision in this state, and nothing else is looked up."""
        now = self._clock.now()
        state = change.state
        push = await self._push(change) if state in (_S.EXECUTING, _S.STUCK) else None
        if state not in (_S.APPROVED, _S.SCHEDULED) and (state is not _S.EXECUTING or push is not None):
            return Seen(now, push)
        against = None if state is _S.APPROVED else await self._hand.evaluating.against(change)
        refusal = None if against is None else (against.reason, against.code)
        opens = None
        if refusal is None and state is not _S.EXECUTING:
            device = (await self._parts.inventory.device(change.device_id)).device
            catalogue = await self._parts.catalogues.version(change.catalogue_version)
            opens = await self._hand.windows.opens(change, device, catalogue, now)
        return Seen(now, push, refusal, opens)

    async def _push(self, change: ChangeRequest) -> Push | None:
        """The push of this round, noted or (after a crash) not."""
        pushing = self._hand.pushing
        if change.push_id is not None:
            return (await pushing.show(change.push_id)).push
        found = await pushing.asked_before(push_key(change), by=_asker(change))
        if found is not None:
            await self._store.note(change.id, change.revision, {"push_id": found.id, "look_at": None})
        return found

    async def _do(self, change: ChangeRequest, decision: Decision) -> None:
        if decision.act is Act.TURN:
            made = await self._turn(change, decision)
            if made.state is _S.EXECUTING:
                await self._ask_for_push(made)
        elif decision.act is Act.PUSH:
            await self._ask_for_push(change)
        elif decision.act is Act.ASK:
            await self._ask_again(change, decision)

    async def _turn(self, change: ChangeRequest, decision: Decision) -> ChangeRequest:
        assert decision.to is not None
        now, values = self._clock.now(), decision.values
        if decision.to is _S.EXECUTING:
            values = (*values, ("look_at", now + BEGINNING))
        turn = Turn(change.id, change.revision, decision.to, now, BY, decision.reason, decision.code, values)
        made = await self._store.turn(turn)
        self._observer.turned(made)
        if made.state is _S.EXECUTING and made.standard and made.approval is not None and not made.round:
            self._observer.began((now - made.approval.at).total_seconds())
        write = log.error if made.state is _S.STUCK else log.info
        write("change.turned", ticket=made.ticket, device=made.device, state=made.state.value, reason=made.reason)
        return made

    async def _ask_for_push(self, change: ChangeRequest) -> None:
        """Once for each round, however often it is asked."""
        if not may_execute(change) or change.shown is None:
            await self._ask_again(change, Decision(Act.ASK, reason="it was not approved as it is"))
            return
        effect = effect_of(self._parts.seals.open_note(await self._store.effect(change.id)))
        bound = Execution(change.shown.basis, push_key(change), any_time=change.standard or change.by_right)
        try:
            push = await self._hand.pushing.submit(asked_of(change.device_id, effect, bound), by=_asker(change))
        except (InputError, NotFound) as error:
            now = self._clock.now()
            reason = f"nothing was done on the device: {error}"
            await self._turn(change, Decision(Act.TURN, _S.REVERTED, reason, error.code, (("ended_at", now),)))
            return
        except Conflict as error:  # the device is suspended, or an earlier push of somebody else is stuck
            later = {"look_at": self._clock.now() + IN_THE_WAY, "reason": str(error)}
            await self._store.note(change.id, change.revision, later)
            return
        await self._store.note(change.id, change.revision, {"push_id": push.id, "look_at": None})

    async def _ask_again(self, change: ChangeRequest, decision: Decision) -> None:
        """What was approved was approved for another device than this has become."""
        found = await self._hand.evaluating.evaluate(change)
        if isinstance(found, NotNow):
            await self._not_now(change, found)
        elif isinstance(found, Refusal):
            reason = f"{decision.reason}, and it is refused by now: {found.reason}"
            values = (("ended_at", self._clock.now()),)
            await self._turn(change, Decision(Act.TURN, _S.REFUSED, reason, found.code, values))
        else:
            await self._accept(change, found, decision.reason, decision.code)

    async def _close(self) -> int:
        found = await self._store.unclosed(CLOSING)
        if not found:
            self._marks.clear()
            return 0
        mark, reached, now = await self._hand.everyone.mark(), await self._hand.everyone.reached(), self._clock.now()
        closed = 0
        for change in found:
            # Noted after the end was written, so it lies behind it.
            behind = self._marks.setdefault(change.id, mark)
            told = reached is None or reached >= behind or now - (change.ended_at or now) >= TOLD_WITHIN
            decision = decide(change, Seen(now, told=told))
            if decision.act is Act.TURN:
                closed += 1
                self._marks.pop(change.id, None)
                await self._safely(change, self._closing(decision))
        return closed

    def _closing(self, decision: Decision) -> Callable[[ChangeRequest], Awaitable[None]]:
        async def close(change: ChangeRequest) -> None:
            await self._turn(change, decision)

        return close


def _asker(change: ChangeRequest) -> str:
    """Who the push says that it is of; a part of its key, so the same for one request always."""
    return f"change {change.ticket}"
