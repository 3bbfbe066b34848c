"""DHCP on the LAN as a change: the server, its pool, its reservations (§3.5: at most 253 end users)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, ClassVar

from cpe_manager.domain.changes.base import Entry, after_patch, listed
from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.changes.reading import domain, host, mac, misfit, told
from cpe_manager.domain.model.cpe_config import CpeConfig, Lan
from cpe_manager.domain.model.cpe_config_data import Bounds, plain
from cpe_manager.domain.model.requirements import require
from cpe_manager.domain.push.checks import MOST_END_USERS, Check, Finding
from cpe_manager.domain.push.probes import Probe


def _lease(seconds: int) -> None:
    require(seconds % 60 == 0, "a lease is whole minutes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """A device that always gets the same address."""

    mac: str = field(
        metadata=told("MAC address, lower case with colons", Bounds(most=17, check=mac), example="02:00:5e:00:00:0a")
    )
    address: IPv4Address = field(metadata=told("The address that it gets", Bounds(check=host), example="192.168.1.20"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dhcp:
    """What is not given stays as it is; a server that was not there needs a pool."""

    enabled: bool = field(default=True, metadata=told("`false` takes the server away, and all else stays out"))
    first: IPv4Address | None = field(
        default=None, metadata=told("First address of the pool", Bounds(check=host), example="192.168.1.100")
    )
    last: IPv4Address | None = field(
        default=None, metadata=told("Last address of the pool", Bounds(check=host), example="192.168.1.199")
    )
    lease_seconds: int | None = field(
        default=None,
        metadata=told("How long a lease lasts: whole minutes, 2 minutes to a year", Bounds(120, 31_536_000, _lease),
                      example=86_400),
    )  # fmt: skip
    domain: str | None = field(
        default=None,
        metadata=told("Domain name that clients are told; empty for none", Bounds(0, 100, domain),
                      example="office.example"),
    )  # fmt: skip
    reservations: tuple[Reserved, ...] | None = field(
        default=None, metadata=told("All reservations that there are to be", Bounds(0, MOST_END_USERS))
    )

    def __post_init__(self) -> None:
        given = [name for name in ("first", "last", "lease_seconds", "domain", "reservations")
                 if getattr(self, name) is not None]  # fmt: skip
        if not self.enabled and given:
            raise misfit(given[0], "whoever takes the server away gives nothing else")
        if self.first is not None and self.last is not None and self.first > self.last:
            raise misfit("last", f"the pool {self.first}-{self.last} runs backwards")
        for what in ("mac", "address"):
            seen: dict[Any, int] = {}
            for number, one in enumerate(self.reservations or ()):
                value = getattr(one, what)
                if value in seen:
                    raise misfit(f"reservations[{number}].{what}", f"{value} occurs twice (see [{seen[value]}])")
                seen[value] = number


class DhcpChange(Entry[Dhcp]):
    """Turns the DHCP server on or off and changes its pool, lease time, domain name and reservations."""

    name: ClassVar[str] = "dhcp"
    parameters: ClassVar[type] = Dhcp

    def summary(self, wanted: Dhcp, /) -> str:
        if not wanted.enabled:
            return "no DHCP server"
        words = []
        if wanted.first is not None or wanted.last is not None:
            words.append(f"pool {wanted.first or 'as it is'}-{wanted.last or 'as it is'}")
        words += [f"lease {wanted.lease_seconds // 60} minutes"] if wanted.lease_seconds is not None else []
        words += [f"domain {wanted.domain or 'none'}"] if wanted.domain is not None else []
        words += [f"{len(wanted.reservations)} reservations"] if wanted.reservations is not None else []
        return f"DHCP server: {', '.join(words) or 'on'}"

    def conflicts(self, wanted: Dhcp, now: CpeConfig, _setting: Setting, /) -> Iterator[Finding]:
        if not wanted.enabled and now.dhcp is None:
            yield Finding(Check.ABSENT, "there is no DHCP server")
        if wanted.enabled and now.dhcp is None:
            return
        first = wanted.first or (now.dhcp.first if now.dhcp else None)
        last = wanted.last or (now.dhcp.last if now.dhcp else None)
        if not wanted.enabled or first is None or last is None:
            return
        kept = {one.address for one in now.dhcp.reservations} if now.dhcp else set()
        if wanted.reservations is not None:
            kept = {one.address for one in wanted.reservations}
        into = {one.inside for one in now.port_mappings if first <= one.inside <= last} - kept
        if into:
            told_hosts = listed([str(one) for one in sorted(into)])
            yield Finding(
                Check.IN_POOL,
                f"open ports lead to {told_hosts}, in the pool without a reservation: some day another host has that "
                "address",
                refuses=False,
            )

    def effect(self, wanted: Dhcp, now: CpeConfig, _setting: Setting, /) -> Effect:
        if not wanted.enabled:
            if now.dhcp is None:
                raise misfit("enabled", "there is no DHCP server")
            return Effect({"dhcp": None}, (Probe("config", "dhcp"),))
        if now.lan is None:
            raise misfit("enabled", "nothing is known of the LAN of this device")
        part: dict[str, Any] = {
            name: plain(value)
            for name in ("first", "last", "lease_seconds", "domain")
            if (value := getattr(wanted, name)) is not None
        }
        if wanted.reservations is not None:
            part["reservations"] = [plain(one) for one in wanted.reservations]
        if now.dhcp is None:
            for name in ("first", "last"):
                if name not in part:
                    raise misfit(name, "there is no DHCP server yet: give it a pool")
        _fit(wanted, now, now.lan)
        after_patch("first", now, {"dhcp": part})
        shown = {name: value for name, value in part.items() if name != "reservations" and value != ""}
        probes = tuple(Probe("config", f"dhcp.{name}", value=value) for name, value in shown.items())
        return Effect({"dhcp": part}, probes)


def _fit(wanted: Dhcp, now: CpeConfig, lan: Lan) -> None:
    """Raises ``InputError`` for what is not on the LAN, for pools that run backwards or hold the CPE, by field."""
    network, own = lan.address.network, lan.address.ip
    first = wanted.first or (now.dhcp.first if now.dhcp else own)
    last = wanted.last or (now.dhcp.last if now.dhcp else own)
    places = [("first", wanted.first), ("last", wanted.last)]
    places += [(f"reservations[{n}].address", one.address) for n, one in enumerate(wanted.reservations or ())]
    for name, address in places:
        if address is None:
            continue
        if address not in network or address in (network.network_address, network.broadcast_address):
            raise misfit(name, f"{address} is no host of the LAN {network}")
        if address == own:
            raise misfit(name, f"{address} is the CPE's own address")
    field_name = "first" if wanted.first is not None else "last"
    if first > last:
        raise misfit(field_name, f"the pool would be {first}-{last}, which runs backwards")
    if first <= own <= last:
        raise misfit(field_name, f"the pool {first}-{last} holds the CPE's own address {own}")
