"""Whether a simulated day was decided rightly: judged from what truly happened alone. See `line_world`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from cpe_manager.domain.failover.lines import Act, FailoverPolicy, FailoverState
from tests.support.line_world import Moment, World


def faults(world: World) -> Iterator[str]:
    """All that was decided wrongly in a run, from the truth alone."""
    yield from false_switches(world)
    yield from missed_losses(world)
    yield from early_returns(world)
    yield from unexplained(world)
    count = len(switches(world))
    if world.pattern.switches is not None and not world.pattern.switches[0] <= count <= world.pattern.switches[1]:
        yield f"{count} switches, {world.pattern.switches[0]}-{world.pattern.switches[1]} are right"
    if count > (most := most_switches(world.policy, world.pattern.length)):
        yield f"{count} switches, the policy allows {most}"


def switches(world: World) -> list[float]:
    return [entry.at for entry in world.log if entry.decision.act is Act.SWITCH]


def during(world: World, first: float, last: float) -> list[Moment]:
    """The moments in force at any time within."""
    found = []
    for moment, following in itertools.zip_longest(world.truth, world.truth[1:]):
        if moment.at <= last and (following is None or following.at > first):
            found.append(moment)
    return found


def false_switches(world: World) -> Iterator[str]:
    """A switch without a line that was lost, within the time that it takes to see it, by a box that was alive."""
    for at in switches(world):
        moments = during(world, at - world.pattern.bound, at)
        if at not in world.chance and not any(moment.loss >= 0.3 and moment.booted for moment in moments):
            yield f"false switch at {at:.1f}"


def missed_losses(world: World) -> Iterator[str]:
    """A loss that lasted longer than it takes to see it, with a mobile way that works, and nothing was done."""
    pattern = world.pattern
    ends = [*world.truth[1:], Moment(pattern.length, 0, True, True, 0, False)]
    begun: float | None = None
    for moment, following in zip(world.truth, ends, strict=True):
        hard = moment.loss >= 0.95 and moment.booted and moment.trained and moment.mobile < 0.3 and not moment.own
        if not hard:
            begun = None
            continue
        begun = moment.at if begun is None else begun
        due = begun
        for when in (*pattern.restarts, *(when for when, _ in pattern.steps)):
            if begun - 60.0 <= when <= following.at:
                due = max(due, when)
        if any(not before.booted for before in during(world, begun - pattern.boot - pattern.train, begun)):
            due += world.policy.restart_grace
        due += pattern.bound + 12.0
        if following.at <= due or moment.at > due:
            continue
        if state_at(world, due) not in (FailoverState.SWITCHING, FailoverState.MOBILE):
            yield f"missed loss from {begun:.1f}: {state_at(world, due)} at {due:.1f}"


def state_at(world: World, at: float) -> FailoverState:
    state = FailoverState.FIXED
    for entry in world.log:
        if entry.at > at:
            break
        state = entry.decision.state
    return state


def early_returns(world: World) -> Iterator[str]:
    """A return while the line was not up for as long as its losses want it, though mobile worked."""
    for entry in world.log:
        if entry.decision.act is not Act.RETURN:
            continue
        before = during(world, entry.at - hold_down_of(entry.flaps, world.policy) + world.pattern.bound, entry.at)
        mobile_dead = any(moment.mobile > 0.5 for moment in during(world, entry.at - world.pattern.bound, entry.at))
        if not mobile_dead and any(moment.loss >= 0.95 and moment.at < entry.at for moment in lasting(world, before)):
            yield f"early return at {entry.at:.1f}"


def hold_down_of(losses: tuple[float, ...], policy: FailoverPolicy) -> float:
    """From the last loss backwards: as long as each is soon after the one before, the wait has been growing."""
    growing = 0
    for later, loss in zip(reversed(losses), reversed(losses[:-1]), strict=False):
        # Only those within the memory: a loss within a longer hold-down makes it longer still, which is not needed.
        if later - loss > policy.flap_memory:
            break
        growing += 1
    return min(policy.up_for_most, policy.up_for * policy.flap_factor**growing)


def lasting(world: World, moments: list[Moment]) -> list[Moment]:
    """Without those that were over before anyone could see them, as the policy counts."""
    ends = {moment.at: following.at for moment, following in itertools.pairwise(world.truth)}
    blink = (world.policy.misses + 1) * world.policy.probe_every
    return [moment for moment in moments if ends.get(moment.at, world.pattern.length) - moment.at > blink]


def unexplained(world: World) -> Iterator[str]:
    for entry in world.log:
        if not entry.decision.reasons or not all(entry.decision.reasons):
            yield f"no reasons at {entry.at:.1f}"


def most_switches(policy: FailoverPolicy, length: float) -> int:
    """The most that a line can be switched by the policy in a time, whatever happens to it: after each loss it has to
    be up for the hold-down; peace for longer than ``flap_memory`` and the hold-down begins anew."""
    wait, growing, spent = policy.up_for, 0, 0.0
    while spent < length:
        spent += wait
        growing += 1
        wait = min(policy.up_for_most, wait * policy.flap_factor)
    # Never shorter than these two: grow at once and stay there, or wait each time until it is forgotten.
    return max(growing, int(length / max(policy.flap_memory, policy.up_for)) + 1) + 2
