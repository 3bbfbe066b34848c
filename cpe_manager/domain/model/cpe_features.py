"""Which parts of the neutral model a configuration needs, and what a family cannot carry of it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig, WifiSecurity


class Feature(StrEnum):
    """A part of the model that not every family can express. What is not listed here, every family carries."""

    WAN_DHCP = "wan.dhcp"
    WAN_STATIC = "wan.static"
    WAN_PPPOE = "wan.pppoe"
    WAN_PPPOE_ADDRESS = "wan.pppoe.address"
    WAN_IPV6 = "wan.ipv6"
    IP_PACK = "wan.ip_pack"
    DHCP_SERVER = "dhcp"
    WIFI = "wifi"
    WIFI_WPA3 = "wifi.wpa3"
    PORT_MAPPING = "port_mapping"
    PORT_RANGE = "port_mapping.range"
    PORT_SOURCE = "port_mapping.source"
    FIREWALL_RULES = "firewall.rules"
    FIREWALL_REJECT = "firewall.reject"
    TIMER_PROTOCOL = "firewall.timer.protocol"
    TIMER_PORT = "firewall.timer.port"
    MOBILE = "mobile"
    MOBILE_PREFERRED = "mobile.preferred"
    MOBILE_BARRED = "mobile.barred"
    SNMP = "snmp"
    SNMP_TRAPS = "snmp.traps"
    TELNET = "management.telnet"


def needed(config: CpeConfig) -> frozenset[Feature]:
    """The features that a family must have to carry this configuration without loss."""
    return frozenset((*_wan(config), *_inside(config), *_firewall(config), *_reach(config)))


def missing(config: CpeConfig, features: frozenset[Feature]) -> tuple[Feature, ...]:
    """What a family with ``features`` cannot carry, sorted; empty when it carries everything."""
    return tuple(sorted(needed(config) - features))


def require_features(config: CpeConfig, features: frozenset[Feature], family: str) -> None:
    """Raises ``InputError`` that names everything which ``family`` cannot carry."""
    if gone := missing(config, features):
        raise InputError(f"{family} cannot carry: {', '.join(gone)}")


def _wan(config: CpeConfig) -> Iterator[Feature]:
    if config.wan is None:
        return
    yield {"dhcp": Feature.WAN_DHCP, "static": Feature.WAN_STATIC, "pppoe": Feature.WAN_PPPOE}[config.wan.mode]
    if config.wan.mode == "pppoe" and config.wan.address is not None:
        yield Feature.WAN_PPPOE_ADDRESS
    if config.wan.ipv6_prefix is not None:
        yield Feature.WAN_IPV6
    if config.wan.ip_pack is not None:
        yield Feature.IP_PACK


def _inside(config: CpeConfig) -> Iterator[Feature]:
    if config.dhcp is not None:
        yield Feature.DHCP_SERVER
    if config.wifi:
        yield Feature.WIFI
    if any(wifi.security in (WifiSecurity.WPA3, WifiSecurity.WPA2_WPA3) for wifi in config.wifi):
        yield Feature.WIFI_WPA3
    if config.mobile is not None:
        yield Feature.MOBILE
        if config.mobile.preferred:
            yield Feature.MOBILE_PREFERRED
        if config.mobile.barred:
            yield Feature.MOBILE_BARRED


def _firewall(config: CpeConfig) -> Iterator[Feature]:
    if config.port_mappings:
        yield Feature.PORT_MAPPING
    if any(mapping.ports.count > 1 for mapping in config.port_mappings):
        yield Feature.PORT_RANGE
    if any(mapping.source is not None for mapping in config.port_mappings):
        yield Feature.PORT_SOURCE
    if config.firewall.rules:
        yield Feature.FIREWALL_RULES
    if "reject" in (config.firewall.inbound, *(rule.action for rule in config.firewall.rules)):
        yield Feature.FIREWALL_REJECT
    for timer in config.firewall.timers:
        yield Feature.TIMER_PROTOCOL if timer.port is None else Feature.TIMER_PORT


def _reach(config: CpeConfig) -> Iterator[Feature]:
    if config.snmp.communities or config.snmp.location or config.snmp.contact:
        yield Feature.SNMP
    if config.snmp.trap_hosts:
        yield Feature.SNMP_TRAPS
    if config.management.telnet:
        yield Feature.TELNET
