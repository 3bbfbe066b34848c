"""Roll-outs as a service: what is refused beforehand, how far a bad change gets, and what a crash leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.templates.renderer import JinjaTemplates
from cpe_manager.domain.errors import Conflict, InputError, StoreBusy
from cpe_manager.domain.fleet.import_rules import ImportErrors
from cpe_manager.domain.fleet.inventory import Group, LifeState
from cpe_manager.domain.jobs import JobState, Outcome
from cpe_manager.domain.push.checks import Check
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.pushes import Order, PushKind
from cpe_manager.domain.rollout.rollouts import Amount, DeviceEnd, Rollout, RolloutState
from cpe_manager.ports.engine import Ticket
from cpe_manager.ports.pushes import Ended
from cpe_manager.ports.stores import InventoryChanges
from cpe_manager.services.rollout.rollout_keeper import RolloutKeeper
from cpe_manager.services.rollout.rollout_orders import Content, RolloutOrders, Selection, TemplateText
from cpe_manager.services.rollout.rollouts import Pace, RolloutAsked, Rollouts
from tests.contract.stores.making import a_device, add, ended
from tests.fakes.clock import CountingIds, SimulatedClock
from tests.fakes.drivers import FixedDrivers, PlainDriver
from tests.fakes.guarded_box import FAMILY, BoxDriver

EVERYTHING = Selection(everything=True)
DNS = Content(change={"dns": ["9.9.9.9"]})


class Tickets:
    def __init__(self) -> None:
        self.issued: list[Ticket] = []

    async def enqueue(self, tickets: Sequence[Ticket]) -> None:
        self.issued += tickets


@dataclass
class Gauges:
    states: dict[RolloutState, int] = field(default_factory=dict)
    devices: dict[DeviceEnd, int] = field(default_factory=dict)

    def rollouts(self, states: Any, devices: Any) -> None:
        self.states, self.devices = dict(states), dict(devices)


@dataclass
class Bench:
    """A fleet whose pushes end as the test says; nothing is between but the store."""

    database: Database
    clock: SimulatedClock
    ids: CountingIds
    vault: Vault
    gauges: Gauges = field(default_factory=Gauges)
    tickets: Tickets = field(default_factory=Tickets)

    @property
    def rollouts(self) -> Rollouts:
        orders = RolloutOrders(self.database.inventory, FixedDrivers(BoxDriver(), PlainDriver()), JinjaTemplates())
        return Rollouts(self.database.rollouts, orders, self.vault, self.clock, self.ids)

    def keeper(self, store: Any = None) -> RolloutKeeper:
        rollouts, pushes = store or self.database.rollouts, self.database.pushes
        return RolloutKeeper(rollouts, pushes, cast("Any", self.tickets), self.clock, self.ids, self.gauges)

    async def fleet(self, size: int, **more: Any) -> None:
        values: dict[str, Any] = {"family": FAMILY, "credential": "lab"}
        await add(self.database, *(a_device(f"r{number:03}", **(values | more)) for number in range(size)))

    async def begin(self, content: Content = DNS, **pace: Any) -> Rollout:
        return await self.rollouts.create(RolloutAsked("dns", EVERYTHING, content, Pace(**pace)), by="op")

    async def land(self, how: Callable[[str], tuple[Phase, str]] = lambda _name: (Phase.CONFIRMED, "")) -> int:
        """Every push in flight comes to the end that ``how`` gives by the device's name; how many did."""
        landed = 0
        outcomes = {Phase.CONFIRMED: Outcome.CONFIRMED, Phase.REVERTED: Outcome.REVERTED}
        for job in (await self.database.jobs.jobs(state=JobState.OPEN, limit=1000)).items:
            now = self.clock.now()
            claimed = await self.database.jobs.claim(
                job.id, 0, owner="w", now=now, ttl=60, limit=1000, per_access_node=0
            )
            for row in claimed:
                push = (await self.database.pushes.of_row(job.id, row.device.id)).record.push
                phase, code = how(row.device.name)
                await self.database.pushes.end(push, Ended(phase, "so", now, code), row.lease)
                await self.database.jobs.settle([ended(row, outcomes.get(phase, Outcome.WITHDRAWN), at=now)])
                landed += 1
        return landed

    async def state(self, rollout: Rollout) -> RolloutState:
        return (await self.database.rollouts.rollout(rollout.id)).state

    async def counts(self, rollout: Rollout) -> dict[DeviceEnd, int]:
        found = (await self.database.rollouts.rollout(rollout.id)).counts
        return {end: number for end, number in found.items() if number}

    async def order(self, name: str) -> Order:
        device = (await self.database.inventory.device(name)).device
        (push,) = (await self.database.pushes.pushes(device_id=device.id)).items
        return Order.from_text(self.vault.open_note((await self.database.pushes.of_row(push.job_id, device.id)).order))


