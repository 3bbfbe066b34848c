"""A daemon with a little of everything in it, for tests that send it what comes to mind."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from cpe_manager.domain.access.access import SYSTEM, Role
from cpe_manager.domain.access.accounts import GRANTABLE, AccountKind
from cpe_manager.services.access.book import NewAccount, TokenWish
from tests.fakes.nowhere import NoAgents, NoBoxes, NoServers
from tests.integration.api.changing import OPEN_PORT, SHOWN, WIFI, accepted
from tests.integration.api.live import Live, live_daemon
from tests.integration.api.world import Reach

ROLES: Final[Mapping[str, frozenset[Role]]] = {
    "everything": frozenset(Role) - {Role.CUSTOMER},
    **{role.value: frozenset({role}) for role in Role},
}
SITE: Final = "w1"
"""The customer's."""
DEVICES: Final = ("r1", "r2", "r3")
_SAMPLE: Final = re.compile(r'^cpe_manager_http_requests_total\{method="(\w+)",route="([^"]+)",status="(\d+)"\} (\S+)')


@contextmanager
def peopled(home: Path) -> Iterator[Live]:
    """Nothing outside of the process can be reached from it."""
    with live_daemon(home, Reach(NoBoxes(), NoAgents(), NoServers())) as live:
        # A stream has no end of its own; of a daemon that shuts down it ends after its greeting.
        live.run(_hushed(live))
        live.run(_filled(live))
        live.tokens = live.run(_known(live))
        yield live


async def _hushed(live: Live) -> None:
    live.world.app.state.feed.close()


async def _known(live: Live) -> dict[str, str]:
    """An account for each role, with a token."""
    book = live.world.services.accounts.book
    tokens = {}
    for name, roles in ROLES.items():
        sites = frozenset({SITE}) if name == Role.CUSTOMER else None
        granted = GRANTABLE if name == "everything" else frozenset()
        await book.add(NewAccount(f"as-{name}", AccountKind.SERVICE, roles, sites, granted=granted), by=SYSTEM)
        tokens[name] = (await book.make_token(f"as-{name}", TokenWish(f"of-{name}"), by=SYSTEM)).text
    return tokens


async def kept(live: Live) -> list[str]:
    """Names and ids of what nobody takes away: the accounts that ask, their tokens, the first devices."""
    book = live.world.services.accounts.book
    names = list(DEVICES)
    for account in (await book.list(after=None, limit=100)).items:
        if account.name.startswith("as-"):
            tokens = await book.tokens(account.name)
            names += [account.name, account.id, *(word for one in tokens for word in (one.name, one.id))]
    return names


async def _filled(live: Live) -> None:
    world = live.world
    await world.add_devices(*DEVICES)
    # The one that the examples of the description speak of.
    await world.add_devices("w1", "w2", "GENT-01", family="openwrt")
    for note in ("first", "second"):
        await world.back_up("r1", note)
    await world.back_up("r2", "only")
    async with await world.client() as http:
        for method, path, body in (
            ("PUT", "/groups/shops", {"family": "frr_linux", "credential": "lab", "settings": {}}),
            ("POST", "/schedules", {"name": "nightly", "cron": "0 1 * * *"}),
            ("POST", "/webhooks", {"name": "desk", "url": "https://desk.example/hook", "kinds": ["device.*"]}),
            ("PUT", "/lines/r1", {"line_address": "192.0.2.10", "fixed_ipv4": "203.0.113.7"}),
            ("POST", "/pushes", {"device": "w1", "change": {"dns": ["9.9.9.9"]}}),
            ("POST", "/rollouts", {"name": "dns", "select": {"names": ["w2"]}, "change": {"dns": ["9.9.9.9"]}}),
            ("POST", "/replacements", {"device": "r3", "serial": "NEW-1"}),
            ("POST", "/backups", {"names": ["r2"]}),
            ("PUT", "/subscriptions/w1", {"customer": "ACME", "formula": "pro-plus", "technology": "fibre"}),
            ("POST", "/activations", {"device": "w2", "formula": "pro", "technology": "copper"}),
            ("POST", "/changes", OPEN_PORT),
            ("POST", "/changes", OPEN_PORT),
            ("POST", "/changes", WIFI),
        ):
            answer = await http.request(method, f"/api/v1{path}", json=body)
            assert answer.is_success, (path, answer.text)
        for change in (await http.get("/api/v1/changes", params={"type": "open-port"})).json()["items"]:
            await accepted(world, change["id"])


