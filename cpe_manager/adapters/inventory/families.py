"""What other programs call the families that we drive."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from cpe_manager.domain.fleet.families import PLATFORM_PREFIX

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Oxidized models, RANCID types
        "cisco": "cisco_ios",
        "cisco-xe": "cisco_ios",
        "ios": "cisco_ios",
        "iosxe": "cisco_ios",
        "frr": "frr_linux",
        "linux": "frr_linux",
        "linuxgeneric": "frr_linux",
        "openwrt": "openwrt",
        "lede": "openwrt",
        "rutos": "teltonika",
        "teltonika": "teltonika",
        # Oxidized models and RANCID types of the long tail
        "aireos": "netmiko:cisco_wlc",
        "aos": "netmiko:alcatel_aos",
        "aos7": "netmiko:alcatel_aos",
        "aoscx": "netmiko:aruba_aoscx",
        "aosw": "netmiko:aruba_os",
        "arista": "netmiko:arista_eos",
        "asa": "netmiko:cisco_asa",
        "avaya": "netmiko:avaya_ers",
        "awplus": "netmiko:allied_telesis_awplus",
        "cisco-nx": "netmiko:cisco_nxos",
        "cisco-wlc8": "netmiko:cisco_wlc",
        "cisco-xr": "netmiko:cisco_xr",
        "ciscosmb": "netmiko:cisco_s300",
        "comware": "netmiko:hp_comware",
        "dell": "netmiko:dell_powerconnect",
        "dnos": "netmiko:dell_force10",
        "edgeos": "netmiko:ubiquiti_edgerouter",
        "edgeswitch": "netmiko:ubiquiti_edgeswitch",
        "eos": "netmiko:arista_eos",
        "exos": "netmiko:extreme_exos",
        "extreme": "netmiko:extreme_exos",
        "fabricos": "netmiko:brocade_fos",
        "fastiron": "netmiko:brocade_fastiron",
        "force10": "netmiko:dell_force10",
        "fortigate": "netmiko:fortinet",
        "fortios": "netmiko:fortinet",
        "foundry": "netmiko:brocade_fastiron",
        "ftos": "netmiko:dell_force10",
        "gaiaos": "netmiko:checkpoint_gaia",
        "h3c": "netmiko:hp_comware",
        "hp": "netmiko:hp_procurve",
        "huawei": "netmiko:huawei_vrp",
        "iosxr": "netmiko:cisco_xr",
        "ironware": "netmiko:brocade_netiron",
        "juniper": "netmiko:juniper_junos",
        "junos": "netmiko:juniper_junos",
        "mlnxos": "netmiko:mellanox_mlnxos",
        "netgear": "netmiko:netgear_prosafe",
        "netscreen": "netmiko:juniper_screenos",
        "nos": "netmiko:brocade_nos",
        "nxos": "netmiko:cisco_nxos",
        "oneos": "netmiko:oneaccess_oneos",
        "opengear": "netmiko:opengear_linux",
        "os10": "netmiko:dell_os10",
        "paloalto": "netmiko:paloalto_panos",
        "panos": "netmiko:paloalto_panos",
        "powerconnect": "netmiko:dell_powerconnect",
        "procurve": "netmiko:hp_procurve",
        "screenos": "netmiko:juniper_screenos",
        "slxos": "netmiko:extreme_slx",
        "sros": "netmiko:nokia_sros",
        "timos": "netmiko:nokia_sros",
        "tplink": "netmiko:tplink_jetstream",
        "voss": "netmiko:extreme_vsp",
        "vrp": "netmiko:huawei_vrp",
        "xos": "netmiko:extreme_exos",
        "mikrotik": "routeros",
        "routeros": "routeros",
        "vyos": "vyos",
        # Nornir, NAPALM, Netmiko and Ansible platforms
        "cisco_ios": "cisco_ios",
        "cisco_xe": "cisco_ios",
        "cisco_iosxe": "cisco_ios",
        "ios-xe": "cisco_ios",
        "ios_xe": "cisco_ios",
        "frrouting": "frr_linux",
        "arista_eos": "netmiko:arista_eos",
        "cisco_asa": "netmiko:cisco_asa",
        "cisco_nxos": "netmiko:cisco_nxos",
        "cisco_xr": "netmiko:cisco_xr",
        "fortinet": "netmiko:fortinet",
        "hp_comware": "netmiko:hp_comware",
        "hp_procurve": "netmiko:hp_procurve",
        "huawei_vrp": "netmiko:huawei_vrp",
        "juniper_junos": "netmiko:juniper_junos",
        "nokia_sros": "netmiko:nokia_sros",
        "nxos_ssh": "netmiko:cisco_nxos",
        "paloalto_panos": "netmiko:paloalto_panos",
        "community.routeros.routeros": "routeros",
        "mikrotik_routeros": "routeros",
        "ros": "routeros",
        "vyos.vyos.vyos": "vyos",
        # NetBox platform slugs as people write them
        "cisco-ios": "cisco_ios",
        "cisco-ios-xe": "cisco_ios",
        "cisco-iosxe": "cisco_ios",
        "arista-eos": "netmiko:arista_eos",
        "cisco-ios-xr": "netmiko:cisco_xr",
        "cisco-nx-os": "netmiko:cisco_nxos",
        "fortinet-fortios": "netmiko:fortinet",
        "juniper-junos": "netmiko:juniper_junos",
        "frr-linux": "frr_linux",
        "open-wrt": "openwrt",
        "teltonika-rutos": "teltonika",
        "mikrotik-routeros": "routeros",
        "vyos-router": "vyos",
    }
)
"""Lower-case name there to family here. A name that is not listed is taken as it stands."""


def family_of(name: str) -> str:
    """Our family for the name that another program uses; unknown names pass, and are refused later by name.

    A name of netmiko's for a device over SSH (``netmiko:cisco_ios_ssh``) loses what says so.
    """
    bare = name.strip()
    if bare.lower().startswith(PLATFORM_PREFIX):
        return bare.lower().removesuffix("_ssh")
    return ALIASES.get(bare.lower(), bare)