@pytest.fixture
async def bench(tmp_path: Path, sqlite_url: str) -> AsyncIterator[Bench]:
    clock, ids = SimulatedClock(), CountingIds()
    keys = KeyFile(tmp_path / "keyring.json", ids)
    keys.create(clock.now())
    async with await Database.open(sqlite_url) as database:
        await database.maintenance.migrate()
        yield Bench(database, clock, ids, Vault(keys))


def lines(text: str, **more: Any) -> Content:
    return Content(TemplateText(text, PushKind.LINES), **more)


async def test_canary_then_waves_then_done_with_an_order_for_each_device(bench: Bench) -> None:
    await bench.fleet(6)
    content = lines(
        "set host {{ device.name }}\n! note\nset pin {{ row.pin }}", table={f"r{n:03}": {"pin": n} for n in range(6)}
    )
    rollout = await bench.begin(content, waves=(Amount(2),))
    assert rollout.state is RolloutState.RUNNING
    sizes = []
    for _ in range(4):
        await bench.keeper().look()
        sizes.append(await bench.land())
    assert sizes == [1, 2, 3, 0]
    assert await bench.state(rollout) is RolloutState.DONE
    assert await bench.counts(rollout) == {DeviceEnd.CONFIRMED: 6}
    assert (await bench.order("r004")).lines == ("set host r004", "set pin 4")
    assert len(bench.tickets.issued) == 3
    pushes = (await bench.database.pushes.pushes()).items
    assert {push.key for push in pushes} == {f"rollout:{rollout.id}:{push.device_id}" for push in pushes}
    events = [
        event.message for event in await bench.database.events.after(0, limit=500) if event.kind == "push.requested"
    ]
    assert any(message.startswith("r004: roll-out dns") for message in events)


async def test_a_bad_change_stops_within_the_budget_and_what_was_in_flight(bench: Bench) -> None:
    await bench.fleet(40)
    rollout = await bench.begin(budget=Amount.of("10%"), max_in_flight=5)
    began = 0
    for _ in range(20):
        await bench.keeper().look()
        began += await bench.land(lambda name: (Phase.REVERTED, "no") if int(name[1:]) % 2 else (Phase.CONFIRMED, ""))
    assert await bench.state(rollout) is RolloutState.STOPPED
    counts = await bench.counts(rollout)
    assert 4 < counts[DeviceEnd.FAILED] <= 4 + 5
    assert sum(counts.values()) == 40
    assert began == 40 - counts[DeviceEnd.WAITING]
    kinds = [event.kind for event in await bench.database.events.after(0, limit=5000)]
    assert kinds.count("rollout.stopped") == 1


async def test_a_canary_that_fails_stops_it_at_once(bench: Bench) -> None:
    await bench.fleet(10)
    rollout = await bench.begin(budget=Amount(9))
    await bench.keeper().look()
    await bench.land(lambda _name: (Phase.WITHDRAWN, Check.HOST_KEY))
    await bench.keeper().look()
    await bench.keeper().look()
    assert await bench.state(rollout) is RolloutState.STOPPED
    assert await bench.counts(rollout) == {DeviceEnd.FAILED: 1, DeviceEnd.WAITING: 9}


