"""Names the implementations behind the audit log."""

from __future__ import annotations

from backups.auditing import RingAuditKeys
from backups.keyfile import Rings
from cpe_manager.adapters.audit_witness import WitnessFile
from cpe_manager.adapters.db.database import Database
from cpe_manager.ports.clock import Clock
from cpe_manager.services.access.audit import AuditBook
from cpe_manager.services.access.audit_watch import AuditGauges, AuditWatch
from cpe_manager.settings import Settings

WITNESS = "audit-head.json"


def audit_book(settings: Settings, database: Database, rings: Rings, clock: Clock) -> AuditBook:
    return AuditBook(database.audit, RingAuditKeys(rings), clock, WitnessFile(settings.data_dir / WITNESS))


def audit_watch(settings: Settings, database: Database, rings: Rings, clock: Clock, gauges: AuditGauges) -> AuditWatch:
    return AuditWatch(audit_book(settings, database, rings, clock), database.audit_watch, clock, gauges)
