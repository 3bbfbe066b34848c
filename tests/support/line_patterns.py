"""The corpus: days in the life of a line, in named families, each drawn from a seed. See `line_world`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from cpe_manager.domain.failover.failover_policy import policy_of
from cpe_manager.domain.failover.lines import FailoverPolicy
from tests.support.line_world import DAY, Pattern, Traps

HOUR = 3600.0
MINUTE = 60.0
PLAIN = FailoverPolicy()
QUICK = policy_of({"probe_every": 0.2})
SLOW = policy_of({"probe_every": 10.0, "poll_every": 15.0})
Changes = tuple[tuple[float, str, float], ...]


def patterns() -> Iterator[Pattern]:
    for family, (count, draw) in FAMILIES.items():
        for number in range(count):
            seed = 1000 * (list(FAMILIES).index(family) + 1) + number
            yield replace(draw(Random(seed), number), name=f"{family}-{number:02d}", seed=seed)


def loss(what: str, first: float, length: float) -> Changes:
    """Carrier or silent loss, whole."""
    if what == "carrier":
        return (first, "carrier", 0.0), (first + length, "carrier", 1.0)
    return (first, "fixed", 1.0), (first + length, "fixed", 0.0)


def times(random: Random, count: int, apart: float, first: float = HOUR, last: float = DAY - 4 * HOUR) -> list[float]:
    """Moments at least so far apart, with an hour of peace before and four after."""
    spare = (last - first - apart * count) / count
    at, found = first, []
    for _ in range(count):
        at += random.uniform(0.0, spare)
        found.append(at)
        at += apart
    return found


def single(random: Random, number: int, what: str) -> Pattern:
    length = [8, 15, 20, 45, 90, 180, 300, 600, 1800, 3600, 7200, 14400][number % 12]
    (first,) = times(random, 1, length)
    wanted = (0, 1) if length < 20 else (1, 1)
    return Pattern("", loss(what, first, length), bfd=number >= 12, switches=wanted)


def single_carrier(random: Random, number: int) -> Pattern:
    return single(random, number, "carrier")


def single_silent(random: Random, number: int) -> Pattern:
    return single(random, number, "silent")


def several(random: Random, number: int) -> Pattern:
    """Some losses a day, hours apart."""
    count = 2 + number % 4
    changes: Changes = ()
    for first in times(random, count, 2.5 * HOUR):
        changes += loss(random.choice(("carrier", "silent")), first, random.uniform(30.0, 1500.0))
    return Pattern("", changes, bfd=number % 3 == 0, switches=(count, count))


def blinks(random: Random, number: int) -> Pattern:
    """Bursts of losses that are over before three probes in a row can fail: nothing to be moved."""
    changes: Changes = ()
    for first in times(random, 4, HOUR):
        at = first
        for _ in range(random.randint(3, 25)):
            length = random.uniform(0.2, 1.4)
            changes += loss("silent", at, length)
            at += length + random.uniform(4.0, 40.0)
    return Pattern("", changes, switches=(0, 0))


def bursts(random: Random, number: int) -> Pattern:
    """Losses of some ten seconds in a row: one switch for all of a burst."""
    changes: Changes = ()
    count = 1 + number % 3
    for first in times(random, count, 5 * HOUR):
        at = first
        for _ in range(random.randint(2, 8)):
            length = random.uniform(20.0, 60.0)
            changes += loss(random.choice(("carrier", "silent")), at, length)
            at += length + random.uniform(10.0, 120.0)
    return Pattern("", changes, switches=(count, count))


def brown_out(random: Random, number: int) -> Pattern:
    """So much lost that the line is of no use."""
    (first,) = times(random, 1, 2 * HOUR)
    share = (0.55, 0.6, 0.7, 0.8, 0.9, 0.95)[number % 6]
    length = random.uniform(5, 40) * MINUTE
    return Pattern("", ((first, "fixed", share), (first + length, "fixed", 0.0)), switches=(1, 2))


def drizzle(random: Random, number: int) -> Pattern:
    """Single packets lost for an hour and more: worse than it should be, but nothing to be moved for."""
    share = (0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.18)[number % 10]
    (first,) = times(random, 1, 3 * HOUR)
    length = random.uniform(1.0, 2.0) * HOUR
    return Pattern("", ((first, "fixed", share), (first + length, "fixed", 0.0)), switches=(0, 0))


def drizzle_then_loss(random: Random, number: int) -> Pattern:
    """A real loss on a line that loses single packets is still seen, if a little later."""
    share = (0.01, 0.03, 0.05, 0.1)[number % 4]
    (first,) = times(random, 1, 3 * HOUR)
    at = first + 20 * MINUTE
    changes = ((first, "fixed", share), (at, "fixed", 1.0), (at + 600, "fixed", share), (at + 2400, "fixed", 0.0))
    # Before anyone can know that it loses single packets, chance may make three in a row, which is a loss by policy.
    return Pattern("", changes, switches=(1, 2))


def asymmetric(random: Random, number: int) -> Pattern:
    """Packets vanish one way only, all of them or a share; the port stays up, and the agent says so."""
    share = (1.0, 1.0, 0.7, 0.12)[number % 4]
    (first,) = times(random, 1, 2 * HOUR)
    length = random.uniform(3, 50) * MINUTE
    wanted = (0, 0) if share < 0.3 else (1, 2) if share < 1 else (1, 1)
    return Pattern(
        "",
        ((first, "fixed", share), (first + length, "fixed", 0.0)),
        bfd=number % 2 == 1 and share == 1,
        switches=wanted,
    )


def node_outage(random: Random, number: int) -> Pattern:
    (first,) = times(random, 1, 3 * HOUR)
    return Pattern(
        "",
        loss(random.choice(("carrier", "silent")), first, random.uniform(2, 150) * MINUTE),
        node=True,
        switches=(1, 1),
    )


def power_cut(random: Random, number: int) -> Pattern:
    """The box is without power; with it back it boots, the mobile way comes first, the line trains."""
    changes: Changes = ()
    for first in times(random, 1 + number % 3, 4 * HOUR):
        changes += ((first, "power", 0.0), (first + random.uniform(20.0, 2 * HOUR), "power", 1.0))
    return Pattern(
        "", changes, boot=random.uniform(25, 120), train=random.uniform(20, 100), bfd=number % 4 == 3, switches=(0, 0)
    )


def power_cut_without_line(random: Random, number: int) -> Pattern:
    """The power comes back, the line does not: mobile carries once the line has had its time to train."""
    (first,) = times(random, 1, 4 * HOUR)
    back = first + random.uniform(60, 1800)
    changes = ((first, "power", 0.0), (first + 1, "fixed", 1.0), (back, "power", 1.0), (back + 3000, "fixed", 0.0))
    policy = policy_of({"restart_grace": 90.0})
    # The box may be seen alive only when its mobile way is there.
    return Pattern("", changes, policy=policy, boot=30.0, train=40.0, switches=(1, 1))


def with_traps(traps: Traps) -> Callable[[Random, int], Pattern]:
    def draw(random: Random, number: int) -> Pattern:
        count = 1 + number % 4
        changes: Changes = ()
        for first in times(random, count, 2.5 * HOUR):
            changes += loss("carrier", first, random.uniform(20.0, 1500.0))
        return Pattern("", changes, traps=traps, switches=(count, count))

    return draw


def late_traps(random: Random, number: int) -> Pattern:
    """They come when all is over, and say "down" of a line that is up."""
    late = (10.0, 30.0, 120.0, 600.0)[number % 4]
    count = 1 + number % 3
    changes: Changes = ()
    for first in times(random, count, 2.5 * HOUR):
        changes += loss("carrier", first, random.uniform(20.0, 300.0))
    return Pattern("", changes, traps=Traps(delay=(late / 2, late)), switches=(count, count))


def false_traps(random: Random, number: int) -> Pattern:
    """The port blinks for less than a second, and the traps of it come in every order, some of them never."""
    changes: Changes = ()
    for first in times(random, 12, 0.5 * HOUR):
        changes += loss("carrier", first, random.uniform(0.05, 0.6))
    return Pattern("", changes, traps=Traps(lost=0.3, twice=0.3, delay=(0.02, 20.0)), switches=(0, 0))


def flaps(random: Random, number: int) -> Pattern:
    """A line that goes with a period, for hours: the hold-down grows until it stays on mobile."""
    period = (15, 30, 60, 120, 240, 330, 420, 600, 900, 1500, 2400, 3300, 3900, 5400, 7200)[number % 15]
    length = min(period / 2, random.uniform(20.0, 90.0))
    until = min(DAY - 2 * HOUR, HOUR + max(60, random.randint(30, 60)) * period)
    if period < 240:
        until = 2 * HOUR
    changes: Changes = ()
    at = HOUR
    while at < until:
        changes += loss(("carrier", "silent")[number % 2], at, length)
        at += period * random.uniform(0.97, 1.03)
    return Pattern("", changes)


def own_way_cut(random: Random, number: int) -> Pattern:
    """Only we are cut off: nothing of it is the customer's, so nothing is moved."""
    what = ("management", "own")[number % 2]
    changes: Changes = ()
    for first in times(random, 1 + number % 3, 4 * HOUR):
        changes += ((first, what, 1.0), (first + random.uniform(30, 3 * HOUR), what, 0.0))
    return Pattern("", changes, bfd=number % 4 == 3, switches=(0, 0))


