"""Names the implementations behind mails."""

from __future__ import annotations

from datetime import timedelta

from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.mail import Route, SmtpPost
from cpe_manager.domain.telling.mail import addresses
from cpe_manager.ports.mail import Post
from cpe_manager.services.backup.attempt import Outside
from cpe_manager.services.telling.notice_facts import activation_facts, cap_facts, change_facts, incident_facts
from cpe_manager.services.telling.notices import MailGauges, NoticeParts, NoticeRules, Notices
from cpe_manager.settings import Settings


def notices(settings: Settings, database: Database, outside: Outside, owner: str, gauges: MailGauges) -> Notices:
    """Raises ``SettingsError``."""
    zone = settings.nightly_timezone
    facts = {
        "change": change_facts(database.changes, zone),
        "activation": activation_facts(zone),
        "incident": incident_facts(zone),
        "line": cap_facts(zone),
    }
    post = _post(settings, outside)
    parts = NoticeParts(database.mail, database.events, database.subscriptions, post, gauges, facts)
    rules = NoticeRules(
        owner,
        addresses(settings.mail_operator),
        settings.mail_operator_language,
        timedelta(days=settings.mail_give_up_days),
        zone=zone,
    )
    return Notices(parts, outside.clock, outside.ids, rules)


def _post(settings: Settings, outside: Outside) -> Post | None:
    if not settings.mail_host:
        return None
    route = Route(
        host=settings.mail_host,
        sender=settings.mail_from,
        port=settings.mail_port,
        security=settings.mail_security,
        credential=settings.mail_credential,
        seconds=settings.mail_timeout_seconds,
        ca_file=settings.mail_ca_file,
    )
    return SmtpPost(route, outside.credentials)
