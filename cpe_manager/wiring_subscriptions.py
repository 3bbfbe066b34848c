"""Names the implementations behind catalogues, subscriptions, and whoever asks what a site is entitled to."""

from __future__ import annotations

from dataclasses import dataclass

from cpe_manager.adapters.catalogue_file import CatalogueFiles
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.changes.catalogue import CHANGE_TYPES
from cpe_manager.ports.catalogue import CatalogueSource
from cpe_manager.ports.clock import Clock
from cpe_manager.ports.lines import LineStore
from cpe_manager.services.failover.subscribed import SubscribedLines
from cpe_manager.services.subscription.catalogues import CatalogueBook
from cpe_manager.services.subscription.entitling import Entitling
from cpe_manager.services.subscription.subscriptions import Subscriptions
from cpe_manager.settings import Settings


@dataclass(frozen=True, slots=True)
class Sold:
    """``lines``: as whoever moves or shows lines reads them."""

    catalogues: CatalogueBook
    subscriptions: Subscriptions
    entitling: Entitling
    lines: LineStore


def catalogue_files(settings: Settings) -> CatalogueFiles:
    return CatalogueFiles(settings.service_catalogue, settings.change_catalogue, CHANGE_TYPES)


def sold(source: CatalogueSource, database: Database, clock: Clock) -> Sold:
    catalogues = CatalogueBook(source, database.catalogues, clock)
    entitling = Entitling(catalogues, database.subscriptions)
    return Sold(
        catalogues=catalogues,
        subscriptions=Subscriptions(database.subscriptions, catalogues, clock),
        entitling=entitling,
        lines=SubscribedLines(database.lines, entitling),
    )
