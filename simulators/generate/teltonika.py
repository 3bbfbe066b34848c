"""A small business site's configuration as a Teltonika router has it: OpenWrt's packages and the maker's own.

RutOS numbers the sections of its firewall, writes lists of interfaces as one option, and has packages for the modem's
SIM cards, for failover (mwan3), for messages that switch things, and for the maker's own remote management.
"""

from __future__ import annotations

from simulators.dialects.uci import Package
from simulators.generate.openwrt import put, rpcd, written
from simulators.generate.site import Site, make_site
from simulators.spec import DeviceSpec

MODEL = "RUTX11"
MODEM = "3-1"


def factory_config(spec: DeviceSpec) -> str:
    """All packages, as `uci export` prints them."""
    site = make_site(spec)
    packages = [
        _dhcp(site), _dropbear(), _firewall(site), _mwan3(), _network(spec, site), _quota(), _rms(), rpcd(spec),
        _simcard(), _sms(), _snmpd(spec, site), _system(site), _wireless(spec, site),
    ]  # fmt: skip
    return written(packages, spec, site)


def _system(site: Site) -> Package:
    package = Package("system")
    put(
        package, "system", "system", hostname=site.hostname, routername=MODEL, device_code=f"{MODEL}0001",
        timezone="CET-1CEST,M3.5.0,M10.5.0/3", zonename="Europe/Brussels", log_size="200",
    )  # fmt: skip
    put(package, "led", "led_wifi", name="WiFi", sysfs="wifi_gen", trigger="none")
    return package


def _network(spec: DeviceSpec, site: Site) -> Package:
    package = Package("network")
    put(package, "interface", "loopback", device="lo", proto="static", ipaddr="127.0.0.1", netmask="255.0.0.0")
    put(package, "device", "br_lan", name="br-lan", type="bridge", ports=["eth0", "wlan0-1"])
    put(
        package, "interface", "lan", device="br-lan", area_type="lan", proto="static", ipaddr=site.lan_ip,
        netmask="255.255.255.0", delegate="1", ip6assign="60",
    )  # fmt: skip
    put(
        package, "interface", "wan", device="eth1", area_type="wan", metric="1", proto="pppoe",
        username=site.ppp_user, password=spec.secrets.ppp, dns=["198.18.0.53", "198.18.1.53"],
    )  # fmt: skip
    put(
        package, "interface", "mob1s1a1", proto="wwan", modem=MODEM, metric="3", sim="1", pdp="1", pdptype="ip",
        method="nat", auth="none", auto_apn="0", apn="business.example", area_type="wan",
    )  # fmt: skip
    put(package, "interface", "mob1s2a1", proto="wwan", modem=MODEM, metric="4", sim="2", pdp="1", disabled="1")
    return package


def _wireless(spec: DeviceSpec, site: Site) -> Package:
    package = Package("wireless")
    for number, (band, channel) in enumerate((("2g", str(site.channel)), ("5g", "36"))):
        put(
            package, "wifi-device", f"radio{number}", type="mac80211", band=band, channel=channel, country="BE",
            cell_density="0",
        )  # fmt: skip
        put(
            package, "wifi-iface", f"default_radio{number}", device=f"radio{number}", mode="ap", network="lan",
            ifname=f"wlan{number}-1", ssid=site.ssid, encryption="psk2", key=spec.secrets.wifi, isolate="0",
        )  # fmt: skip
    return package


def _dhcp(site: Site) -> Package:
    package = Package("dhcp")
    first, last = (int(address.rpartition(".")[2]) for address in (site.pool_first, site.pool_last))
    put(package, "dnsmasq", domainneeded="1", rebind_protection="1", local="/lan/", domain="lan", authoritative="1")
    put(
        package, "dhcp", "lan", interface="lan", mode="server", start=str(first), limit=str(last - first + 1),
        leasetime=f"{site.lease_hours}h", force="1",
    )  # fmt: skip
    put(package, "dhcp", "wan", interface="wan", ignore="1")
    for host in site.hosts:
        put(package, "host", name=host.name, mac=host.mac, ip=host.address)
    return package


