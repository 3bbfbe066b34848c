"""What is the matter with a line, fused from all that was seen of it: evidence -> `Memory` -> `Verdict` (§3.8).

Who speaks against the fixed line, and what it takes until that is believed:

=====================================  ===============================================================================
probes (ICMP, TCP)                     ``misses`` in a row; more on a line that loses single probes anyway (`needed`)
BFD at the edge                        at once: the edge has counted already. Refuted by an answer since; on a line that
                                       loses single probes it needs a second witness or ``trap_confirm``
linkDown, a poll, the box over a       with a second witness at once, alone after ``trap_confirm``; refuted by an answer
session                                since. What the agent said later, by its own count, overrules it
BGP at the edge                        as a second witness only, but for lines that nobody probes
loss over a minute                     ``down_loss``: a line that loses every second packet is as good as down
=====================================  ===============================================================================

BFD that is up, told after the probes began to fail, refutes them: it is our own way that is cut (management only). What
brings a line up again: ``recover`` answers in a row, ten times as many after a brown-out.

A line that is down, is it the line or the box? In this order:

1. The mobile way answers, and has done so since the loss began: line down.
2. It fell silent together with the fixed one (within `together`): CPE dead, unless the box has given a sign of life
   since. It fell silent long before or long after: it says nothing of the box; line down, with a dead mobile way.
3. It has not been heard since, either way: there is a suspicion only, for ``witness_within`` at most; then what was
   heard last counts, and silence of all sorts is believed to be what the customer feels: line down.
4. No mobile way is asked at all: a dying gasp says dead; else line down, as that is what the customer feels.

The management address, which both ways reach, answering while all else is silent and neither the edge nor the box says
that the line is down: the customer's traffic most likely flows, and the line is called degraded.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, log
from typing import Final

from cpe_manager.domain.failover.line_memory import DYING_GASP, SLOT, SLOTS, Memory, Probes, observe, stale_after
from cpe_manager.domain.failover.lines import Condition, FailoverPolicy, Verdict

__all__ = ["DYING_GASP", "Memory", "needed", "observe", "stale_after", "together", "verdict"]

_CALM: Final = 0.006
_RESTLESS: Final = 0.03
_STORMY: Final = 0.1
"""Shares of answered probes that are followed by one that is not."""
_CHANCE: Final = log(1e-8)
"""How improbable a run of single losses has to be before it is taken for an outage."""
_LEAST_LOST: Final = 3
_LEAST_SENT: Final = 10
_LEAST_BROWN: Final = 20
_STEP_BACK: Final = 5.0
_BOOT_AT_LEAST: Final = 20.0
"""No box starts in less: a silence that was shorter was not a restart."""
_EPSILON: Final = 1e-6


def needed(unrest: float, policy: FailoverPolicy) -> int:
    """Probes in a row that have to fail. On a line that loses single ones now and then, so many that chance would not
    do it (1 in 10^8 for each run), at most four times ``misses``."""
    if unrest < _CALM:
        return policy.misses
    return max(policy.misses, min(4 * policy.misses, ceil(_CHANCE / log(min(unrest, 0.9)))))


def together(policy: FailoverPolicy) -> float:
    """Seconds within which two ways that fall silent did so for one reason."""
    return max(10.0, 2 * policy.misses * policy.probe_every)


@dataclass(slots=True)
class _Case:
    """What speaks against the fixed line: ``down`` since when, or a suspicion until it is looked at again."""

    down: bool = False
    since: float = 0.0
    suspicion: bool = False
    again: float = inf
    brown: bool = False
    edge: bool = False
    """The edge or the box itself says so, not only that nothing answers."""
    refuted: bool = False
    """By BFD, which sees the box over the very line whose probes fail."""
    wait_until: float | None = None


def verdict(memory: Memory, now: float, policy: FailoverPolicy) -> Verdict:
    """What the line is in at ``now``. Asked again at the same time it says the same.

    A clock that was set back by more than a few seconds makes all that was seen unusable: it begins anew, unknown."""
    if now < memory.newest - _STEP_BACK:
        memory.clear()
    stale = stale_after(policy)
    fresh = _newest_word(memory)
    case = _Case()
    if now - fresh > stale:
        memory.up_since, memory.down, memory.dead, memory.degraded = None, False, False, False
        return _said(memory, Condition.UNKNOWN, now, policy, case, _unknown(now, fresh))
    if memory.down and _up_again(memory, now, policy):
        _rise(memory, now)
    if memory.down:
        case.down, case.since = True, memory.down_since
    else:
        _against(memory, case, now, policy)
    condition = _judged(memory, case, now, policy)
    case.again = min(case.again, fresh + stale + _EPSILON, inf if case.wait_until is None else case.wait_until)
    return _said(memory, condition, now, policy, case, _reasons(memory, case, now, policy))


def _judged(memory: Memory, case: _Case, now: float, policy: FailoverPolicy) -> Condition:
    if not case.down:
        return _shades(memory, case, now, policy)
    guess, wait = _line_or_box(memory, case, now, policy)
    if guess is None:
        case.down, case.suspicion, case.again = False, True, min(case.again, wait)
        return _shades(memory, case, now, policy)
    if guess is Condition.DEGRADED:
        case.down, case.suspicion = False, True
        return guess
    if not memory.down:
        memory.down, memory.down_since, memory.brown, memory.relapses = True, case.since, case.brown, 0
    case.suspicion, case.again = False, inf
    case.wait_until = _training(memory, guess, now, policy)
    return guess


def _newest_word(memory: Memory) -> float:
    """When anything was told of the fixed line last."""
    fresh = memory.fixed.last
    for word in (memory.bfd, memory.port, memory.bgp):
        if word.ok is not None and word.seen > fresh:
            fresh = word.seen
    return fresh


def _against(memory: Memory, case: _Case, now: float, policy: FailoverPolicy) -> None:
    """What speaks against a line that was not down."""
    probes, bfd = memory.fixed, memory.bfd
    limit = now - stale_after(policy)
    asked = probes.last >= limit
    failing = asked and probes.bad > 0
    if bfd.ok is False and bfd.seen >= limit and probes.last_ok <= bfd.at:
        second = memory.unrest < _RESTLESS or (failing and probes.last > bfd.at)
        _charge(case, bfd.at - policy.bfd_detect, now, bfd.at if second else _alone(bfd.at, policy, asked=asked))
        case.edge = True
    if not case.down and failing:
        _by_probes(memory, case, now, policy)
    port = memory.port
    if not case.down and port.ok is False and port.seen >= limit and probes.last_ok <= port.at:
        _by_port(memory, case, now, policy, failing=failing)
    bgp = memory.bgp
    if not case.down and bgp.ok is False and bgp.seen >= limit and probes.last_ok <= bgp.at:
        if failing:
            _charge(case, min(bgp.at, probes.first_bad), now, now)
        elif not asked and bfd.ok is None and port.ok is not True:
            _charge(case, bgp.at, now, bgp.at + policy.trap_confirm)
        case.edge = True
    # A session that stands at the edge would not, on a line that loses every second packet.
    stands = bfd.ok and now - bfd.at > SLOT
    if not case.down and not stands and _share(memory, _LEAST_BROWN) >= policy.down_loss:
        case.down, case.brown, case.since = True, True, now - SLOT * SLOTS / 2


def _by_probes(memory: Memory, case: _Case, now: float, policy: FailoverPolicy) -> None:
    probes, bfd = memory.fixed, memory.bfd
    enough = needed(memory.unrest, policy)
    if bfd.ok and bfd.seen >= probes.first_bad + 3 * policy.bfd_detect:
        case.refuted = probes.bad >= enough
    elif probes.bad >= enough:
        # BFD that said up before the loss gets time to say what it sees now.
        _charge(case, probes.first_bad, now, probes.first_bad + policy.witness_within if bfd.ok else now)
    elif probes.bad >= max(min(2, policy.misses), ceil(enough / 2)):
        case.suspicion = True


def _by_port(memory: Memory, case: _Case, now: float, policy: FailoverPolicy, *, failing: bool) -> None:
    probes, bfd, port, bgp = memory.fixed, memory.bfd, memory.port, memory.bgp
    if bfd.ok and bfd.seen >= port.at + 3 * policy.bfd_detect:
        return
    case.edge = True
    if (failing and probes.last > port.at) or (bgp.ok is False and bgp.seen >= port.at):
        _charge(case, min(port.at, probes.first_bad) if failing else port.at, now, now)
    else:
        asked = now - probes.last <= stale_after(policy)
        _charge(case, port.at, now, _alone(port.at, policy, asked=asked))


def _alone(at: float, policy: FailoverPolicy, *, asked: bool) -> float:
    """When a word is believed without a second witness: probes, if there are any, get the time to refute it."""
    return at + max(policy.trap_confirm, 1.5 * policy.probe_every if asked else 0.0)


def _charge(case: _Case, since: float, now: float, until: float) -> None:
    if now >= until:
        case.down, case.since = True, since
    else:
        case.suspicion, case.again = True, min(case.again, until)


def _share(memory: Memory, least: int) -> float:
    """Share lost over the last minute; 0 while too few were sent to tell."""
    sent = sum(memory.sent)
    return sum(memory.lost) / sent if sent >= least else 0.0


def _up_again(memory: Memory, now: float, policy: FailoverPolicy) -> bool:
    probes, bfd = memory.fixed, memory.bfd
    enough = _answers_needed(memory, policy)
    if probes.good >= enough:
        return True
    standing = max(enough * policy.probe_every, policy.bfd_detect)
    if bfd.ok and bfd.at > memory.down_since and min(now, bfd.seen) >= bfd.at + standing:
        # The edge sees the box over the line; if our probes do not, it is our own way that is cut.
        return True
    if probes.last == -inf and bfd.ok is None:
        port, bgp = memory.port, memory.bgp
        back = port if port.ok is not None else bgp
        return bool(back.ok) and now >= back.at + max(policy.trap_confirm, standing)
    return False


def _answers_needed(memory: Memory, policy: FailoverPolicy) -> int:
    return policy.recover * (10 if memory.brown or memory.unrest > _STORMY else 1)


def _rise(memory: Memory, now: float) -> None:
    # The outage has been told as such: loss over a minute begins after it.
    memory.forget_losses()
    probes = memory.fixed
    memory.down = memory.brown = memory.dead = memory.degraded = False
    memory.up_since = probes.first_good if probes.good else now
    memory.revived = -inf
    memory.gasp = -inf


def _line_or_box(memory: Memory, case: _Case, now: float, policy: FailoverPolicy) -> tuple[Condition | None, float]:
    """Line down, CPE dead, or (None) not to be told before a time. See the module."""
    mobile = memory.mobile
    since = case.since
    asked = now - mobile.last <= stale_after(policy)
    box_lives = memory.box.last_ok > since and memory.box.bad == 0 and not case.edge and not memory.down
    if asked and mobile.last_ok > since and mobile.bad < policy.misses:
        return Condition.LINE_DOWN, inf
    life = max(memory.alive, memory.box.last_ok, mobile.last_ok)
    if asked and mobile.bad:
        silent = mobile.bad >= policy.misses or now >= since + policy.witness_within
        if not silent and not memory.down:
            return None, since + policy.witness_within
        if abs(mobile.first_bad - since) <= together(policy) and life <= max(since, mobile.first_bad) + 1.0:
            return Condition.CPE_DEAD, inf
        return (Condition.DEGRADED if box_lives else Condition.LINE_DOWN), inf
    if asked and not memory.down and now < since + policy.witness_within:
        return None, since + policy.witness_within
    if memory.gasp > -inf and life <= memory.gasp + 1.0 and memory.gasp >= since - together(policy):
        return Condition.CPE_DEAD, inf
    return (Condition.DEGRADED if box_lives else Condition.LINE_DOWN), inf


def _training(memory: Memory, guess: Condition, now: float, policy: FailoverPolicy) -> float | None:
    """Until when nothing is moved: the box has only just started and its line was silent before that, or the line may
    be about to come back."""
    if guess is Condition.CPE_DEAD:
        if not memory.dead:
            memory.dead, memory.dead_since = True, memory.down_since
        return None
    if memory.dead:
        memory.dead = False
        if now - memory.dead_since >= _BOOT_AT_LEAST:
            memory.revived = now
    until = _time_to_train(memory, policy)
    fixed, mobile = memory.fixed, memory.mobile
    if memory.down_since < mobile.first_good and mobile.good:
        # Both had been silent: the fixed line is asked as often as it takes, from when the other answers again.
        until = max(until, mobile.first_good + (policy.misses + 1) * policy.probe_every)
    if fixed.good and fixed.first_good > memory.down_since:
        until = max(until, fixed.first_good + (_answers_needed(memory, policy) + 1) * policy.probe_every)
    return until if now < until else None


def _time_to_train(memory: Memory, policy: FailoverPolicy) -> float:
    began = max(memory.revived, memory.restarted if memory.restarted > memory.down_since else -inf)
    told = memory.agent
    if told.polled and told.boot_seen >= began and told.boot < memory.down_since - 1.0:
        return -inf  # it has run on: it was only out of reach
    return began + policy.restart_grace


def _shades(memory: Memory, case: _Case, now: float, policy: FailoverPolicy) -> Condition:
    """A line that is not down: degraded, out of our reach only, or up; unknown while nothing has spoken for it yet."""
    words = (memory.bfd.ok, memory.port.ok, memory.bgp.ok)
    if memory.up_since is None and memory.fixed.last_ok == -inf and True not in words:
        return Condition.UNKNOWN
    if memory.up_since is None:
        memory.up_since = memory.fixed.first_good if memory.fixed.good else now
    if case.refuted:
        # What was lost was lost on our own way.
        memory.forget_losses()
        return Condition.MANAGEMENT_ONLY
    share = 0.0 if sum(memory.lost) < _LEAST_LOST else _share(memory, _LEAST_SENT)
    worst = max(share, memory.errors)
    if worst >= policy.degraded_loss:
        if not memory.degraded:
            memory.degraded, memory.degraded_since = True, now
    elif memory.degraded and worst < policy.degraded_loss / 2:
        memory.degraded, memory.up_since = False, now
    if memory.degraded:
        return Condition.DEGRADED
    box = memory.box
    if box.heard and box.bad >= policy.misses:
        return Condition.MANAGEMENT_ONLY
    return Condition.UP


def _said(
    memory: Memory, condition: Condition, now: float, policy: FailoverPolicy, case: _Case, reasons: tuple[str, ...]
) -> Verdict:
    if condition is not memory.condition:
        memory.condition, memory.since = condition, now
    since = memory.since
    if condition is Condition.UP and memory.up_since is not None:
        since = memory.up_since
    elif memory.down:
        since = memory.down_since
    mobile_ok, mobile_since = _mobile(memory, now, policy)
    told = now - memory.carries_at <= stale_after(policy)
    return Verdict(
        condition,
        since,
        reasons,
        suspicion=case.suspicion,
        mobile_ok=mobile_ok,
        look_again=None if case.again == inf else max(case.again, now),
        mobile_since=mobile_since,
        carries=memory.carries if told else None,
        carries_at=memory.carries_at if told else None,
        wait_until=case.wait_until,
    )


def _mobile(memory: Memory, now: float, policy: FailoverPolicy) -> tuple[bool | None, float | None]:
    mobile, radio = memory.mobile, memory.radio
    stale = stale_after(policy)
    if now - mobile.last <= stale:
        if mobile.bad >= policy.misses:
            return False, mobile.first_bad
        if mobile.last_ok > -inf:
            return True, mobile.first_good
        return None, None
    if radio.ok is not None and now - radio.seen <= stale:
        return radio.ok, radio.at
    return None, None


def _unknown(now: float, fresh: float) -> tuple[str, ...]:
    if fresh == -inf:
        return ("nothing has been seen of the fixed line yet",)
    return (f"nothing was seen of the fixed line for {now - fresh:.0f} s: nobody looks at it, or nobody can",)


def _reasons(memory: Memory, case: _Case, now: float, policy: FailoverPolicy) -> tuple[str, ...]:
    fixed, mobile = memory.fixed, memory.mobile
    if fixed.good and not mobile.bad and not memory.box.bad and not (memory.down or memory.degraded or case.suspicion):
        # Nearly all lines nearly always: no ages, which would cost more than the verdict.
        answers = f"fixed line: answers, {fixed.good} in a row"
        return (answers, f"mobile: answers, {mobile.good} in a row") if mobile.good else (answers,)
    found = [_answers("fixed line", memory.fixed, now)]
    if case.brown or memory.brown:
        found.append(f"brown-out: {100 * _share(memory, 1):.0f} % of probes lost over a minute")
    elif memory.degraded:
        found.append(f"{100 * max(_share(memory, 1), memory.errors):.0f} % lost or with errors over a minute")
    if memory.unrest >= _CALM and memory.fixed.bad and not case.down:
        found.append(f"it loses single probes now and then: {needed(memory.unrest, policy)} in a row are needed")
    for name, word in (("BFD at the edge", memory.bfd), ("BGP at the edge", memory.bgp)):
        if word.ok is not None:
            found.append(f"{name}: {'up' if word.ok else 'down'} for {now - word.at:.1f} s")
    if memory.port.ok is not None:
        said = "up" if memory.port.ok else "down"
        found.append(f"the box says by {memory.port_by} that its port is {said}, for {now - memory.port.at:.1f} s")
    if case.refuted:
        found.append("BFD sees the box over the line all the same: it is our own way that is cut")
    found.append(_answers("mobile", memory.mobile, now))
    if memory.box.last > -inf and (memory.box.bad or case.down or case.suspicion):
        found.append(_answers("management", memory.box, now))
    if memory.gasp > -inf and now - memory.gasp < stale_after(policy):
        found.append(f"dying gasp {now - memory.gasp:.1f} s ago: the box has lost its power")
    if case.wait_until is not None:
        found.append(f"the box or its line is coming back: it gets {case.wait_until - now:.0f} s more")
    return tuple(found)


def _answers(name: str, probes: Probes, now: float) -> str:
    if probes.last == -inf:
        return f"{name}: nobody has asked"
    if not probes.bad:
        return f"{name}: answers, {probes.good} in a row, the last {now - probes.last_ok:.1f} s ago"
    before = "it never answered" if probes.last_ok == -inf else f"the last answer {now - probes.last_ok:.1f} s ago"
    return f"{name}: {probes.bad} in a row unanswered, the first {now - probes.first_bad:.1f} s ago; {before}"
