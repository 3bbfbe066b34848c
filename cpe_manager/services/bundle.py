"""The services of one process, as the API and the daemon are given them."""

from __future__ import annotations

from dataclasses import dataclass

from cpe_manager.domain.errors import StoreError
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.driver import Drivers
from cpe_manager.ports.maintenance import Maintenance
from cpe_manager.ports.sessions import Credentials
from cpe_manager.ports.stores import EventStore
from cpe_manager.services.accounts.house import AccountHouse
from cpe_manager.services.activation.orders import Activations
from cpe_manager.services.audit import AuditBook
from cpe_manager.services.catalogues import CatalogueBook
from cpe_manager.services.changes.bulk import BulkChanges
from cpe_manager.services.changes.requests import ChangeRequests
from cpe_manager.services.detection import Detector
from cpe_manager.services.drift import DriftBook
from cpe_manager.services.drills import Drills
from cpe_manager.services.facts import DeviceFactsBook
from cpe_manager.services.history import History
from cpe_manager.services.importing import Importer
from cpe_manager.services.inventory import Inventory
from cpe_manager.services.jobs import Jobs
from cpe_manager.services.keys import Keys
from cpe_manager.services.lines import Lines
from cpe_manager.services.notices import Notices
from cpe_manager.services.pushes import Pushes
from cpe_manager.services.replacements import Replacements
from cpe_manager.services.request_keys import RequestKeys
from cpe_manager.services.rollouts import Rollouts
from cpe_manager.services.scheduling import Scheduling
from cpe_manager.services.subscriptions import Subscriptions
from cpe_manager.services.tokens import Tokens
from cpe_manager.services.webhooks import Webhooks
from cpe_manager.services.worker import ShardWorker


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a surface may call. ``worker`` tells what hinders work (disk full, database locked)."""

    inventory: Inventory
    detector: Detector
    facts: DeviceFactsBook
    importer: Importer
    history: History
    jobs: Jobs
    pushes: Pushes
    rollouts: Rollouts
    drift: DriftBook
    replacements: Replacements
    lines: Lines
    catalogues: CatalogueBook
    subscriptions: Subscriptions
    changes: ChangeRequests
    bulk_changes: BulkChanges
    activations: Activations
    drills: Drills
    scheduling: Scheduling
    tokens: Tokens
    accounts: AccountHouse
    keys: Keys
    webhooks: Webhooks
    audit: AuditBook
    notices: Notices
    request_keys: RequestKeys
    worker: ShardWorker
    events: EventStore
    maintenance: Maintenance
    drivers: Drivers
    credentials: Credentials
    clock: Clock

    async def ready(self) -> str | None:
        """None when the process can do its work, else the reason in one line."""
        try:
            await self.maintenance.ping()
        except StoreError as error:
            return str(error)
        return self.worker.hindrance
