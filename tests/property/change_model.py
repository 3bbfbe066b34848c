"""A world in which change requests live, small enough for thousands of histories: the service, the keeper and the
decisions are the real ones; the store is the one that the contract suite holds to the database's promises; boxes,
pushes and time are variables. The process may die before and after anything that is written."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from cpe_manager.adapters.holidays import PublicHolidays
from cpe_manager.domain.access.access import Principal, Role
from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.changes.requests import FROM, ChangeRequest, ChangeState
from cpe_manager.domain.errors import CpeManagerError, StoreError
from cpe_manager.domain.fleet.inventory import Device, LifeState
from cpe_manager.ports.changes import Turn
from cpe_manager.services.changes.evaluating import Evaluating
from cpe_manager.services.changes.keeper import ChangeKeeper, Hand
from cpe_manager.services.changes.parts import ChangeParts
from cpe_manager.services.changes.requests import ChangeRequests, NewChange
from cpe_manager.services.changes.windows import ChangeWindows
from tests.fakes.change_parts import (
    TYPES,
    Asked,
    FixedCatalogues,
    HostNameEntries,
    MemorySubscriptions,
    ModelBox,
    ModelPushes,
    NoLines,
    PlainSeals,
    Told,
)
from tests.fakes.change_store import MemoryChangeStore
from tests.fakes.clock import CountingIds, SimulatedClock
from tests.fakes.drivers import FAMILY, FixedDrivers
from tests.fakes.inventory_store import MemoryInventoryStore

T = TypeVar("T")
S = ChangeState
ENDS = ("confirmed", "confirmed", "reverted", "interrupted", "stuck", "stuck-after", "unreachable", "given-up")
SECONDS = (1, 40, 600, 7_200, 60_000, 400_000, 2_700_000)
ANNA = Principal("a", "anna", "user", frozenset({Role.CUSTOMER}), frozenset({"s0"}))
BERT = Principal("b", "bert", "user", frozenset({Role.CUSTOMER}), frozenset({"s0"}))
CARL = Principal("c", "carl", "user", frozenset({Role.CUSTOMER}), frozenset({"s1"}))
DESK = Principal("d", "desk", "user", frozenset({Role.OPERATOR, Role.APPROVER}))
WRITER = Principal("e", "writer", "user", frozenset({Role.APPROVER}))
PEOPLE = (ANNA, BERT, CARL, DESK, WRITER)


class Killed(BaseException):
    """The process is gone."""


def drive(work: Coroutine[Any, Any, T]) -> T:
    """To its end. Nothing here waits for anything, so there is no need of a loop."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something")