def _firewall(site: Site) -> Package:
    package = Package("firewall")
    put(package, "defaults", "1", syn_flood="1", input="REJECT", output="ACCEPT", forward="REJECT")
    put(package, "zone", "2", name="lan", network="lan", input="ACCEPT", output="ACCEPT", forward="ACCEPT")
    put(
        package, "zone", "3", name="wan", network="wan mob1s1a1 mob1s2a1", input="REJECT", output="ACCEPT",
        forward="REJECT", masq="1", mtu_fix="1",
    )  # fmt: skip
    put(package, "forwarding", "4", src="lan", dest="wan")
    put(
        package, "rule", "5", name="Allow-DHCP-Renew", src="wan", proto="udp", dest_port="68", target="ACCEPT",
        family="ipv4",
    )  # fmt: skip
    put(
        package, "rule", "6", name="Enable_SSH_WAN", src="wan", proto="tcp", dest_port="22", src_ip="10.0.0.0/8",
        target="ACCEPT", enabled="1",
    )  # fmt: skip
    put(package, "rule", "7", name="Enable_HTTPS_WAN", src="wan", proto="tcp", dest_port="443", target="ACCEPT",
        enabled="0")  # fmt: skip
    for number, item in enumerate(site.mappings, 8):
        put(
            package, "redirect", str(number), name=item.label, src="wan", dest="lan", proto=item.protocol,
            src_dport=str(item.outside), dest_ip=item.host, dest_port=str(item.inside), target="DNAT", enabled="1",
        )  # fmt: skip
    return package


def _mwan3() -> Package:
    package = Package("mwan3")
    put(package, "globals", "globals", mode="mwan")
    for name, enabled in (("wan", "1"), ("mob1s1a1", "1")):
        put(package, "interface", name, enabled=enabled, interval="3", family="ipv4")
        put(
            package, "condition", interface=name, track_method="ping", track_ip=["198.18.0.8", "198.18.1.8"],
            reliability="1", count="1", timeout="2", down="3", up="3",
        )  # fmt: skip
    put(package, "member", "wan_member", interface="wan", metric="1")
    put(package, "member", "mob1s1a1_member", interface="mob1s1a1", metric="2")
    put(package, "policy", "mwan_default", use_member=["wan_member", "mob1s1a1_member"])
    put(package, "rule", "default_rule", dest_ip="0.0.0.0/0", use_policy="mwan_default")
    return package


def _simcard() -> Package:
    package = Package("simcard")
    for position, primary in (("1", "1"), ("2", "0")):
        put(
            package, "sim", modem=MODEM, position=position, primary=primary, service="auto", volte="auto",
            deny_roaming="0",
        )  # fmt: skip
    return package


def _quota() -> Package:
    package = Package("quota_limit")
    put(package, "interface", "mob1s1a1", enabled="0", data_limit="5000", period="month", reset_hour="1")
    return package


def _sms() -> Package:
    package = Package("sms_utils")
    put(package, "rule", "1", action="reboot", smstext="reboot", authorisation="password", enabled="0")
    return package


def _rms() -> Package:
    package = Package("rms_mqtt")
    put(package, "rms_mqtt", "rms_connect_mqtt", remote="rms.operator.example", port="15009", enable="2")
    return package


def _dropbear() -> Package:
    package = Package("dropbear")
    put(package, "dropbear", enable="1", PasswordAuth="on", RootPasswordAuth="on", Port="22", _sshWanAccess="1")
    return package


def _snmpd(spec: DeviceSpec, site: Site) -> Package:
    package = Package("snmpd")
    put(package, "agent", "general", enabled="1", agentaddress="UDP:161")
    put(package, "group", "public_v2c", group="public", version="v2c", secname="ro")
    put(package, "view", "all", viewname="all", type="included", oid=".1")
    put(
        package, "access", "public_access", group="public", context="none", version="any", level="noauth",
        prefix="exact", read="all", write="none", notify="none",
    )  # fmt: skip
    put(package, "com2sec", "public", secname="ro", source="default", community=spec.secrets.snmp)
    put(package, "system", "system", sysLocation=site.location, sysContact="noc@operator.example")
    return package
