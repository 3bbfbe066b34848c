"""Names the implementations behind accounts: the hasher of passwords, the provider of log-ins."""

from __future__ import annotations

from datetime import timedelta

from cpe_manager.adapters.db.database import Database
from cpe_manager.adapters.oidc import OidcClient, OidcProvider
from cpe_manager.adapters.passwords import Argon2Passwords, Cost
from cpe_manager.domain.access.access import Role
from cpe_manager.domain.access.accounts import SessionRules
from cpe_manager.domain.errors import SettingsError
from cpe_manager.ports.clock import Clock, Ids
from cpe_manager.services.access.house import AccountHouse, HouseStores, SignOnParts, account_house
from cpe_manager.services.access.single_sign_on import Mapping
from cpe_manager.services.access.tokens import Tokens
from cpe_manager.settings import Settings


def accounts(settings: Settings, database: Database, clock: Clock, ids: Ids) -> AccountHouse:
    cost = Cost(settings.password_time_cost, settings.password_memory_kib, settings.password_parallelism)
    rules = SessionRules(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))
    tokens = Tokens(database.tokens, database.events, clock, ids)
    stores = HouseStores(database.accounts, database.events, tokens)
    return account_house(stores, Argon2Passwords(cost), clock, ids, rules, _sign_on(settings, clock))


def _sign_on(settings: Settings, clock: Clock) -> SignOnParts | None:
    """None unless a provider is set. Raises ``SettingsError``."""
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id:
        raise SettingsError("oidc_issuer is set, and oidc_client_id is not")
    secret = None
    if settings.oidc_client_secret_file is not None:
        try:
            secret = settings.oidc_client_secret_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise SettingsError(f"oidc_client_secret_file {settings.oidc_client_secret_file}: {error}") from error
    client = OidcClient(settings.oidc_issuer, settings.oidc_client_id, secret, settings.oidc_scopes)
    roles = {value: Role(role) for value, role in settings.oidc_roles.items()}
    mapping = Mapping(settings.oidc_name_claim, settings.oidc_roles_claim, roles, settings.oidc_sites_claim)
    return SignOnParts(OidcProvider(client, clock), mapping)