async def test_what_was_so_already_does_not_count_against_the_budget(bench: Bench) -> None:
    await bench.fleet(5)
    rollout = await bench.begin()
    for _ in range(3):
        await bench.keeper().look()
        await bench.land(lambda _name: (Phase.WITHDRAWN, Check.NOTHING))
    assert await bench.state(rollout) is RolloutState.DONE
    assert await bench.counts(rollout) == {DeviceEnd.UNCHANGED: 5}


async def test_a_soak_is_kept(bench: Bench) -> None:
    await bench.fleet(3)
    await bench.begin(soak_seconds=60)
    await bench.keeper().look()
    assert await bench.land() == 1
    await bench.clock.advance(59)
    await bench.keeper().look()
    assert await bench.land() == 0
    await bench.clock.advance(1)
    await bench.keeper().look()
    assert await bench.land() == 2


async def test_an_access_node_is_not_flooded(bench: Bench) -> None:
    await bench.fleet(10, access_node="n1")
    await bench.begin(canary=0, per_access_node=3)
    for expected in (3, 3, 3, 1):
        for _ in range(3):
            await bench.keeper().look()
        assert await bench.land() == expected


async def test_several_who_look_at_once_do_nothing_twice(bench: Bench) -> None:
    await bench.fleet(12)
    rollout = await bench.begin(canary=0)
    await asyncio.gather(*(bench.keeper().look() for _ in range(5)))
    assert await bench.land() == 12
    assert len((await bench.database.pushes.pushes(limit=100)).items) == 12
    await asyncio.gather(*(bench.keeper().look() for _ in range(5)))
    assert await bench.state(rollout) is RolloutState.DONE


async def test_a_process_that_dies_over_a_decision_leaves_it_to_the_next(bench: Bench) -> None:
    class Dying:
        """Dies before or after its write."""

        def __init__(self, real: Any, *, after: bool) -> None:
            self._real, self._after = real, after

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        async def start(self, *args: Any) -> Any:
            if self._after:
                await self._real.start(*args)
            raise StoreBusy("gone")

    await bench.fleet(3)
    await bench.begin(canary=0)
    for after in (False, True):
        with pytest.raises(StoreBusy):
            await bench.keeper(Dying(bench.database.rollouts, after=after)).look()
    await bench.keeper().look()
    assert len((await bench.database.pushes.pushes()).items) == 3


async def test_paused_goes_on_where_it_was(bench: Bench) -> None:
    await bench.fleet(4)
    rollout = await bench.begin(max_in_flight=2)
    await bench.keeper().look()
    await bench.rollouts.pause(rollout.id, by="op")
    assert await bench.land() == 1
    await bench.keeper().look()
    assert await bench.land() == 0
    with pytest.raises(Conflict, match="paused"):
        await bench.rollouts.pause(rollout.id, by="op")
    await bench.rollouts.resume(rollout.id, by="op")
    await bench.keeper().look()
    assert await bench.land() == 2


@pytest.mark.parametrize("give_up", [False, True])
async def test_cancelled_leaves_what_is_in_flight_or_takes_it_back(bench: Bench, give_up: bool) -> None:
    await bench.fleet(4)
    rollout = await bench.begin(canary=0, max_in_flight=3)
    await bench.keeper().look()
    await bench.rollouts.cancel(rollout.id, by="op", give_up=give_up)
    await bench.keeper().look()
    flying = (await bench.database.pushes.pushes(open_only=True)).items
    assert [push.withdrawn_by is not None for push in flying] == [give_up] * 3
    assert await bench.keeper().look() is False
    with pytest.raises(Conflict, match="cancelled"):
        await bench.rollouts.resume(rollout.id, by="op")


