"""How a box says that its internet side is up, for the families that say it in the same words; no driver by itself.

Linux (``ip -j`` of iproute2, also on VyOS), netifd's ``ubus`` objects (OpenWrt and its descendants), IOS. All of it
only looks, and what a box does not say stays open: nothing here guesses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from ipaddress import IPv4Interface, ip_address
from typing import Any, Final

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete
from cpe_manager.domain.push.probes import LineState
from cpe_manager.kit.attempts import attempt
from cpe_manager.ports.shell import Shell

_ECHOES: Final = 2
_DEAD: Final = frozenset({"dead", "linkdown"})
_BRIEF: Final = r"^{}\s+(\S+)\s+(?:YES|NO)\s+\S+\s+(administratively down|\S+)\s+(\S+)\s*$"
# A default route, or the first half of one that goes before every other (`128.0.0.0` is the second).
_DEFAULT: Final = re.compile(r"^Routing entry for 0\.0\.0\.0/[01]\b", re.MULTILINE)
_OVER: Final = re.compile(
    r"^ +\* (?:(?P<hop>\d[\d.]+)|directly connected)(?:, from [\d.]+,.*?)?(?:, via (?P<name>[^\s,]+))?", re.MULTILINE
)
_SUCCESS: Final = re.compile(r"Success rate is (\d+) percent")


async def linux_line(shell: Shell, name: str) -> LineState:
    """Address and state of an interface, and whether any default route leads anywhere."""
    shown = await shell.execute(f"ip -j -4 address show dev {name}")
    routes = await shell.execute("ip -j -4 route show default")
    default = None
    if routes.exit_status == 0:
        default = any(not _DEAD & set(route.get("flags", ())) for route in _items(routes.stdout))
    if shown.exit_status != 0:
        # A PPP interface that is not dialled is not there at all.
        gone = "does not exist" in shown.stderr
        return LineState(up=False if gone else None, default_route=default)
    link = next(iter(_items(shown.stdout)), {})
    own = next((one for one in _addresses(link.get("addr_info", ()), "local", "prefixlen")), None)
    return LineState({"UP", "LOWER_UP"} <= set(link.get("flags", ())), own, default)


async def linux_ping(shell: Shell, target: str) -> bool:
    """``ping`` of iputils or BusyBox: its status says whether any echo came."""
    result = await shell.execute(f"ping -c {_ECHOES} -W 3 {ip_address(target)}")
    if result.exit_status not in (0, 1):
        raise CommandRefused(f"`ping` ended with status {result.exit_status}")
    return result.exit_status == 0


async def netifd_way(shell: Shell) -> str:
    """The logical interface whose default route has the lowest metric of those that are up; empty: there is none."""
    result = await shell.execute("ubus -S call network.interface dump")
    if result.exit_status != 0:
        raise CommandRefused(f"`ubus call network.interface dump` ended with status {result.exit_status}")
    dump = _object(result.stdout).get("interface", [])
    found = [one for one in dump if isinstance(one, dict) and _leads_out(one)] if isinstance(dump, list) else []
    return str(min(found, key=_metric, default={}).get("interface", ""))


async def mwan3_way(shell: Shell, policy: str) -> str:
    """The logical interface that mwan3 leads most of a policy's traffic to; empty where it does not say."""
    result = await shell.execute("ubus -S call mwan3 status")
    policies = _object(result.stdout).get("policies", {}) if result.exit_status == 0 else {}
    ipv4 = policies.get("ipv4", {}) if isinstance(policies, dict) else {}
    members = ipv4.get(policy, []) if isinstance(ipv4, dict) else []
    shares = [one for one in members if isinstance(one, dict) and isinstance(one.get("percent"), int)]
    return str(max(shares, key=lambda one: int(one["percent"]), default={}).get("interface", ""))


async def netifd_line(shell: Shell, name: str) -> LineState:
    """What netifd tells of a logical interface. The address of PPPoE is on it as well; a second logical one on top of
    it (``@wan``) may hold the fixed address and the route, so the routes of all are looked at."""
    result = await shell.execute("ubus -S call network.interface dump")
    if result.exit_status != 0:
        raise CommandRefused(f"`ubus call network.interface dump` ended with status {result.exit_status}")
    dump = _object(result.stdout).get("interface", [])
    found = {str(one.get("interface")): one for one in dump if isinstance(one, dict)}
    line = found.get(name)
    if line is None:
        return LineState(up=False, default_route=any(map(_leads_out, found.values())))
    device = line.get("l3_device")
    beside = [one for one in found.values() if one is line or (device and one.get("l3_device") == device)]
    own = next((a for one in beside for a in _addresses(one.get("ipv4-address", ()), "address", "mask")), None)
    return LineState(line.get("up") is True, own, any(map(_leads_out, found.values())))


def _leads_out(interface: dict[str, Any]) -> bool:
    routes = interface.get("route", ())
    return interface.get("up") is True and any(one.get("target") == "0.0.0.0" for one in routes)  # noqa: S104


def ios_line(brief: str, route: str, name: str) -> LineState:
    """``brief``: what `show ip interface brief` prints; ``route``: `show ip route 0.0.0.0`."""
    found = re.search(_BRIEF.format(re.escape(name)), brief, re.MULTILINE)
    default = _DEFAULT.search(route) is not None
    if found is None:
        return LineState(up=False if "Protocol" in brief else None, default_route=default)
    return LineState((found[2], found[3]) == ("up", "up"), attempt(IPv4Interface, found[1]), default)


def ios_way(route: str) -> tuple[str, str]:
    """What `show ip route` prints of a route: the interface and the next hop that are used; each may be empty."""
    found = _OVER.search(route)
    return (found["name"] or "", found["hop"] or "") if found else ("", "")


async def linux_way(shell: Shell) -> str:
    """The interface of the default route that the kernel uses: that of the lowest metric. Empty: there is none."""
    routes = await shell.execute("ip -j -4 route show default")
    if routes.exit_status != 0:
        raise CommandRefused(f"`ip route show default` ended with status {routes.exit_status}")
    there = [route for route in _items(routes.stdout) if not _DEAD & set(route.get("flags", ()))]
    return str(min(there, key=_metric, default={}).get("dev", ""))


def _metric(route: dict[str, Any]) -> int:
    metric = route.get("metric", 0)
    return metric if isinstance(metric, int) else 0


def ios_ping(target: str) -> str:
    address = ip_address(target)
    return f"ping {'ipv6 ' if address.version == 6 else ''}{address} repeat {_ECHOES} timeout 2"


def ios_answered(printed: str) -> bool:
    """Raises ``FetchIncomplete`` when the router does not say how many came."""
    found = _SUCCESS.search(printed)
    if found is None:
        raise FetchIncomplete("the router does not say how many echoes came")
    return int(found[1]) > 0


def _addresses(rows: Iterable[Any], address: str, length: str) -> Iterable[IPv4Interface]:
    for row in rows:
        made = attempt(IPv4Interface, f"{row.get(address)}/{row.get(length)}") if isinstance(row, dict) else None
        if made is not None:
            yield made


def _items(text: str) -> list[dict[str, Any]]:
    """A list of objects; iproute2 prints nothing at all for none."""
    try:
        found = json.loads(text or "[]")
    except ValueError:
        raise FetchIncomplete("`ip -j` printed no JSON") from None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        raise FetchIncomplete("`ubus` printed no JSON") from None
    return found if isinstance(found, dict) else {}