def mobile_dead(random: Random, number: int) -> Pattern:
    """The mobile way was dead before, so nothing can be moved; or it dies while it carries."""
    (first,) = times(random, 1, 5 * HOUR)
    if number % 3 == 0:
        changes = ((first - 1800, "mobile", 1.0), *loss("silent", first, 1800), (first + 4000, "mobile", 0.0))
        return Pattern("", changes, switches=(0, 0))
    if number % 3 == 1:
        changes = (*loss("carrier", first, 3600), (first + 900, "mobile", 1.0), (first + 2400, "mobile", 0.0))
        return Pattern("", tuple(sorted(changes)), switches=(1, 1))
    # The fixed line is up again when mobile dies: back at once.
    changes = (*loss("carrier", first, 900), (first + 1000, "mobile", 1.0), (first + 6000, "mobile", 0.0))
    return Pattern("", tuple(sorted(changes)), switches=(1, 1))


def mobile_fades(random: Random, number: int) -> Pattern:
    """Seconds of silence over mobile, also in the moment of the loss."""
    changes: list[tuple[float, str, float]] = []
    for at in times(random, 20, 600.0):
        changes += [(at, "mobile", 1.0), (at + random.uniform(1.0, 9.0), "mobile", 0.0)]
    (first,) = times(random, 1, HOUR)
    changes += [
        *loss("silent", first, 1200),
        (first - 1.0, "mobile", 1.0),
        (first + random.uniform(2.0, 8.0), "mobile", 0.0),
    ]
    return Pattern("", tuple(sorted(changes)), switches=(1, 1))