async def test_held_is_begun_by_resume(bench: Bench) -> None:
    await bench.fleet(2)
    rollout = await bench.rollouts.create(RolloutAsked("dns", EVERYTHING, DNS, hold=True), by="op")
    assert rollout.state is RolloutState.PLANNED
    assert await bench.keeper().look() is False
    assert (await bench.rollouts.resume(rollout.id, by="op")).state is RolloutState.RUNNING


async def test_the_same_key_gives_the_same_roll_out_and_completes_one_that_was_cut_off(bench: Bench) -> None:
    await bench.fleet(4)
    asked = RolloutAsked("dns", EVERYTHING, DNS, key="k1")
    first = await bench.rollouts.create(asked, by="op")
    assert (await bench.rollouts.create(asked, by="op")).id == first.id
    assert (await bench.rollouts.create(asked, by="other")).id != first.id
    await bench.database.rollouts.create(replace(first, id="f" * 32, key="op:k2", state=RolloutState.PLANNED))
    again = await bench.rollouts.create(replace(asked, key="k2"), by="op")
    assert (again.id, again.state, again.counts[DeviceEnd.WAITING]) == ("f" * 32, RolloutState.RUNNING, 4)


async def test_the_metrics_are_told(bench: Bench) -> None:
    await bench.fleet(3)
    await bench.begin()
    await bench.keeper().look()
    await bench.keeper().figures()
    assert bench.gauges.states[RolloutState.RUNNING] == 1
    assert (bench.gauges.devices[DeviceEnd.IN_FLIGHT], bench.gauges.devices[DeviceEnd.WAITING]) == (1, 2)


async def test_everything_wrong_is_told_before_anything_is_written(bench: Bench) -> None:
    await bench.fleet(3)
    with pytest.raises(ImportErrors) as refused:
        await bench.begin(lines("set host {{ device.name }}\nset pin {{ row.pin }}", table={"r001": {"pin": 1}}))
    assert [(one.reason, one.line) for one in refused.value.problems] == [
        ("r000: row.pin is not set", 2),
        ("r002: row.pin is not set", 2),
    ]
    assert (await bench.database.rollouts.rollouts()).items == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lines("set x {{ vars.note }}", variables={"note": "{{ device.name }}"}), "marker"),
        (
            lines("set x {{ vars.note }}", variables={"note": "jinja2.exceptions.UndefinedError: 'x' is undefined"}),
            "error",
        ),
        (lines("{% if false %}x{% endif %}"), "nothing is left"),
        (Content(TemplateText("{}", PushKind.CHANGE)), "at least one name"),
        (Content(TemplateText('{"nonsense": 1}', PushKind.CHANGE)), "no nonsense"),
        (Content(TemplateText("x", PushKind.RESTORE)), "lines or to a change"),
        (Content(change={"nonsense": 1}), "no nonsense"),
        (Content(change={}), "names nothing"),
        (Content(), "exactly one"),
        (Content(TemplateText("x", PushKind.LINES), change={"dns": []}), "exactly one"),
    ],
    ids=str,
)
async def test_what_cannot_be_meant_reaches_no_device(bench: Bench, content: Content, words: str) -> None:
    await bench.fleet(2)
    with pytest.raises(InputError, match=words):
        await bench.begin(content)
    assert (await bench.database.rollouts.rollouts()).items == ()


