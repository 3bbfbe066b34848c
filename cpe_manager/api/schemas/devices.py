"""Devices, groups and imports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from pydantic import Field

from cpe_manager.api.schemas.common import Asked, Body, View
from cpe_manager.api.schemas.drift import StandingView
from cpe_manager.api.schemas.drills import RestorableView
from cpe_manager.api.schemas.facts import FactsView
from cpe_manager.domain.backup.drills import DrillResult
from cpe_manager.domain.fleet.import_plan import DeviceChange, ImportPlan
from cpe_manager.domain.fleet.inventory import SETTING_NAMES, Device, Group, LifeState, LineKind
from cpe_manager.domain.fleet.settings_inheritance import Resolved, insecurities
from cpe_manager.ports.stores import DeviceView as StoredDevice
from cpe_manager.ports.stores import HostKey


class HostKeyView(View):
    """``state``: pinned, or offered (seen, differs from the pinned one, waits for a person)."""

    algorithm: str
    fingerprint: str
    state: str
    first_seen_at: datetime
    accepted_by: str | None

    @classmethod
    def of(cls, key: HostKey) -> HostKeyView:
        return cls(
            algorithm=key.key.split(" ", 1)[0],
            fingerprint=key.fingerprint,
            state=key.state,
            first_seen_at=key.first_seen_at,
            accepted_by=key.accepted_by,
        )


class EffectiveView(View):
    """What is in force after inheritance; times in seconds. Null: nothing in the chain of groups gives one."""

    family: str | None
    credential: str | None
    port: int
    settings: dict[str, bool | float | int | str]

    @classmethod
    def of(cls, resolved: Resolved) -> EffectiveView:
        named = {name: getattr(resolved.settings, name) for name in sorted(SETTING_NAMES)}
        options = {f"options.{name}": value for name, value in sorted(resolved.settings.options.items())}
        return cls(
            family=resolved.family,
            credential=resolved.credential,
            port=resolved.port,
            settings={**named, **options},
        )


class DeviceView(View):
    """A device with what is known of its backups. Null in family, credential or port: inherited from the group."""

    id: str
    name: str
    site: str
    address: str
    state: LifeState
    port: int | None
    family: str | None
    group: str | None
    credential: str | None = Field(description="Name of the credential, never the credential")
    line: str | None
    access_node: str | None
    serial: str | None
    model: str | None
    settings: dict[str, Any]
    insecure: list[str] = Field(
        default_factory=list,
        description="Why sessions to it are insecure: telnet, legacy_crypto; empty when not",
    )
    installed_at: datetime | None
    removed_at: datetime | None
    last_attempt_at: datetime | None
    last_success_at: datetime | None
    age_seconds: float | None = Field(description="Since the last success; null when there was none")
    last_error_code: str | None
    last_error: str | None
    failures: int = Field(description="Failed attempts since the last success")
    overdue_since: datetime | None
    current_backup_id: str | None
    restorable: RestorableView | None = Field(
        default=None, description="What the latest drill of its current version gave; null: that was never drilled"
    )
    host_keys: list[HostKeyView]
    in_force: EffectiveView | None = Field(default=None, description="After inheritance; only when one is asked for")
    facts: FactsView | None = Field(default=None, description="What it told of itself; only when one is asked for")
    drift: StandingView | None = Field(default=None, description="How it stands; only when one is asked for")

    @classmethod
    def of(cls, stored: StoredDevice, now: datetime, drill: DrillResult | None = None) -> DeviceView:
        device, status = stored.device, stored.status
        own = {name: getattr(device, name) for name in _OWN}
        known = {name: getattr(status, name) for name in _KNOWN}
        last = status.last_success_at
        return cls(
            **own,
            **known,
            settings=dict(device.settings),
            insecure=list(insecurities(device.settings)),
            age_seconds=(now - last).total_seconds() if last is not None else None,
            restorable=RestorableView.of(drill),
            host_keys=[HostKeyView.of(key) for key in stored.host_keys],
        )


_OWN = (
    "id", "name", "site", "address", "state", "port", "family", "group", "credential", "line", "access_node",
    "serial", "model", "installed_at", "removed_at",
)  # fmt: skip
_KNOWN = (
    "last_attempt_at", "last_success_at", "last_error_code", "last_error", "failures", "overdue_since",
    "current_backup_id",
)  # fmt: skip


class DeviceQuery(Asked):
    """Conditions are joined by AND."""

    group: str | None = Field(default=None, description="Of this group and the groups below it")
    family: str | None = None
    state: LifeState | None = None
    site: str | None = None
    overdue: bool | None = Field(default=None, description="Whose last good backup is older than its target")
    q: str | None = Field(default=None, max_length=200, description="Part of name, site or address")
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=1000)


class DeviceBody(Body):
    """A device to be added. What is left out is inherited from the group; the site is the name when left out."""

    name: str
    address: str = Field(description="IPv4, IPv6 or host name")
    site: str = ""
    port: int | None = None
    family: str | None = None
    group: str | None = None
    credential: str | None = None
    line: str | None = None
    line_kind: LineKind | None = None
    access_node: str | None = None
    serial: str | None = None
    model: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    host_key: str | None = Field(
        default=None,
        max_length=4000,
        pattern=r"^[a-z0-9@.-]+ [A-Za-z0-9+/]+=*$",
        description="Pin this host key (`ssh-ed25519 AAAA...`), such as the one that a detection met; "
        "left out: the first contact's is pinned",
    )
    backup: bool = Field(default=True, description="Back it up right away")


class AcceptKeyBody(Body):
    """``fingerprint`` says which offered key, where there are several. ``forget``: learn at the next contact."""

    fingerprint: str | None = None
    forget: bool = False


class ReplaceBody(Body):
    """The new hardware on a device's position; what is left out stays as it was. Its host key is learned afresh."""

    serial: str
    model: str | None = None
    address: str | None = None
    backup: bool = Field(default=True, description="Back it up right away")


