"""Is the mobile coverage of a site enough for a backup? (§3.8: activation may be refused where it is not.)"""

from __future__ import annotations

from dataclasses import dataclass

from cpe_manager.domain.failover.lines import Coverage


@dataclass(frozen=True, slots=True)
class CoverageReading:
    """What was measured over the mobile way. None: not told. ``signal_dbm`` as the box says it (RSRP of 4G and 5G);
    ``down_mbps`` and ``up_mbps`` of a transfer bound to the mobile interface; ``reason``: what could not be measured,
    or what went wrong, in words."""

    signal_dbm: float | None = None
    registered: bool | None = None
    down_mbps: float | None = None
    up_mbps: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CoverageGoals:
    """What has to be reached. The signal's default is where makers of 4G routers end their scale: an RSRP of -100 dBm
    or less counts as none (Teltonika, Mobile Signal Strength Recommendations). The throughputs are ours: mail, card
    terminals and one video meeting of a small office."""

    signal_dbm: float = -100.0
    down_mbps: float = 4.0
    up_mbps: float = 1.0


def judged(reading: CoverageReading, goals: CoverageGoals) -> tuple[Coverage, str]:
    """``passed`` or ``refused``, and why. A signal that the box does not tell is no reason to refuse: the transfer over
    the same way is the stronger witness. A transfer that was not measured is one."""
    against = []
    if reading.registered is False:
        against.append("not registered in the mobile network")
    if reading.signal_dbm is not None and reading.signal_dbm <= goals.signal_dbm:
        against.append(f"signal {reading.signal_dbm:g} dBm, more than {goals.signal_dbm:g} is needed")
    for name, found, least in (
        ("down", reading.down_mbps, goals.down_mbps),
        ("up", reading.up_mbps, goals.up_mbps),
    ):
        if least and found is None:
            against.append(f"{name} not measured")
        elif least and found is not None and found < least:
            against.append(f"{found:.1f} Mbps {name}, {least:g} is needed")
    if against:
        return "refused", "; ".join([*against, *([reading.reason] if reading.reason else [])])
    told = [] if reading.signal_dbm is None else [f"{reading.signal_dbm:g} dBm"]
    told += [f"{value:.1f} Mbps {way}" for way, value in _transfers(reading)]
    return "passed", ", ".join(told) + (f" ({reading.reason})" if reading.reason else "")


def _transfers(reading: CoverageReading) -> list[tuple[str, float]]:
    pairs = (("down", reading.down_mbps), ("up", reading.up_mbps))
    return [(way, value) for way, value in pairs if value is not None]