class DyingStore(MemoryChangeStore):
    """``killed`` is called before and after everything that is written."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self.away: StoreError | None = None
        """Raised by whatever the keeper begins with."""

    async def create(self, change: ChangeRequest, parameters: SealedObject) -> ChangeRequest:
        self._world.killed()
        made = await super().create(change, parameters)
        self._world.killed()
        return made

    async def turn(self, turn: Turn) -> ChangeRequest:
        self._world.killed()
        before = self.rows[turn.change_id].state
        made = await super().turn(turn)
        self._world.turned(made, before)
        self._world.killed()
        return made

    async def note(self, change_id: str, revision: int, values: Mapping[str, Any]) -> bool:
        self._world.killed()
        done = await super().note(change_id, revision, values)
        self._world.killed()
        return done

    async def to_evaluate(self, now: datetime, until: datetime, limit: int) -> Sequence[ChangeRequest]:
        if self.away is not None:
            raise self.away
        self._world.killed()
        found = await super().to_evaluate(now, until, limit)
        self._world.killed()
        return found


class _Pushes(Mapping[str, Any]):
    """Pushes by id, as they are at the moment."""

    def __init__(self, model: ModelPushes) -> None:
        self._model = model

    def __getitem__(self, push_id: str) -> Any:
        return self._model.asked[push_id].push

    def __iter__(self) -> Any:
        return iter(self._model.asked)

    def __len__(self) -> int:
        return len(self._model.asked)


@dataclass
class World:
    """Two sites with a box each."""

    clock: SimulatedClock = field(default_factory=SimulatedClock)
    writes_left: int | None = None
    approved: set[tuple[str, str]] = field(default_factory=set)
    """(request, digest) that somebody had the right to approve, and did."""
    ended: dict[str, ChangeState] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    """What was seen while the keeper worked: looked at afterwards, since the keeper outlives any defect, these too."""

    def __post_init__(self) -> None:
        self.store = DyingStore(self)
        self.pushes = ModelPushes(self.clock)
        self.pushes.killed, self.pushes.began = self.killed, self.push_began
        self.store.pushes = _Pushes(self.pushes)
        self.subscriptions = MemorySubscriptions()
        self.everyone = Told()
        self.inventory = MemoryInventoryStore()
        self.ids = CountingIds()
        for number in range(2):
            device = Device(
                f"d{number}",
                f"pos{number}",
                f"i{number}",
                f"s{number}",
                f"r{number}",
                "192.0.2.1",
                LifeState.ACTIVE,
                family=FAMILY,
            )
            self.inventory.rows[device.id] = device
            self.pushes.boxes[device.id] = ModelBox()
            self.subscriptions.add(device.site_id, device.site)
        self.parts = ChangeParts(
            self.store, self.inventory, HostNameEntries(), FixedCatalogues(), self.subscriptions,
            self.subscriptions.entitled, PlainSeals(), self.clock, self.ids,
        )  # fmt: skip
        self.windows = ChangeWindows(self.inventory, PublicHolidays())
        self.restart()

    def restart(self) -> None:
        """A new process over the same store."""
        self.writes_left = None
        self.requests = ChangeRequests(self.parts)
        evaluating = Evaluating(self.parts, self.pushes, NoLines(), FixedDrivers())
        self.keeper = ChangeKeeper(self.parts, Hand(self.pushes, evaluating, self.windows, self.everyone))

    def killed(self) -> None:
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left < 0:
                raise Killed

    # What may happen.

    def submit(self, who: Principal, site: int, what: str, name: str, key: str | None) -> None:
        self._told(self.requests.submit(NewChange(what, {"name": name}, site=f"s{site}", key=key), by=who))

    def approve(self, who: Principal, change: ChangeRequest, *, stale: bool = False) -> None:
        shown = change.shown
        digest = "0" * 64 if stale or shown is None else shown.digest
        given = self._told(self.requests.approve(change.id, digest, by=who))
        if given is not None:
            assert shown is not None
            assert not stale
            assert who.id != change.submitted_by_id, "whoever submitted it approved it"
            assert who.sees(change.site), "it is somebody else's site"
            self.approved.add((change.id, digest))

    def look(self, dies_after: int | None = None) -> bool:
        """Whether the process lived."""
        self.writes_left = dies_after
        try:
            drive(self.keeper.look())
        except Killed:
            self.restart()
            return False
        self.writes_left = None
        return True

    def decline(self, who: Principal, change: ChangeRequest) -> None:
        self._told(self.requests.decline(change.id, "no", by=who))

    def withdraw(self, who: Principal, change: ChangeRequest) -> None:
        self._told(self.requests.withdraw(change.id, by=who))

    def tick(self, seconds: int) -> None:
        self.clock.step(timedelta(seconds=seconds))

    @staticmethod
    def _told(work: Coroutine[Any, Any, T]) -> T | None:
        try:
            return drive(work)
        except CpeManagerError:
            return None

    # What must never be.

    def push_began(self, asked: Asked) -> None:
        """Called when a push is made: nothing of this is the commit path's to find out."""
        try:
            self._judge(asked)
        except AssertionError as error:
            self.wrong.append(f"{self._of(asked).ticket}: {error}")

    def _judge(self, asked: Asked) -> None:
        change = self._of(asked)
        assert change.state is S.EXECUTING, f"it is {change.state}"
        assert change.site_id not in self.subscriptions.not_entitled, "it is not entitled"
        assert change.shown is not None
        assert asked.wanted.basis == change.shown.basis, "against another state than was shown"
        effect = self.parts.seals.open_note(drive(self.store.effect(change.id)))
        assert asked.wanted.change is not None
        assert f'"{asked.wanted.change["hostname"]}"' in effect
        by_right = change.by_right and change.type == "wifi-rights"
        assert by_right or (change.id, change.shown.digest) in self.approved, "nobody approved it"
        others = [one for one in self.pushes.open() if one is not asked and one.push.device_id == change.device_id]
        assert not others, "two changes of one device at the same time"
        if not change.standard:
            local = self.clock.now().astimezone(tz=None)
            assert drive(self.windows.opens(change, self.inventory.rows[change.device_id],
                                            self.parts.catalogues.catalogue, local)) <= local  # type: ignore[attr-defined]  # fmt: skip

    def turned(self, change: ChangeRequest, before: ChangeState) -> None:
        if change.state not in FROM[before]:
            self.wrong.append(f"{change.ticket} went from {before} to {change.state}")
        if change.id in self.ended:
            if change.state is not S.CLOSED:
                self.wrong.append(f"{change.ticket} was {self.ended[change.id]}, and is {change.state}")
        elif change.ended_at is not None:
            self.ended[change.id] = change.state

    def check(self) -> None:
        assert not self.wrong, self.wrong
        effects: dict[str, int] = {}
        for asked in self.pushes.asked.values():
            assert asked.effects <= 1
            effects[self._of(asked).id] = effects.get(self._of(asked).id, 0) + asked.effects
        for change in self.store.rows.values():
            done = effects.get(change.id, 0)
            assert done <= 1, "executed twice"
            end = self.ended.get(change.id)
            if end is S.DONE:
                assert done == 1
            elif end is not None:
                assert done == 0, f"it is {end}, and was done"
        numbers = [one.ticket for one in self.store.rows.values()]
        assert numbers == [f"CHG-{number:06}" for number in range(1, len(numbers) + 1)]

    def settle(self) -> None:
        """Everything answers again, and time passes: nothing is left lying."""
        self.everyone.behind = False
        for box in self.pushes.boxes.values():
            box.reachable = True
        for _ in range(400):
            self.look()
            self.pushes.settle()
            for asked in self.pushes.open():
                self.pushes.end(asked, "confirmed")
            if all(one.state in (S.CLOSED, S.ACCEPTED) for one in self.store.rows.values()):
                break
            self.tick(1800)
        left = {one.state for one in self.store.rows.values()}
        assert left <= {S.CLOSED, S.ACCEPTED}, left
        for change in self.store.rows.values():
            assert change.state is S.CLOSED or change.shown is not None
        self.check()

    def _of(self, asked: Asked) -> ChangeRequest:
        assert asked.wanted.key is not None
        return self.store.rows[asked.wanted.key.split(":")[1]]

    def picked(self, number: int, *states: ChangeState) -> ChangeRequest | None:
        rows = [one for one in self.store.rows.values() if not states or one.state in states]
        return rows[number % len(rows)] if rows else None


KINDS = TYPES
