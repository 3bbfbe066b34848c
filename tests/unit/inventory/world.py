"""What the inventory tests share: a known world of families and credentials, and short ways to say things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cpe_manager.adapters.inventory.formats import InventoryFormats
from cpe_manager.domain.errors import CredentialMissing, StoreBusy, UnknownFamily
from cpe_manager.domain.fleet.import_plan import Existing, ImportPlan, PlanOptions, plan
from cpe_manager.domain.fleet.import_rules import Known
from cpe_manager.domain.fleet.inventory import Device, DeviceRecord, Group, InventoryDocument, LifeState
from cpe_manager.ports.driver import Driver
from cpe_manager.ports.inventory_source import SourceFile
from cpe_manager.ports.shell import Credential
from cpe_manager.services.fleet.importing import Importer, ImportReport, ImportRequest
from cpe_manager.services.fleet.inventory import Inventory
from tests.fakes.clock import CountingIds, SimulatedClock
from tests.fakes.inventory_store import MemoryInventoryStore

FAMILIES = ("cisco_ios", "frr_linux", "openwrt")
CREDENTIALS = ("core", "edge")
PLATFORMS = ("netmiko:cisco_ios", "netmiko:cisco_s300", "netmiko:juniper_junos")
KNOWN = Known(frozenset(FAMILIES), frozenset(CREDENTIALS), frozenset(PLATFORMS))


class NamedDrivers:
    """Families by name only: the inventory asks for nothing else."""

    def get(self, family: str) -> Driver:
        raise UnknownFamily(f"no driver {family}")

    def families(self) -> tuple[str, ...]:
        return FAMILIES

    def platforms(self) -> tuple[str, ...]:
        return PLATFORMS


class NamedCredentials:
    def get(self, ref: str) -> Credential:
        raise CredentialMissing(f"no credential {ref}")

    def names(self) -> tuple[str, ...]:
        return CREDENTIALS


@dataclass(slots=True)
class World:
    """The two services over a store in memory; ``backed_up`` are the ids that first backups were asked for."""

    store: MemoryInventoryStore = field(default_factory=MemoryInventoryStore)
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    backed_up: list[str] = field(default_factory=list)
    refuse_backups: bool = False
    inventory: Inventory = field(init=False)
    importer: Importer = field(init=False)

    def __post_init__(self) -> None:
        self.inventory = Inventory(
            self.store, self.clock, CountingIds(), NamedDrivers(), NamedCredentials(), self._on_added
        )
        self.importer = Importer(self.inventory, InventoryFormats())

    async def _on_added(self, device_ids: Sequence[str]) -> None:
        if self.refuse_backups:
            raise StoreBusy("the database is locked")
        self.backed_up.extend(device_ids)

    async def load(self, text: str, request: ImportRequest | None = None) -> ImportReport:
        """Import a CSV text, with the other fields of ``request``."""
        base = request or ImportRequest((), by="test")
        return await self.importer.run(replace(base, files=(SourceFile("fleet.csv", text),)))


def record(name: str = "r1", **fields: object) -> DeviceRecord:
    values: dict[str, object] = {"address": "10.0.0.1", "file": "f", "line": 2, "family": "openwrt", **fields}
    return DeviceRecord(name=name, **values)  # type: ignore[arg-type]


def device(name: str = "r1", **fields: object) -> Device:
    values: dict[str, object] = {
        "id": f"id-{name}",
        "position_id": f"pos-{name}",
        "site_id": f"site-of-{name}",
        "site": name,
        "address": "10.0.0.1",
        "state": LifeState.ACTIVE,
        "family": "openwrt",
        **fields,
    }
    return Device(name=name, **values)  # type: ignore[arg-type]


def planned(
    stored: Sequence[Device] = (),
    records: Sequence[DeviceRecord] = (),
    *,
    groups: Sequence[Group] = (),
    new_groups: Sequence[Group] = (),
    options: PlanOptions | None = None,
) -> ImportPlan:
    document = InventoryDocument(tuple(records), tuple(new_groups))
    return plan(Existing(stored, groups), document, KNOWN, options or PlanOptions())