def headers(live: Live, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {live.tokens[role]}"}


def dictionaries(live: Live) -> dict[str, list[Any]]:
    """What is there, by the place where it can be named: ``path.name``, ``body.device``."""
    token = headers(live, "everything")
    with httpx.Client(base_url=f"{live.url}/api/v1", headers=token) as http:

        def ids(path: str) -> list[str]:
            return [one["id"] for one in http.get(path).json()["items"]]

        devices = [*DEVICES, "w1", "w2"]
        return {
            "path.name": devices,
            "path.line": ["r1", *ids("/lines")],
            "path.push_id": ids("/pushes"),
            "path.rollout_id": ids("/rollouts"),
            "path.job_id": ids("/jobs"),
            "path.replacement_id": ids("/replacements"),
            "path.webhook": ["desk", *ids("/webhooks")],
            "path.name_or_id": ["spare"],
            "path.key_id": [one["key_id"] for one in http.get("/keys").json()["items"]],
            "path.family": ["frr_linux", "openwrt", "netmiko:cisco_s300"],
            "path.version": [1, 2, "current", "quarantined"],
            "path.change": [one["ticket"] for one in http.get("/changes").json()["items"]],
            "path.type": ["open-port", "wifi"],
            "path.site": ["w1", "w2"],
            "path.account": ["spare", *ids("/accounts")],
            "path.activation": ids("/activations"),
            "path.formula": ["pro", "pro-plus"],
            "path.number": [1, 2],
            "path.code": ["conflict", "input"],
            "query.device": devices,
            "query.line": ["r1"],
            "query.group": ["shops"],
            "body.device": devices,
            "body.names[*]": devices,
            "body.devices[*]": devices,
            "body.select.names[*]": devices,
            "body.rows[*].device": devices,
            "body.digest": [SHOWN.digest],
            "body.site": ["w1", "w2"],
            "body.type": ["open-port", "wifi", "reboot"],
            "body.technology": ["fibre", "copper"],
            "body.group": ["shops"],
            "body.parent": ["shops"],
            "body.family": ["frr_linux", "openwrt"],
            "body.credential": ["lab"],
            "body.address": ["192.0.2.77", "2001:db8::77", "box.example"],
            "body.line_address": ["192.0.2.78"],
            "body.mobile_address": ["198.51.100.78"],
            "body.fixed_ipv4": ["203.0.113.8"],
            "body.fixed_ipv6": ["2001:db8:1::/56"],
            "body.formula": ["pro", "pro-plus"],
            "body.cron": ["0 1 * * *"],
            "body.timezone": ["Europe/Brussels"],
            "body.kinds[*]": ["device.*", "job.finished"],
            "body.url": ["https://desk.example/hook"],
        }


NAMED: Final = {"/schedules/": ["nightly"], "/groups/": ["shops"]}
"""What is not a device, of those that a path calls by name."""


def answered(live: Live) -> dict[tuple[str, str], dict[int, int]]:
    """How often each route answered with which status since the daemon began, as its own metrics tell."""
    found: defaultdict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for line in httpx.get(f"{live.url}/metrics").text.splitlines():
        sample = _SAMPLE.match(line)
        if sample is not None:
            method, route, status, times = sample.groups()
            found[method, route][int(status)] = int(float(times))
    return found
