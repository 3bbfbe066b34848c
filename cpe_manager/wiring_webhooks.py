"""Names the implementations behind webhooks."""

from __future__ import annotations

from datetime import timedelta

from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.http_posts import HttpPosts
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.telling.webhooks import WebhookParts, WebhookRules, Webhooks, sites_of
from cpe_manager.settings import Settings


def webhooks(settings: Settings, database: Database, outside: Outside, owner: str) -> Webhooks:
    private = settings.webhook_private_addresses
    parts = WebhookParts(
        database.webhooks,
        database.events,
        outside.vault,
        HttpPosts(private=private),
        HttpPosts(private=False),
        sites_of(database.accounts),
    )
    rules = WebhookRules(owner, timedelta(days=settings.webhook_give_up_days), plain=private)
    return Webhooks(parts, outside.clock, outside.ids, rules)