class GroupView(View):
    name: str
    parent: str | None
    family: str | None
    credential: str | None
    port: int | None
    settings: dict[str, Any]

    @classmethod
    def of(cls, group: Group) -> GroupView:
        return cls.model_validate(group).model_copy(update={"settings": dict(group.settings)})


class GroupBody(Body):
    parent: str | None = None
    family: str | None = None
    credential: str | None = None
    port: int | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


class ImportFile(Body):
    """``name`` is for messages and for telling the format; nothing is opened by it."""

    name: str = Field(min_length=1, max_length=1000)
    text: str


class ImportBody(Body):
    files: list[ImportFile] = Field(min_length=1, max_length=100)
    format: str | None = Field(default=None, description="Told from names and texts when left out")
    options: dict[str, str] = Field(default_factory=dict, description="The format's own options")
    dry_run: bool = False
    suspend_missing: bool = Field(default=False, description="Suspend active devices that the files do not list")
    scope: list[str] | None = Field(default=None, description="Groups that suspend_missing is limited to")
    make_groups: bool = Field(default=True, description="Make groups that do not exist; false refuses them")
    backup: bool = Field(default=True, description="Back up added and resumed devices right away")


class FieldChangeView(View):
    field: str
    before: Any
    after: Any


class PlannedDevice(View):
    """A device in an import's plan; ``changes`` is empty for one that is added."""

    name: str
    site: str
    address: str
    family: str | None
    group: str | None
    changes: list[FieldChangeView] = Field(default_factory=list)

    @classmethod
    def added(cls, device: Device) -> PlannedDevice:
        return cls(name=device.name, site=device.site, address=device.address, family=device.family, group=device.group)

    @classmethod
    def changed(cls, change: DeviceChange) -> PlannedDevice:
        changes = [
            FieldChangeView(field=one.field, before=_plain(one.before), after=_plain(one.after))
            for one in change.fields
        ]
        return cls.added(change.after).model_copy(update={"changes": changes})


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


class Report(Protocol):
    """An import's report, as the service gives it; a client does not need the service."""

    @property
    def format(self) -> str: ...
    @property
    def dry_run(self) -> bool: ...
    @property
    def plan(self) -> ImportPlan: ...


class ImportView(View):
    """What an import did, or with ``dry_run`` would do."""

    format: str
    dry_run: bool
    groups: list[str] = Field(description="Groups made or changed")
    added: list[PlannedDevice]
    changed: list[PlannedDevice]
    suspended: list[PlannedDevice]
    resumed: list[PlannedDevice]
    replaced: list[PlannedDevice]
    unchanged: int
    warnings: list[str]

    @classmethod
    def of(cls, report: Report) -> ImportView:
        plan = report.plan
        changes = {
            heap: [PlannedDevice.changed(one) for one in getattr(plan, heap)]
            for heap in ("changed", "suspended", "resumed", "replaced")
        }
        return cls(
            format=report.format,
            dry_run=report.dry_run,
            groups=[group.name for group in plan.groups],
            added=[PlannedDevice.added(device) for device in plan.added],
            unchanged=len(plan.unchanged),
            warnings=list(plan.warnings),
            **changes,
        )
