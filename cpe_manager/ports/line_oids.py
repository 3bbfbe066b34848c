"""What of a box's SNMP agent tells how its two ways are, as data: the same for all who follow the standards (DSL), a
maker's own MIB or an operator's script for the rest (optics, cellular)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from cpe_manager.ports.snmp import SnmpTarget

Good = frozenset[int] | re.Pattern[str]
Row = Literal["any", "own", "exact"]


@dataclass(frozen=True, slots=True)
class Sign:
    """An object that speaks for or against a way. ``name``: a column, of which the row of the way's own interface is
    taken (``own``), or else the first there is (``any``); or the whole name of one object (``exact``).

    ``good`` and ``bad``: of an INTEGER the values, of BITS the numbers of the bits (RFC 2578 §7.1.4), of a text what is
    searched in it. ``good`` is asked first where ``good_first``, else ``bad``; what is neither says nothing."""

    name: str
    what: str
    """What is the matter when it speaks against the way, in words."""
    good: Good
    bad: Good
    row: Row = "any"
    bits: bool = False
    good_first: bool = True


VDSL2_SYNC: Final = Sign(
    "1.3.6.1.2.1.10.251.1.1.1.1.18", "no VDSL synchronisation", frozenset({0}), frozenset({1, 2, 3, 4}), bits=True
)
"""xdsl2LineStatusXtur (RFC 5650): noDefect; lossOfFraming, lossOfSignal, lossOfPower, initFailure."""
ADSL_SYNC: Final = Sign(
    "1.3.6.1.2.1.10.94.1.1.3.1.6", "no ADSL synchronisation", frozenset({0}), frozenset({1, 2, 3, 4}), bits=True
)
"""adslAturCurrStatus (RFC 2662): noDefect; lossOfFraming, lossOfSignal, lossOfPower, lossOfSignalQuality."""
DSL: Final = (VDSL2_SYNC, ADSL_SYNC)


def extend(script: str) -> str:
    """The name of the first line that an ``extend`` script of net-snmp prints (NET-SNMP-EXTEND-MIB
    nsExtendOutput1Line); it is how operators show what the system has no MIB for."""
    return ".".join(["1.3.6.1.4.1.8072.1.3.2.3.1.1", str(len(script)), *(str(octet) for octet in script.encode())])


@dataclass(frozen=True, slots=True)
class LineOids:
    """``fixed``, ``mobile``: signs beside ifOperStatus; those that the box has are looked at, and one that speaks
    against a way is enough. ``signal``: cellular signal in dBm, as a number or within a text; columns, or whole names
    that end in a text's arcs. ``mobile_names``: ifName or ifDescr of a cellular interface, when nobody named it."""

    fixed: tuple[Sign, ...] = DSL
    mobile: tuple[Sign, ...] = ()
    signal: tuple[str, ...] = ()
    signal_exact: bool = False
    mobile_names: re.Pattern[str] = re.compile(r"^(?:wwan|wwp|lte|cellular|qmimux|ppp-mobile|usb-modem)", re.IGNORECASE)


_REGISTERED = re.compile(r"\bregistered\b|\broaming\b|\bhome\b", re.IGNORECASE)
_NOT_REGISTERED = re.compile(r"\bnot\b|\bdenied\b|\bunregistered\b|\bsearching\b|\bunknown\b|\bidle\b", re.IGNORECASE)
_ONT_UP = re.compile(r"\bO5\b|\bup\b|\boperation(?:al)?\b", re.IGNORECASE)
_ONT_DOWN = re.compile(r"\bO[1-46-9]\b|\bdown\b|\blos\b|\bno signal\b", re.IGNORECASE)

NET_SNMP: Final = LineOids(
    fixed=(
        *DSL,
        Sign(extend("ont-state"), "the ONT is not in operation", _ONT_UP, _ONT_DOWN, row="exact", good_first=False),
    ),
    mobile=(
        Sign(
            extend("cellular-registration"), "not registered in the mobile network", _REGISTERED, _NOT_REGISTERED,
            row="exact", good_first=False,
        ),
    ),
    signal=(extend("cellular-signal"),),
    signal_exact=True,
)  # fmt: skip
"""A Linux box with net-snmp: scripts named ``cellular-signal``, ``cellular-registration`` and ``ont-state`` (ITU-T
G.984.3's activation state, O5 being in operation)."""

CISCO: Final = LineOids(
    mobile=(
        Sign(
            "1.3.6.1.4.1.9.9.661.1.3.2.1.2", "no service in the mobile network", frozenset({3}), frozenset({2, 4}),
        ),
    ),
    signal=("1.3.6.1.4.1.9.9.661.1.3.4.1.1.1",),
)  # fmt: skip
"""CISCO-WAN-3G-MIB, which LTE modems show, too: c3gGsmCurrentServiceStatus (noService 2, normal 3, emergencyOnly 4),
c3gCurrentGsmRssi; both by the modem's entPhysicalIndex."""

ROUTEROS: Final = LineOids(
    fixed=(
        *DSL,
        Sign(
            "1.3.6.1.4.1.14988.1.1.19.1.1.3", "no light at the optical module", frozenset({0, 2}), frozenset({1}),
            row="own",
        ),
    ),
    mobile=(
        Sign(
            "1.3.6.1.4.1.14988.1.1.16.1.1.6", "not registered in the mobile network",
            frozenset(range(14)), frozenset({-1}),
        ),
    ),
    signal=("1.3.6.1.4.1.14988.1.1.16.1.1.2",),
)  # fmt: skip
"""MIKROTIK-MIB: mtxrOpticalRxLoss, mtxrLTEModemAccessTechnology (-1: unknown, none is in use), mtxrLTEModemSignalRSSI;
rows by ifIndex."""

TELTONIKA: Final = LineOids(
    mobile=(
        Sign(
            "1.3.6.1.4.1.48690.2.2.1.11", "not registered in the mobile network", _REGISTERED, _NOT_REGISTERED,
            good_first=False,
        ),
    ),
    signal=("1.3.6.1.4.1.48690.2.2.1.12",),
)  # fmt: skip
"""Teltonika's table of modems: mNetState, a text such as ``Registered, home``, and mSignal."""


@dataclass(frozen=True, slots=True)
class LineTarget:
    """How the box of a line is asked. ``fixed_ports``, ``mobile_ports``: names of the interface as ifName or ifDescr
    has it, the likeliest first; empty: as the agent's types and the family's names tell."""

    target: SnmpTarget
    oids: LineOids
    fixed_ports: tuple[str, ...] = ()
    mobile_ports: tuple[str, ...] = ()