async def test_devices_are_chosen_by_every_condition(bench: Bench) -> None:
    groups = (Group("shops", family=FAMILY, credential="lab"), Group("north", parent="shops"))
    fleet = [
        a_device("a", family=FAMILY, site="s9", access_node="n1"),
        a_device("b", group="north", site="s2"),
        a_device("c", family=FAMILY, state=LifeState.SUSPENDED),
        a_device("d", family="plain"),
    ]
    await add(bench.database, *fleet, groups=groups)

    async def chosen(**where: Any) -> list[str]:
        plan = await bench.rollouts.plan(RolloutAsked("x", Selection(**where), DNS))
        return [device.device for device in plan.devices]

    assert await chosen(group="shops") == ["b"]
    assert await chosen(family=FAMILY) == ["a", "b"]
    assert await chosen(site="s9") == ["a"]
    assert await chosen(access_node="n1") == ["a"]
    assert await chosen(names=("b", "a")) == ["a", "b"]
    for where, words in (
        ({"names": ("a", "zz", "c")}, "no device zz"),
        ({"names": ("c",)}, "suspended"),
        ({"group": "none"}, "no group"),
        ({"site": "none"}, "no active device"),
        ({}, "say which devices"),
        ({"everything": True}, "read only"),
    ):
        with pytest.raises(InputError, match=words):
            await chosen(**where)
    orders = RolloutOrders(bench.database.inventory, FixedDrivers(BoxDriver(), Other()), JinjaTemplates())
    with pytest.raises(InputError, match="one family's language"):
        await orders.prepare(Selection(names=("a", "d")), lines("x"))


class Other(BoxDriver):
    spec = replace(BoxDriver.spec, family="plain")


async def test_a_table_says_which_devices_when_nothing_else_does(bench: Bench) -> None:
    await bench.fleet(5)
    content = lines("set x {{ row.x }}", table={"r003": {"x": 1}, "r001": {"x": 2}})
    plan = await bench.rollouts.plan(RolloutAsked("x", Selection(), content))
    assert [(device.device, device.order) for device in plan.devices] == [("r001", "set x 2\n"), ("r003", "set x 1\n")]


async def test_a_plan_shows_waves_and_no_secret_and_writes_nothing(bench: Bench) -> None:
    await bench.fleet(3)
    table = {f"r{n:03}": {"wifi_psk": f"wifi-secret-{n}", "code": f"code-{n}"} for n in range(3)}
    content = lines(
        "set wifi {{ row.wifi_psk }} {{ vars.snmp.community }} {{ row.code }}",
        table=table, variables={"snmp": {"community": "community-7"}}, secrets=("code",),
    )  # fmt: skip
    asked = RolloutAsked("x", EVERYTHING, content)
    plan = await bench.rollouts.plan(asked)
    assert plan.devices[0].order == "set wifi <secret> <secret> <secret>\n"
    assert [device.wave for device in plan.devices] == [0, 1, 1]
    assert plan.strategy.waves == (1, 2)
    for secret in ("wifi-secret-1", "community-7", "code-1"):
        assert secret not in repr(plan)
        assert secret not in repr(asked)
    change = Content(change={"wan": {"password": "ppp-secret"}, "dns": ["9.9.9.9"]})
    shown = (await bench.rollouts.plan(RolloutAsked("x", EVERYTHING, change))).devices[0].order
    assert "ppp-secret" not in shown
    assert "9.9.9.9" in shown
    assert (await bench.database.rollouts.rollouts()).items == ()


async def test_errors_tell_no_secret(bench: Bench) -> None:
    await bench.fleet(1)
    content = lines("{{ vars[vars.api_token] }}", variables={"api_token": "token-secret-1"})
    with pytest.raises(ImportErrors) as refused:
        await bench.begin(content)
    assert "token-secret-1" not in str(refused.value)


async def test_a_device_suspended_meanwhile_is_skipped(bench: Bench) -> None:
    await bench.fleet(3)
    rollout = await bench.begin(canary=0)
    device = (await bench.database.inventory.device("r001")).device
    gone = replace(device, state=LifeState.SUSPENDED)
    await bench.database.inventory.apply(InventoryChanges(at=bench.clock.now(), update=(gone,)))
    for _ in range(2):
        await bench.keeper().look()
        await bench.land()
    assert await bench.counts(rollout) == {DeviceEnd.CONFIRMED: 2, DeviceEnd.SKIPPED: 1}
    assert await bench.state(rollout) is RolloutState.DONE
