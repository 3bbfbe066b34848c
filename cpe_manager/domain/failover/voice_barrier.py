"""What stays off the mobile connection when traffic is moved there: voice (§7.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.model.cpe_mobile import Barred, Ports


def barred_of(barrier: Barrier) -> tuple[Barred, ...]:
    """SIP over UDP and TCP, RTP over UDP; an empty text bars nothing. Raises ``InputError`` for what is no range."""
    found = []
    for text, protocols in ((barrier.sip, ("udp", "tcp")), (barrier.rtp, ("udp",))):
        if text.strip():
            found += [Barred(protocol, _ports(text)) for protocol in protocols]  # type: ignore[arg-type]
    return joined(found)


def _ports(text: str) -> Ports:
    first, _, last = text.partition("-")
    try:
        return Ports(int(first), int(last or first))
    except ValueError:
        raise InputError(f"{text!r} is no range of ports, such as 5060-5061") from None


def joined(barred: Iterable[Barred]) -> tuple[Barred, ...]:
    """The same ports, sorted, with what overlaps as one range."""
    found: list[Barred] = []
    for protocol, group in groupby(sorted(set(barred)), key=lambda one: one.protocol):
        first = last = 0
        for one in group:
            if first and one.ports.first <= last + 1:
                last = max(last, one.ports.last)
                continue
            if first:
                found.append(Barred(protocol, Ports(first, last)))
            first, last = one.ports.first, one.ports.last
        found.append(Barred(protocol, Ports(first, last)))
    return tuple(found)


def to_mobile(config: CpeConfig | None, features: frozenset[Feature], barrier: Barrier) -> Mapping[str, Any]:
    """The change that moves a box's traffic to mobile, with what has to stay off it where the family can keep it off.
    ``config``: what the box means now; None: it is not known. What is barred on the box already stays barred."""
    patch: dict[str, Any] = {"preferred": True}
    if config is not None and config.mobile is not None and Feature.MOBILE_BARRED in features:
        there = joined(config.mobile.barred)
        wanted = joined((*there, *barred_of(barrier)))
        if wanted != there:
            patch["barred"] = [{"protocol": one.protocol, "ports": str(one.ports)} for one in wanted]
    return {"mobile": patch}
