"""Names the implementations behind activation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.holidays import PublicHolidays
from cpe_manager.adapters.outside import CommandProber, TcpProber
from cpe_manager.adapters.templates.pages import JinjaPages
from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.ports.activations import TICKET
from cpe_manager.ports.catalogue import Catalogues
from cpe_manager.ports.engine import Engine
from cpe_manager.services.activation.configuring import Configuring
from cpe_manager.services.activation.keeper import ActivationWatch, ActivationWork, Hands
from cpe_manager.services.activation.orders import Activations
from cpe_manager.services.activation.parts import ActivationStores, House, Terms
from cpe_manager.services.activation.reporting import Reporting
from cpe_manager.services.activation.testing import Testing
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.failover.coverage import TransferTest
from cpe_manager.services.failover.lines import Lines
from cpe_manager.services.jobs.jobs import Jobs
from cpe_manager.services.push.pushes import Pushes
from cpe_manager.settings import Settings


@dataclass(frozen=True, slots=True)
class Activating:
    """``look`` is a chore."""

    service: Activations
    look: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Acts:
    """What of the rest of the process activation works with."""

    outside: Outside
    engine: Engine
    pushes: Pushes
    jobs: Jobs
    lines: Lines
    catalogues: Catalogues
    owner: str


def terms_of(settings: Settings) -> Terms:
    transfers = TransferTest(
        settings.activation_download_url or settings.coverage_download_url,
        settings.activation_upload_url or settings.coverage_upload_url,
        settings.activation_seconds,
    )
    return Terms(
        zone=settings.activation_zone,
        barrier=Barrier(settings.failover_voice_sip, settings.failover_voice_rtp),
        transfers=transfers,
        speed_share=settings.activation_speed_share,
        dns_name=settings.activation_dns_name,
        failover_seconds=settings.activation_failover_seconds,
        comes_up_seconds=settings.activation_line_seconds,
        proves_backup=settings.failover_enabled,
    )


def activating(settings: Settings, database: Database, acts: Acts) -> Activating:
    """Put together, its handler registered with the engine. Raises ``InputError`` for a prober that is none."""
    stores = ActivationStores(
        database.activations, database.subscriptions, acts.catalogues, database.inventory, database.backups
    )
    prober = CommandProber(settings.activation_prober) if settings.activation_prober else TcpProber()
    house = House(acts.outside, PublicHolidays(), prober, terms_of(settings))
    hands = Hands(
        Configuring(stores, house, acts.pushes, acts.jobs, acts.lines),
        Testing(stores, house, acts.lines),
        Reporting(stores, house, JinjaPages()),
    )
    work = ActivationWork(stores.activations, hands, acts.outside, owner=acts.owner)
    acts.engine.register(TICKET, work.handle)
    watch = ActivationWatch(stores.activations, database.events, acts.engine, acts.outside, house.terms.zone)
    return Activating(Activations(stores, acts.engine, house), watch.look)
