"""The services of one process, as the API and the daemon are given them."""

from __future__ import annotations

from dataclasses import dataclass

from cpe_manager.domain.errors import StoreError
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.driver import Drivers
from cpe_manager.ports.maintenance import Maintenance
from cpe_manager.ports.sessions import Credentials
from cpe_manager.ports.stores import EventStore
from cpe_manager.services.access.audit import AuditBook
from cpe_manager.services.access.audit_watch import AuditWatch
from cpe_manager.services.access.house import AccountHouse
from cpe_manager.services.access.tokens import Tokens
from cpe_manager.services.activation.orders import Activations
from cpe_manager.services.backup.drift import DriftBook
from cpe_manager.services.backup.drills import Drills
from cpe_manager.services.backup.history import History
from cpe_manager.services.backup.worker import ShardWorker
from cpe_manager.services.changes.bulk import BulkChanges
from cpe_manager.services.changes.requests import ChangeRequests
from cpe_manager.services.failover.lines import Lines
from cpe_manager.services.fleet.detection import Detector
from cpe_manager.services.fleet.facts import DeviceFactsBook
from cpe_manager.services.fleet.importing import Importer
from cpe_manager.services.fleet.inventory import Inventory
from cpe_manager.services.jobs.jobs import Jobs
from cpe_manager.services.jobs.scheduling import Scheduling
from cpe_manager.services.keys import Keys
from cpe_manager.services.push.pushes import Pushes
from cpe_manager.services.replacement.replacements import Replacements
from cpe_manager.services.request_keys import RequestKeys
from cpe_manager.services.rollout.rollouts import Rollouts
from cpe_manager.services.subscription.catalogues import CatalogueBook
from cpe_manager.services.subscription.subscriptions import Subscriptions
from cpe_manager.services.telling.notices import Notices
from cpe_manager.services.telling.webhooks import Webhooks


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
    audit_watch: AuditWatch
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
