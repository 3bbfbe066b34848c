"""The door to all stores of one database."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from cpe_manager.adapters.db.access.accounts import SqlAccounts
from cpe_manager.adapters.db.access.audit import SqlAudit
from cpe_manager.adapters.db.access.audit_watch import SqlAuditWatch
from cpe_manager.adapters.db.access.tokens import SqlTokens
from cpe_manager.adapters.db.activation.activations import SqlActivations
from cpe_manager.adapters.db.backup.backups import SqlBackups
from cpe_manager.adapters.db.backup.drift import SqlDrift
from cpe_manager.adapters.db.backup.drills import SqlDrills
from cpe_manager.adapters.db.changes.changes import SqlChanges
from cpe_manager.adapters.db.engine import target
from cpe_manager.adapters.db.events import SqlEvents
from cpe_manager.adapters.db.failover.lines import SqlLines
from cpe_manager.adapters.db.fleet.addresses import SqlAddresses
from cpe_manager.adapters.db.fleet.facts import SqlFacts
from cpe_manager.adapters.db.fleet.inventory import SqlInventory
from cpe_manager.adapters.db.jobs.jobs import SqlJobs
from cpe_manager.adapters.db.jobs.schedules import SqlSchedules
from cpe_manager.adapters.db.maintenance import SqlMaintenance
from cpe_manager.adapters.db.push.pushes import SqlPushes
from cpe_manager.adapters.db.replacement.replacements import SqlReplacements
from cpe_manager.adapters.db.request_keys import SqlRequestKeys
from cpe_manager.adapters.db.rollout.rollouts import SqlRollouts
from cpe_manager.adapters.db.subscription.catalogues import SqlCatalogues
from cpe_manager.adapters.db.subscription.subscriptions import SqlSubscriptions
from cpe_manager.adapters.db.telling.mail import SqlMail
from cpe_manager.adapters.db.telling.webhooks import SqlWebhooks
from cpe_manager.adapters.db.transactions import Connections
from cpe_manager.ports.accounts import AccountStore
from cpe_manager.ports.activations import ActivationStore
from cpe_manager.ports.addresses import AddressStore
from cpe_manager.ports.audit import AuditStore, AuditWatchStore
from cpe_manager.ports.catalogue import CatalogueStore
from cpe_manager.ports.changes import ChangeStore
from cpe_manager.ports.drift import DriftStore
from cpe_manager.ports.drills import DrillStore
from cpe_manager.ports.facts import FactsStore
from cpe_manager.ports.lines import LineStore
from cpe_manager.ports.mail import MailStore
from cpe_manager.ports.pushes import PushStore
from cpe_manager.ports.replacements import ReplacementStore
from cpe_manager.ports.request_keys import RequestKeyStore
from cpe_manager.ports.rollouts import RolloutStore
from cpe_manager.ports.schedules import ScheduleStore
from cpe_manager.ports.stores import BackupStore, EventStore, InventoryStore, JobStore
from cpe_manager.ports.subscriptions import SubscriptionStore
from cpe_manager.ports.tokens import TokenStore
from cpe_manager.ports.webhooks import WebhookStore


class Database:
    """Open with ``Database.open``, close when done; use within one event loop."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.inventory: InventoryStore = SqlInventory(connections)
        self.jobs: JobStore = SqlJobs(connections)
        self.backups: BackupStore = SqlBackups(connections)
        self.schedules: ScheduleStore = SqlSchedules(connections)
        self.tokens: TokenStore = SqlTokens(connections)
        self.accounts: AccountStore = SqlAccounts(connections)
        self.events: EventStore = SqlEvents(connections)
        self.facts: FactsStore = SqlFacts(connections)
        self.pushes: PushStore = SqlPushes(connections)
        self.rollouts: RolloutStore = SqlRollouts(connections)
        self.replacements: ReplacementStore = SqlReplacements(connections)
        self.drills: DrillStore = SqlDrills(connections)
        self.drift: DriftStore = SqlDrift(connections)
        self.addresses: AddressStore = SqlAddresses(connections)
        self.lines: LineStore = SqlLines(connections)
        self.webhooks: WebhookStore = SqlWebhooks(connections)
        self.audit: AuditStore = SqlAudit(connections)
        self.audit_watch: AuditWatchStore = SqlAuditWatch(connections)
        self.mail: MailStore = SqlMail(connections)
        self.catalogues: CatalogueStore = SqlCatalogues(connections)
        self.subscriptions: SubscriptionStore = SqlSubscriptions(connections)
        self.changes: ChangeStore = SqlChanges(connections)
        self.activations: ActivationStore = SqlActivations(connections)
        self.request_keys: RequestKeyStore = SqlRequestKeys(connections)
        self.maintenance = SqlMaintenance(connections)

    @classmethod
    async def open(cls, url: str, *, busy_timeout: float = 10.0, pool: int = 4) -> Self:
        """Connect to ``sqlite:////path/to/file`` or ``postgresql://user:password@host:port/name``.

        ``busy_timeout`` in seconds. A SQLite file is made when there is none; the schema is ``maintenance.migrate``'s.
        Raises ``StoreError`` when the database cannot be reached, ``SettingsError`` for a URL that means nothing.
        """
        database = cls(Connections(target(url, busy_timeout=busy_timeout, pool=pool)))
        try:
            await database.maintenance.ping()
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def label(self) -> str:
        """The database in words: a file or ``host:port/name``, never a password."""
        return self._connections.target.label

    @property
    def is_sqlite(self) -> bool:
        return self._connections.target.is_sqlite

    async def close(self) -> None:
        await self._connections.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
