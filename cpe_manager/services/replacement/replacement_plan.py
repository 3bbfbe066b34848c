"""What bringing a stored configuration onto other hardware would do, what it would lose, and what a person has to see.

A box of the same family gets the whole text, interfaces renamed; any other gets what the text means (§5.1.2.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_config_data import patch_between, to_data
from cpe_manager.domain.push.lockout import Hindrance, ManagementPath, predicted_lockouts
from cpe_manager.domain.replacement.carrying import Loss, carried, fingerprint
from cpe_manager.domain.replacement.interface_names import NameMap, map_names
from cpe_manager.kit.outside_model import grouped, outside_model
from cpe_manager.kit.redaction import canonical, redact
from cpe_manager.ports.driver import FullDriver, Replacing, Wired

_OUTSIDE: Final = "outside the model: not carried to another family"
_DROPPABLE: Final = ("wifi", "firewall", "snmp", "routes", "mobile", "dns", "dhcp", "port_mappings", "wan")
"""Parts that may stay as the new box has them when its family cannot write a value of them."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is to come back: a stored text and the family that understands it."""

    driver: FullDriver
    text: str = field(repr=False)
    number: int


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """``way``: ``whole`` brings the text back, ``model`` what it means, ``nothing`` when the box is that already.
    ``patch`` is the change of the new box's model. ``fingerprint`` stands for everything that has to be accepted; empty
    when nothing has."""

    way: Literal["whole", "model", "nothing"]
    number: int
    wanted: CpeConfig
    patch: Mapping[str, Any] = field(repr=False)
    losses: tuple[Loss, ...]
    names: NameMap
    lockouts: tuple[Hindrance, ...]
    families: tuple[str, str]
    """The stored text's, and the new box's."""

    @property
    def fingerprint(self) -> str:
        return fingerprint(self._questionable())

    def _questionable(self) -> dict[str, list[Any]]:
        return {
            "losses": [loss.to_data() for loss in self.losses],
            "unmapped": list(self.names.unmapped),
            "lockouts": [{"kind": one.kind.value, "reason": one.reason} for one in self.lockouts],
        }

    def to_data(self) -> dict[str, Any]:
        """Plain data without secrets, for people."""
        return {
            "way": self.way,
            "version": self.number,
            "from_family": self.families[0],
            "to_family": self.families[1],
            "renamed": dict(self.names.renamed),
            "fingerprint": self.fingerprint,
            **self._questionable(),
        }


def plan_restore(
    source: Source, driver: FullDriver, present: str, given: Mapping[str, str], path: ManagementPath
) -> RestorePlan:
    """``driver`` is the new box's, ``present`` the text that it runs, ``given`` interface names that people mapped.

    Pure, and takes seconds of a processor. Raises ``InputError`` for a mapping that is none.
    """
    families = (source.driver.spec.family, driver.spec.family)
    if families[0] == families[1] and isinstance(driver, Replacing):
        return _whole(source, driver, present, given, path)
    if given:
        raise InputError("interfaces are mapped where the whole text comes back; here roles decide (WAN, LAN, mobile)")
    before = driver.parse(present)
    wanted, losses = carried(source.driver.parse(source.text), before, driver.spec.features)
    wanted, refused = _writable(driver, present, before, wanted)
    old, new = to_data(before), to_data(wanted)
    return RestorePlan(
        way="model" if wanted != before else "nothing",
        number=source.number,
        wanted=wanted,
        patch=patch_between(old, new),
        losses=(*losses, *refused, *_left_behind(source, present)),
        names=NameMap(),
        lockouts=predicted_lockouts(before, wanted, path),
        families=families,
    )


def _whole(
    source: Source, driver: FullDriver, present: str, given: Mapping[str, str], path: ManagementPath
) -> RestorePlan:
    names, text = NameMap(), source.text
    if isinstance(driver, Wired):
        names = map_names(driver.interfaces(source.text), driver.interfaces(present), given)
        text = driver.adopted(source.text, present, names.renamed)
    volatile = driver.spec.volatile
    wanted = driver.parse(text)
    return RestorePlan(
        way="nothing" if canonical(text, volatile) == canonical(present, volatile) else "whole",
        number=source.number,
        wanted=wanted,
        patch={},
        losses=(),
        names=names,
        lockouts=predicted_lockouts(driver.parse(present), wanted, path),
        families=(driver.spec.family, driver.spec.family),
    )


def _writable(
    driver: FullDriver, present: str, before: CpeConfig, wanted: CpeConfig
) -> tuple[CpeConfig, tuple[Loss, ...]]:
    """``wanted`` as the family can write it. A family may have a feature and not every value of it: then the part stays
    as the new box has it, and no more parts than it takes. Raises ``InputError`` when it cannot be written at all."""
    reason = _refusal(driver, present, wanted)
    if reason is None:
        return wanted, ()
    chosen, dropped = wanted, list[str]()
    for part in (part for part in _DROPPABLE if getattr(wanted, part) != getattr(before, part)):
        dropped.append(part)
        chosen = _with(chosen, part, before)
        if _refusal(driver, present, chosen) is None:
            break
    else:
        raise InputError(f"{driver.spec.family} cannot write it: {reason}")
    losses = []
    for part in dropped:
        refusal = _refusal(driver, present, again := _with(chosen, part, wanted))
        if refusal is None:
            chosen = again
        else:
            losses.append(Loss(part, f"the new family cannot write it, and what the box has stays: {refusal}"))
    return chosen, tuple(losses)


def _with(config: CpeConfig, part: str, source: CpeConfig) -> CpeConfig:
    """``config`` with a part of another one; as it is when the two make no configuration together."""
    try:
        return replace(config, **{part: getattr(source, part)})
    except InputError:
        return config


def _refusal(driver: FullDriver, present: str, wanted: CpeConfig) -> str | None:
    try:
        driver.render(present, wanted)
    except InputError as error:
        return str(error)
    return None


def _left_behind(source: Source, present: str) -> Iterator[Loss]:
    """Lines of the old text that mean nothing to the model, and that the new box does not have either."""
    spec = source.driver.spec
    text = canonical(source.text, spec.volatile)
    there = {line.strip() for line in present.split("\n")}
    lines = text.split("\n")
    numbers = [n for n in outside_model(text, source.driver.parse) if lines[n].strip() not in there]
    for group in grouped(redact(text, spec.secrets), numbers, spec.dialect):
        yield Loss(group.place, _OUTSIDE, group.lines)
