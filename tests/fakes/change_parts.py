"""What change requests stand on, kept in memory: entries that set the host name, seals without a key, devices that are
a host name and a count of who has changed them, and pushes whose ends a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from cpe_manager.domain.backup.backups import SealedObject
from cpe_manager.domain.changes.entries import ChangeType, Effect, EntryTerms, Setting
from cpe_manager.domain.errors import Conflict, ConnectFailed, InputError, NotFound
from cpe_manager.domain.fleet.inventory import LineKind
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_config_data import changed
from cpe_manager.domain.push.checks import Check, Finding
from cpe_manager.domain.push.commit_path import Phase
from cpe_manager.domain.push.pushes import Push, PushKind, PushRecord, SettledAs, Settlement
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue
from cpe_manager.domain.subscription.subscriptions import Entitled, Operation, Subscription
from cpe_manager.ports.clock import Clock
from cpe_manager.services.changes.parts import LineSaid
from cpe_manager.services.push.push_plan import PlanShown
from cpe_manager.services.push.pushes import PushAsked

TYPES = ("dhcp", "wan-address", "wifi-rights")
"""Under these names the one entry goes here: a standard change, one that waits for the window, one by right."""


@dataclass(frozen=True, slots=True)
class HostName:
    name: str


class SetHostName:
    """``ChangeType``. ``bad`` is refused by its check."""

    name: ClassVar[str] = "host-name"
    parameters: ClassVar[type] = HostName

    def summary(self, wanted: HostName, /) -> str:
        return f"host name {wanted.name}"

    def check(self, wanted: HostName, _now: CpeConfig, _setting: Setting, /) -> Iterator[Finding]:
        if wanted.name == "bad":
            yield Finding(Check.RESERVED, "bad is reserved")

    def effect(self, wanted: HostName, _now: CpeConfig, _setting: Setting, /) -> Effect:
        return Effect({"hostname": wanted.name})


class HostNameEntries:
    """``services.changes.parts.Entries``."""

    def type(self, name: str) -> ChangeType[Any] | None:
        return SetHostName() if name in TYPES else None

    def read(self, name: str, parameters: Mapping[str, Any]) -> Any:
        del name
        if set(parameters) != {"name"} or not isinstance(parameters["name"], str):
            raise InputError("name is no text")
        return HostName(parameters["name"])

    def masked(self, wanted: Any) -> Mapping[str, Any]:
        return {"name": wanted.name}


class PlainSeals:
    """``services.changes.parts.Seals`` that anybody can open."""

    def seal_note(self, object_id: str, text: str) -> SealedObject:
        return SealedObject(object_id, 1, "", b"", b"", text.encode())

    def open_note(self, sealed: SealedObject) -> str:
        return sealed.ciphertext.decode()


class FixedCatalogues:
    """``ports.catalogue.Catalogues``: one version, all entries with these terms."""

    def __init__(self, catalogue: ServiceCatalogue | None = None) -> None:
        self.catalogue = catalogue or ServiceCatalogue(
            1, {}, {}, change_window="Mon-Fri 08:00-18:00 Europe/Brussels", holidays="BE"
        )
        self.terms = {
            name: EntryTerms(name, 1, name, "§5.2.2", (), standard=name != "wan-address", fee=name != "wifi-rights")
            for name in TYPES
        }

    async def current(self) -> ServiceCatalogue:
        return self.catalogue

    async def version(self, number: int) -> ServiceCatalogue:
        if number != self.catalogue.version:
            raise NotFound(f"no such version: {number}")
        return self.catalogue

    async def entries(self) -> Mapping[str, EntryTerms]:
        return self.terms


class MemorySubscriptions:
    """By site id; and ``entitled``, for which a site is entitled to all or to nothing."""

    def __init__(self) -> None:
        self.of: dict[str, Subscription] = {}
        self.not_entitled: set[str] = set()

    def add(self, site_id: str, site: str, activated_at: datetime | None = None) -> None:
        self.of[site_id] = Subscription(site_id, site, "c", "pro-plus", LineKind.COPPER, activated_at=activated_at)

    async def of_site(self, site: str) -> Subscription | None:
        return self.of.get(site)

    def entitled(
        self, _catalogue: ServiceCatalogue, subscription: Subscription, operation: Operation | str, /, *,
        components: Sequence[str] = (),
    ) -> Entitled:  # fmt: skip
        del components
        allowed = subscription.site_id not in self.not_entitled
        return Entitled(allowed, "standard-changes", "§5.2.2", "" if allowed else f"{operation} is not part (§5.2.2)")


class NoLines:
    """``services.changes.parts.KnownLines`` of none."""

    async def of(self, device: str) -> LineSaid:
        del device
        return LineSaid()


@dataclass
class ModelBox:
    """``drift``: how often somebody else has changed it."""

    name: str = "h0"
    drift: int = 0
    reachable: bool = True

    @property
    def basis(self) -> str:
        return f"{self.name}.{self.drift}"


@dataclass
class Asked:
    """A push as it was asked for."""

    push: Push
    wanted: PushAsked
    effects: int = 0


@dataclass
class ModelPushes:
    """``services.changes.parts.Pushing``. ``killed`` is called before and after whatever would be written."""

    clock: Clock
    boxes: dict[str, ModelBox] = field(default_factory=dict)
    asked: dict[str, Asked] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    killed: Callable[[], None] = lambda: None
    began: Callable[[Asked], None] = lambda _: None
    """Called for each new push."""

    @property
    def pushes(self) -> Mapping[str, Push]:
        return {push_id: one.push for push_id, one in self.asked.items()}

    async def planned(self, device: str, make: Callable[[CpeConfig], PushAsked]) -> PlanShown:
        box = self.boxes[device]
        if not box.reachable:
            raise ConnectFailed("nobody there")
        now = CpeConfig(box.name)
        asked = make(now)
        assert asked.change is not None
        after = changed(now, asked.change)
        different = after != now
        neutral = (("hostname", now.hostname, after.hostname),) if different else ()
        return PlanShown(device, "m", box.basis, f"hostname {after.hostname}\n" if different else "", neutral, ())

    async def submit(self, asked: PushAsked, *, by: str) -> Push:
        key = f"{by}:{asked.key}"
        if key in self.keys:
            return self.asked[self.keys[key]].push
        if self.stuck(asked.device):
            raise Conflict("an earlier push is stuck")
        self.killed()
        push = Push(
            f"p{len(self.asked):031}", "j", asked.device, "", PushKind.CHANGE, "", self.clock.now(), by, "t", 300,
            basis=asked.basis, key=key,
        )  # fmt: skip
        self.asked[push.id], self.keys[key] = Asked(push, asked), push.id
        self.began(self.asked[push.id])
        self.killed()
        return push

    async def show(self, push_id: str) -> PushRecord:
        return PushRecord(self.asked[push_id].push)

    async def asked_before(self, key: str, *, by: str) -> Push | None:
        found = self.keys.get(f"{by}:{key}")
        return None if found is None else self.asked[found].push

    def stuck(self, device: str) -> bool:
        return any(
            one.push.phase is Phase.STUCK and one.push.settled is None and one.push.device_id == device
            for one in self.asked.values()
        )

    def open(self) -> list[Asked]:
        return [one for one in self.asked.values() if one.push.ended_at is None]

    def apply(self, one: Asked) -> None:
        box, change = self.boxes[one.push.device_id], one.wanted.change
        assert change is not None
        box.name = change["hostname"]
        one.effects += 1

    def end(self, one: Asked, how: str) -> None:
        """``confirmed``, ``reverted``, ``interrupted``, ``stuck``, ``stuck-after``, ``unreachable``, ``given-up``; as
        the commit path would: on what it was not asked for it does nothing."""
        if self.boxes[one.push.device_id].basis != one.push.basis:
            self._end(one, Phase.WITHDRAWN, Check.BASIS)
        elif how == "unreachable":
            self._end(one, Phase.WITHDRAWN, "connect_failed")
        elif how == "given-up":
            one.push = replace(one.push, withdrawn_by="op")
            self._end(one, Phase.WITHDRAWN, Check.WITHDRAWN)
        elif how in ("reverted", "interrupted"):
            self._end(one, Phase.REVERTED, Check.PROBE, "a probe failed" if how == "reverted" else "interrupted in it")
        elif how in ("stuck", "stuck-after"):
            if how == "stuck-after":
                self.apply(one)
            self._end(one, Phase.STUCK, "dropped")
        else:
            self.apply(one)
            self._end(one, Phase.CONFIRMED, "", "")

    def settle(self) -> None:
        """Somebody looks at the devices of stuck pushes, and says what they run."""
        for one in self.asked.values():
            if one.push.phase is Phase.STUCK and one.push.settled is None:
                how = SettledAs.AFTER if one.effects else SettledAs.BEFORE
                one.push = replace(one.push, settled=Settlement(how, self.clock.now(), "op", "seen"))

    def _end(self, one: Asked, phase: Phase, code: str, reason: str = "so") -> None:
        one.push = replace(one.push, phase=phase, code=code or None, reason=reason, ended_at=self.clock.now())


@dataclass
class Told:
    """``keeper.Everyone``. ``behind``: somebody does not take what he is told."""

    behind: bool = False
    count: int = 0

    async def mark(self) -> int:
        return 1

    async def reached(self) -> int | None:
        return 0 if self.behind else None