def slow_snmp(random: Random, number: int) -> Pattern:
    """Agents that take seconds to answer, or too long."""
    count = 1 + number % 3
    changes: Changes = ()
    for first in times(random, count, 3 * HOUR):
        changes += loss(random.choice(("carrier", "silent")), first, random.uniform(30, 1200))
    return Pattern("", changes, answer=((1.0, 4.5), (3.0, 12.0), (5.5, 20.0))[number % 3], switches=(count, count))


def quiet_probing(random: Random, number: int) -> Pattern:
    """Probes every 10 s, the mobile way asked every 30 s but for a suspicion."""
    count = 1 + number % 3
    changes: Changes = ()
    for first in times(random, count, 3 * HOUR):
        changes += loss(random.choice(("carrier", "silent")), first, random.uniform(200, 1800))
    return Pattern("", changes, policy=SLOW, mobile_every=3.0, quiet=10.0, switches=(count, count))


def quick_probing(random: Random, number: int) -> Pattern:
    """Five probes a second, for lines whose outage has to stay below one."""
    count = 1 + number % 2
    changes: Changes = ()
    for first in times(random, count, 3 * HOUR):
        changes += loss(random.choice(("carrier", "silent")), first, random.uniform(10, 300))
    return Pattern("", changes, policy=QUICK, bfd=number % 2 == 0, switches=(count, count))


def clock_steps(random: Random, number: int) -> Pattern:
    """The manager's clock is set, back and forth, also in the middle of a loss."""
    (first,) = times(random, 1, 5 * HOUR)
    by = (-1.0, 3.0, -30.0, 600.0, -3600.0, 7200.0)[number % 6]
    offset = (-600.0, 2.0, 200.0)[number % 3]
    return Pattern("", loss("silent", first, 1500), steps=((first + offset, by),), switches=(1, 1))


