"""Wifi as a change (on or off, name, key, security, channel), and the three settings that are the customer's own right
(§5.2.1.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Literal

from cpe_manager.domain.changes.base import Entry, after_patch
from cpe_manager.domain.changes.entries import Effect, Setting
from cpe_manager.domain.changes.reading import fitting, misfit, printed, told
from cpe_manager.domain.model.cpe_config import CpeConfig, Wifi, WifiSecurity
from cpe_manager.domain.model.cpe_config_data import Bounds, plain
from cpe_manager.domain.push.checks import Check, Finding
from cpe_manager.domain.push.probes import Probe

Band = Literal["2.4", "5"]
_BAND: Final = told("The radio, in GHz")
_SSID: Final = told("Name of the network", Bounds(1, 32, printed("the SSID")), example="Office")
_KEY: Final = told(
    "Key of the network, 8 to 63 printable characters; never shown again", Bounds(8, 63, printed("the wifi key")),
    example="correct horse battery", secret=True,
)  # fmt: skip
_CHANNEL: Final = told("Channel; 0 is automatic", Bounds(0, 165), example=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRights:
    """One radio. What is not given stays as it is."""

    band: Band = field(metadata=_BAND)
    ssid: str | None = field(default=None, metadata=_SSID)
    key: str | None = field(default=None, repr=False, metadata=_KEY)
    channel: int | None = field(default=None, metadata=_CHANNEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class WifiRights:
    networks: tuple[NetworkRights, ...] = field(metadata=told("At most one for each radio", Bounds(1, 2)))

    def __post_init__(self) -> None:
        _each_band_once([one.band for one in self.networks])
        for number, one in enumerate(self.networks):
            if one.ssid is None and one.key is None and one.channel is None:
                raise misfit(f"networks[{number}]", "give an ssid, a key or a channel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One radio. What is not given stays as it is; a radio that was not set up needs an ``ssid``, and a ``key`` unless
    it is open."""

    band: Band = field(metadata=_BAND)
    enabled: bool | None = field(default=None, metadata=told("On or off", example=True))
    ssid: str | None = field(default=None, metadata=_SSID)
    security: WifiSecurity | None = field(default=None, metadata=told("Security mode", example="wpa2"))
    key: str | None = field(default=None, repr=False, metadata=_KEY)
    channel: int | None = field(default=None, metadata=_CHANNEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    networks: tuple[Network, ...] = field(metadata=told("At most one for each radio", Bounds(1, 2)))

    def __post_init__(self) -> None:
        _each_band_once([one.band for one in self.networks])
        for number, one in enumerate(self.networks):
            if one == Network(band=one.band):
                raise misfit(f"networks[{number}]", "give something that is to become different")


def _each_band_once(bands: list[Band]) -> None:
    if len(bands) > len(set(bands)):
        raise misfit("networks[1].band", f"{bands[1]} GHz occurs twice")


def _changed(place: str, one: Network, before: Wifi | None) -> Wifi:
    security = one.security or (before.security if before else WifiSecurity.WPA2)
    ssid = one.ssid or (before.ssid if before else None)
    if ssid is None:
        raise misfit(f"{place}.ssid", f"the {one.band} GHz radio has no network yet: give it a name")
    key = one.key or (before.key if before else "")
    if security is WifiSecurity.OPEN:
        if one.key is not None:
            raise misfit(f"{place}.key", "an open wifi has no key")
        key = ""
    elif not key:
        raise misfit(f"{place}.key", f"{security} needs a key")
    channel = one.channel if one.channel is not None else (before.channel if before else 0)
    enabled = one.enabled if one.enabled is not None else (before.enabled if before else True)
    # Name and key were looked at when they were read: what is left to refuse is the channel.
    made: Wifi = fitting(f"{place}.channel", lambda: Wifi(one.band, ssid, security, key, channel, enabled))
    return made


def _effect(networks: tuple[Network, ...], now: CpeConfig) -> Effect:
    there = {wifi.band: wifi for wifi in now.wifi}
    new = {one.band: _changed(f"networks[{number}]", one, there.get(one.band)) for number, one in enumerate(networks)}
    patch: dict[str, Any] = {"wifi": [plain(one) for one in (there | new).values()]}
    after = after_patch("networks", now, patch)
    probes = []
    for at, wifi in enumerate(after.wifi):
        if wifi.band in new:
            shown = {
                "ssid": wifi.ssid,
                "security": wifi.security.value,
                "channel": wifi.channel,
                "enabled": wifi.enabled,
            }
            probes += [Probe("config", f"wifi.{at}.{part}", value=value) for part, value in shown.items()]
    return Effect(patch, tuple(probes))


def _summary(networks: tuple[Network, ...]) -> str:
    told_networks = []
    for one in networks:
        words = [] if one.enabled is None else ["on" if one.enabled else "off"]
        words += [f"name {one.ssid!r}"] if one.ssid is not None else []
        words += [f"security {one.security}"] if one.security is not None else []
        words += ["another key"] if one.key is not None else []
        words += [f"channel {one.channel or 'automatic'}"] if one.channel is not None else []
        told_networks.append(f"wifi {one.band} GHz: {', '.join(words)}")
    return "; ".join(told_networks)


class WifiChange(Entry[Networks]):
    """Turns a radio on or off and changes its name, key, security mode and channel."""

    name: ClassVar[str] = "wifi"
    parameters: ClassVar[type] = Networks

    def summary(self, wanted: Networks, /) -> str:
        return _summary(wanted.networks)

    def effect(self, wanted: Networks, now: CpeConfig, _setting: Setting, /) -> Effect:
        return _effect(wanted.networks, now)


class WifiByRight(Entry[WifiRights]):
    """The customer's own three settings, at once and without approval (§5.2.1.1): name, key and channel of a network
    that is there. Whether it is on, and how it is secured, is no part of them."""

    name: ClassVar[str] = "wifi-rights"
    parameters: ClassVar[type] = WifiRights

    def summary(self, wanted: WifiRights, /) -> str:
        return _summary(_as_networks(wanted))

    def conflicts(self, wanted: WifiRights, now: CpeConfig, _setting: Setting, /) -> Iterator[Finding]:
        bands = {wifi.band for wifi in now.wifi}
        for number, one in enumerate(wanted.networks):
            if one.band not in bands:
                yield Finding(Check.ABSENT, f"there is no wifi at {one.band} GHz", field=f"networks[{number}].band")

    def effect(self, wanted: WifiRights, now: CpeConfig, _setting: Setting, /) -> Effect:
        bands = {wifi.band for wifi in now.wifi}
        for number, one in enumerate(wanted.networks):
            if one.band not in bands:
                raise misfit(f"networks[{number}].band", f"there is no wifi at {one.band} GHz")
        return _effect(_as_networks(wanted), now)


def _as_networks(wanted: WifiRights) -> tuple[Network, ...]:
    return tuple(
        replace(Network(band=one.band), ssid=one.ssid, key=one.key, channel=one.channel) for one in wanted.networks
    )
