"""What happens to a lab: lines lose their carrier, or go silent, or lossy; modems and boxes lose their power."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, Literal, Protocol, get_args

from simulators.lab.places import LabError, Places, attempt, run
from simulators.lab.plan import LabPlan

Direction = Literal["up", "down", "both"]
"""``up``: from the customer to the edge."""
Side = Literal["cpe", "edge", "both"]
"""Who sees that the carrier is gone. An edge behind an access node mostly does not."""
Switch = Literal["on", "off"]
Counting = Literal["edge", "mobile"]
"""Nodes that count packets of customers."""
_ENDS: Final[dict[str, str]] = {"up": "cpe", "down": "edge"}


class Wires(Protocol):
    """What the backends do differently: where a line can be taken hold of."""

    def carrier(self, number: int, side: Side, up: bool) -> None: ...

    def mobile(self, number: int, up: bool) -> None: ...

    def drop(self, number: int, shares: dict[str, float]) -> None:
        """Which share (0 to 1) of packets is dropped, by direction; none where a direction is not named."""
        ...


class AccessNode:
    """``Wires`` of the backend of namespaces: each line is a bridge in the node ``access``, and neither end is touched.
    Packets are dropped as they enter the bridge."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def carrier(self, number: int, side: Side, up: bool) -> None:
        ends = ("cpe", "edge") if side == "both" else (side,)
        self._ip("access", *(f"link set {end}{number} {'up' if up else 'down'}" for end in ends))

    def mobile(self, number: int, up: bool) -> None:
        self._ip("mobile", f"link set sim{number} {'up' if up else 'down'}")

    def drop(self, number: int, shares: dict[str, float]) -> None:
        lines = [f"table netdev line{number}", f"delete table netdev line{number}"]
        if shares:
            lines.append(f"table netdev line{number} {{")
            for direction, share in shares.items():
                end = f"{_ENDS[direction]}{number}"
                rule = "drop" if share >= 1 else f"numgen random mod 10000 < {round(share * 10_000)} drop"
                hook = f'type filter hook ingress device "{end}" priority 0; policy accept;'
                lines += [f"chain {direction} {{", hook, rule, "}"]
            lines.append("}")
        run(*self._places.within("access"), "nft", "-f", "-", given="\n".join([*lines, ""]))

    def _ip(self, node: str, *lines: str) -> None:
        run(*self._places.within(node), "ip", "-batch", "-", given="".join(f"{line}\n" for line in lines))


class Control:
    """The verbs of ``cpe-sim lab``. Every one may be given twice. They raise ``LabError`` and ``ValueError``."""

    def __init__(self, plan: LabPlan, places: Places, wires: Wires | None = None) -> None:
        self.plan = plan
        self.places = places
        self.wires = wires or AccessNode(places)

    def cut_carrier(self, number: int, side: Side = "both") -> None:
        """As a cable that is pulled: the interface goes down, at once, where it is seen."""
        self._known(number)
        self.wires.carrier(number, side, up=False)

    def cut_silent(self, number: int, direction: Direction = "both") -> None:
        """The interfaces stay up, and packets go nowhere."""
        self.degrade(number, 1.0, direction)

    def degrade(self, number: int, loss: float, direction: Direction = "both") -> None:
        """Lose a share of the packets, from 0 to 1."""
        self._known(number)
        if not 0 <= loss <= 1:
            raise ValueError(f"loss is a share from 0 to 1, not {loss:g}")
        wanted = get_args(Direction)[:2] if direction == "both" else (direction,)
        self.wires.drop(number, dict.fromkeys(wanted, loss) if loss else {})

    def restore(self, number: int) -> None:
        """The fixed line is as new."""
        self._known(number)
        self.wires.drop(number, {})
        self.wires.carrier(number, "both", up=True)

    def mobile(self, number: int, what: Switch) -> None:
        """Take the modem off its network, or let it back."""
        self._known(number)
        self.wires.mobile(number, up=what == "on")

    def power(self, number: int, what: Switch) -> None:
        """Pull the plug of a CPE, or put it in again. Off: both of its lines lose their carrier; what was not in a file
        is gone. On: returns when it has booted."""
        self._known(number)
        place = self.places.within(f"cpe{number}")
        done = attempt((*place, "bash", self.places.script("power.sh"), what), seconds=60.0)
        if done.returncode != 0:
            log = attempt((*place, "cat", "/run/lab.boot")).stdout if what == "on" else ""
            raise LabError(f"power {what} of cpe{number}: status {done.returncode}: {done.stderr}{log}")

    def node(self, what: Switch, numbers: Iterable[int] | None = None) -> None:
        """The access node goes dark, or comes back: every fixed line, or those of ``numbers``."""
        for number in numbers or range(1, self.plan.cpes + 1):
            if what == "off":
                self.cut_carrier(number)
            else:
                self.restore(number)

    def counted(self, node: Counting) -> dict[str, int]:
        """Packets that came from customers: ``voice1`` (SIP and RTP) and ``all1`` of customer 1, and so on. At
        ``mobile`` those over mobile, at ``edge`` those over fixed lines."""
        told = run(*self.places.within(node), "nft", "-j", "list", "counters", "table", "inet", "lab")
        rows = (row["counter"] for row in json.loads(told)["nftables"] if "counter" in row)
        return {row["name"]: row["packets"] for row in rows}

    def _known(self, number: int) -> None:
        self.plan.cpe(number)