def manager_restarts(random: Random, number: int) -> Pattern:
    """Nothing is known but the records, at any moment of a loss; also often, for no reason."""
    (first,) = times(random, 1, 3 * HOUR)
    offset = (-1.0, 1.0, 2.5, 4.0, 6.0, 30.0, 900.0, 1000.0, 1230.0)[number % 9]
    others = tuple(random.uniform(100.0, DAY - 100) for _ in range(3))
    return Pattern(
        "", loss(("carrier", "silent")[number % 2], first, 900.0), restarts=(first + offset, *others), switches=(1, 1)
    )


def box_restarts(random: Random, number: int) -> Pattern:
    """A reload, or only the agent starts anew: coldStart, counters from zero, and no loss that is to be moved."""
    changes: Changes = ()
    for first in times(random, 2 + number % 3, 2 * HOUR):
        if number % 2:
            changes += ((first, "agent", 0.0),)
        else:
            changes += ((first, "power", 0.0), (first + 1.0, "power", 1.0))
    return Pattern(
        "", changes, boot=random.uniform(30, 150), train=random.uniform(5, 60), traps=Traps(twice=0.5), switches=(0, 0)
    )


def filtered(random: Random, number: int) -> Pattern:
    """ICMP is filtered at the line; TCP is answered."""
    count = 1 + number % 2
    changes: Changes = ()
    for first in times(random, count, 3 * HOUR):
        changes += loss("silent", first, random.uniform(30, 1200))
    return Pattern("", changes, tcp=True, switches=(count, count))


def everything(random: Random, number: int) -> Pattern:
    """A day on which all of it happens, one thing after the other."""
    changes: list[tuple[float, str, float]] = []
    for first in times(random, 7, 2.2 * HOUR):
        length = random.uniform(5.0, 1500.0)
        kind = random.choice(("carrier", "silent", "power", "own", "management", "mobile", "drizzle"))
        if kind in ("carrier", "silent"):
            changes += loss(kind, first, length)
        elif kind == "power":
            changes += [(first, "power", 0.0), (first + length, "power", 1.0)]
        elif kind == "drizzle":
            changes += [(first, "fixed", 0.05), (first + length, "fixed", 0.0)]
        else:
            changes += [(first, kind, 1.0), (first + length, kind, 0.0)]
    traps = Traps(lost=0.2, twice=0.2, delay=(0.02, 30.0))
    return Pattern("", tuple(changes), traps=traps, bfd=number % 2 == 0, train=random.uniform(10, 100))


FAMILIES: dict[str, tuple[int, Callable[[Random, int], Pattern]]] = {
    "single-carrier": (14, single_carrier),
    "single-silent": (14, single_silent),
    "several": (8, several),
    "blinks": (6, blinks),
    "bursts": (8, bursts),
    "brown-out": (8, brown_out),
    "drizzle": (10, drizzle),
    "drizzle-then-loss": (8, drizzle_then_loss),
    "asymmetric": (8, asymmetric),
    "node-outage": (8, node_outage),
    "power-cut": (10, power_cut),
    "power-cut-without-line": (6, power_cut_without_line),
    "traps-lost": (8, with_traps(Traps(lost=1.0))),
    "traps-some-lost": (6, with_traps(Traps(lost=0.5))),
    "traps-twice": (6, with_traps(Traps(twice=1.0))),
    "traps-reordered": (8, with_traps(Traps(twice=0.3, delay=(0.02, 60.0)))),
    "traps-late": (8, late_traps),
    "traps-false": (6, false_traps),
    "flaps": (15, flaps),
    "own-way-cut": (12, own_way_cut),
    "mobile-dead": (9, mobile_dead),
    "mobile-fades": (6, mobile_fades),
    "slow-snmp": (6, slow_snmp),
    "quiet-probing": (6, quiet_probing),
    "quick-probing": (6, quick_probing),
    "clock-steps": (8, clock_steps),
    "manager-restarts": (12, manager_restarts),
    "box-restarts": (8, box_restarts),
    "filtered": (4, filtered),
    "everything": (10, everything),
}
