"""What each device of a roll-out is to get: devices are chosen, the template is rendered, every order is checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from cpe_manager.domain.errors import CpeManagerError, InputError
from cpe_manager.domain.fleet.import_rules import ImportErrors, Problem
from cpe_manager.domain.fleet.inventory import Device, Group, LifeState
from cpe_manager.domain.fleet.settings_inheritance import resolve, with_descendants
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_config_data import masked
from cpe_manager.domain.push.pushes import Order, PushKind
from cpe_manager.domain.rollout.rollouts import MOST_DEVICES
from cpe_manager.domain.rollout.templates import change_of, lines_of
from cpe_manager.kit.redaction import redact
from cpe_manager.ports.driver import Drivers, SecretRule
from cpe_manager.ports.stores import DeviceFilter, InventoryStore
from cpe_manager.ports.templates import Rendered, Templates
from cpe_manager.services.fleet.targets import known
from cpe_manager.services.push.push_plan import PushDriver, able

MOST_PROBLEMS: Final = 50
_SOUNDS_SECRET: Final = re.compile(
    r"(?i)(?:^|[_-])(?:pass(?:word|wd|phrase)?|secret|key|psk|token|community|pin|credential)s?$"
)
_PARTS: Final = frozenset(field.name for field in fields(CpeConfig))


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions are joined by AND. ``group`` includes the groups below it, ``family`` what a group hands down."""

    names: tuple[str, ...] | None = None
    group: str | None = None
    family: str | None = None
    site: str | None = None
    access_node: str | None = None
    everything: bool = False
    """All active devices; said by name, so that nobody means one device and gets all."""

    @property
    def empty(self) -> bool:
        return self.names is None and not self.everything and not any((self.group, self.family, self.site)) and (
            self.access_node is None
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TemplateText:
    """``kind``: what it renders to, ``lines`` of the devices' language or a ``change`` of the neutral model."""

    text: str = field(repr=False)
    kind: PushKind


@dataclass(frozen=True, slots=True)
class Content:
    """What is rolled out: exactly one of ``template`` and ``change``. ``variables`` are the template's ``vars``, and
    ``table`` has its ``row`` by device name. ``secrets`` names those variables and columns whose values are never
    shown; names that say it themselves (``psk``, ``wifi_key``, ``password``) need not be listed."""

    template: TemplateText | None = None
    change: Mapping[str, Any] | None = field(default=None, repr=False)
    variables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    table: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = ()

    @property
    def kind(self) -> PushKind:
        return PushKind.CHANGE if self.template is None else self.template.kind


@dataclass(frozen=True, slots=True)
class Wanted:
    """One device and its order. ``shown`` is the order without secrets."""

    device: Device
    family: str
    order: Order
    shown: str


class RolloutOrders:
    """Makes orders; touches no device and writes nothing."""

    def __init__(self, inventory: InventoryStore, drivers: Drivers, templates: Templates) -> None:
        self._inventory, self._drivers, self._templates = inventory, drivers, templates

    async def prepare(self, where: Selection, content: Content) -> Sequence[Wanted]:
        """In order of the devices' names.

        Raises ``ImportErrors`` with everything that is wrong, device by device; ``InputError`` for a selection that
        has no device in it, and for a template or change that cannot be.
        """
        self._check(content)
        groups = {group.name: group for group in await self._inventory.groups()}
        if where.empty and content.table:
            where = Selection(names=tuple(sorted(content.table)))
        chosen = await self._chosen(where, groups)
        drivers = self._able(chosen)
        if content.kind is PushKind.LINES and len({family for _, family in chosen}) > 1:
            found = ", ".join(sorted({family for _, family in chosen}))
            raise InputError(f"lines are of one family's language; the devices chosen are of {found}")
        answers = await self._rendered(chosen, content)
        problems: list[Problem] = []
        made: list[Wanted] = []
        for (device, family), answer in zip(chosen, answers, strict=True):
            hidden = _hidden(content, device.name)
            try:
                order = _order(content, answer)
            except InputError as error:
                reason = _without(f"{device.name}: {answer.error or error.reason}", hidden)
                problems.append(Problem(reason, "template" if content.template else None, answer.line))
                continue
            made.append(Wanted(device, family, order, _shown(order, drivers[family].spec.secrets, hidden)))
        if problems:
            raise ImportErrors(problems[:MOST_PROBLEMS])
        return made

    @staticmethod
    def _check(content: Content) -> None:
        if (content.template is None) == (content.change is None):
            raise InputError("a roll-out takes exactly one of a template and a change")
        if content.change is not None:
            if not content.change:
                raise InputError("the change names nothing")
            _known_parts(content.change)
        elif content.kind not in (PushKind.LINES, PushKind.CHANGE):
            raise InputError("a template renders to lines or to a change")

    async def _chosen(self, where: Selection, groups: Mapping[str, Group]) -> Sequence[tuple[Device, str]]:
        """Active devices with the family in force for them."""
        if where.empty:
            raise InputError("say which devices: by name, group, family, site or access node, or all of them")
        if where.group is not None and where.group not in groups:
            raise InputError(f"no group {where.group}")
        below = None if where.group is None else tuple(sorted(with_descendants([where.group], groups.values())))
        devices = await self._inventory.all_devices(
            DeviceFilter(
                names=where.names,
                groups=below,
                sites=None if where.site is None else (where.site,),
                access_nodes=None if where.access_node is None else (where.access_node,),
            )
        )
        _named_ones_are_there(where, devices)
        active = [device for device in devices if device.state is LifeState.ACTIVE]
        found = [(device, known("family", resolve(device, groups).family)) for device in active]
        if where.family is not None:
            found = [(device, family) for device, family in found if family == where.family]
        if not found:
            raise InputError("no active device matches")
        if len(found) > MOST_DEVICES:
            raise InputError(f"{len(found)} devices match; a roll-out has {MOST_DEVICES} at the most")
        return found

    def _able(self, chosen: Sequence[tuple[Device, str]]) -> Mapping[str, PushDriver]:
        """The drivers by family; everything that has none which can is told at once."""
        made: dict[str, PushDriver] = {}
        problems: list[Problem] = []
        for family in sorted({family for _, family in chosen}):
            try:
                made[family] = able(self._drivers.get(family))
            except CpeManagerError as error:
                some = [device.name for device, of in chosen if of == family]
                more = f" and {len(some) - 1} more" if len(some) > 1 else ""
                problems.append(Problem(f"{some[0]}{more}: {error}"))
        if problems:
            raise ImportErrors(problems)
        return made

    async def _rendered(self, chosen: Sequence[tuple[Device, str]], content: Content) -> Sequence[Rendered]:
        if content.template is None:
            return [Rendered("") for _ in chosen]
        sets = [
            {
                "device": _facts(device, family),
                "vars": dict(content.variables),
                "row": dict(content.table.get(device.name, {})),
            }
            for device, family in chosen
        ]
        return await self._templates.render(content.template.text, sets)


def _named_ones_are_there(where: Selection, devices: Iterable[Device]) -> None:
    by_name = {device.name: device for device in devices}
    problems = []
    for name in dict.fromkeys(where.names or ()):
        device = by_name.get(name)
        if device is None:
            problems.append(Problem(f"no device {name}" + (" matches" if where.group or where.site else "")))
        elif device.state is not LifeState.ACTIVE:
            problems.append(Problem(f"{name} is {device.state}; only active devices are changed"))
    if problems:
        raise ImportErrors(problems[:MOST_PROBLEMS])


def _facts(device: Device, family: str) -> Mapping[str, Any]:
    return {
        "name": device.name,
        "site": device.site,
        "address": device.address,
        "family": family,
        "model": device.model,
        "serial": device.serial,
        "access_node": device.access_node,
        "group": device.group,
        "line": device.line,
    }


def _order(content: Content, answer: Rendered) -> Order:
    if content.template is None:
        return Order(PushKind.CHANGE, patch=content.change)
    if answer.text is None:
        raise InputError(answer.error or "it was not rendered")
    if content.kind is PushKind.LINES:
        return Order(PushKind.LINES, lines=lines_of(answer.text))
    patch = change_of(answer.text)
    _known_parts(patch)
    return Order(PushKind.CHANGE, patch=patch)


def _known_parts(patch: Mapping[str, Any]) -> None:
    if unknown := sorted(name for name in patch if name not in _PARTS):
        raise InputError(f"the model has no {', '.join(unknown)}; known: {', '.join(sorted(_PARTS))}")


def _hidden(content: Content, device: str) -> Sequence[str]:
    """Values that are not shown, the longest first, so that none hides a part of another."""
    groups = (content.variables, content.table.get(device, {}))
    found = {value for group in groups for value in _secret_values(group, content.secrets, secret=False) if value}
    return sorted(found, key=len, reverse=True)


def _secret_values(data: Any, names: Sequence[str], *, secret: bool) -> Iterator[str]:
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from _secret_values(value, names, secret=secret or name in names or bool(_SOUNDS_SECRET.search(name)))
    elif isinstance(data, list):
        for value in data:
            yield from _secret_values(value, names, secret=secret)
    elif secret and isinstance(data, (str, int, float)) and not isinstance(data, bool):
        yield str(data)


def _without(text: str, hidden: Sequence[str]) -> str:
    for value in hidden:
        text = text.replace(value, "<secret>")
    return text


def _shown(order: Order, rules: Sequence[SecretRule], hidden: Sequence[str]) -> str:
    if order.patch is not None:
        return _without(json.dumps(masked(order.patch), indent=2, ensure_ascii=False), hidden) + "\n"
    lines = (_without(line, hidden) for line in order.lines)
    # As a line at the margin and as one of a block: rules look at the indentation.
    return "".join(redact(redact(f" {line}", rules)[1:], rules) + "\n" for line in lines)
