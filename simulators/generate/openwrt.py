"""A small business site's configuration as an OpenWrt router has it: the packages of /etc/config."""

from __future__ import annotations

from simulators.dialects.shell import TMP
from simulators.dialects.uci import Package, Value, export
from simulators.generate.site import Site, make_site, static_host
from simulators.spec import DeviceSpec

NATURAL_SIZE = 4000


def factory_config(spec: DeviceSpec) -> str:
    """All packages, as `uci export` prints them."""
    site = make_site(spec)
    packages = [
        _dhcp(site), _dropbear(), _firewall(site), _network(spec, site), rpcd(spec), _snmpd(spec, site),
        _system(site), _uhttpd(), _wireless(spec, site),
    ]  # fmt: skip
    return written(packages, spec, site)


def written(packages: list[Package], spec: DeviceSpec, site: Site) -> str:
    """What `uci export` prints for the packages, with reserved addresses until it is as large as the spec wants."""
    by_name = {package.name: package for package in sorted(packages, key=lambda package: package.name)}
    wanted = max(spec.config_bytes or NATURAL_SIZE, NATURAL_SIZE)
    rng = spec.rng("filler")
    index, size = len(site.hosts), len(export(by_name))
    while size < wanted:
        host = static_host(rng, site.lan_net, index)
        put(by_name["dhcp"], "host", name=host.name, mac=host.mac, ip=host.address)
        size += len(
            f"\nconfig host\n\toption name '{host.name}'\n\toption mac '{host.mac}'\n\toption ip '{host.address}'\n"
        )
        index += 1
    return export(by_name)


def put(package: Package, kind: str, section: str = "", **options: Value) -> None:
    """Add a section, without a name when `section` is empty."""
    package.add(kind, section).options.update(options)


def _system(site: Site) -> Package:
    package = Package("system")
    put(
        package,
        "system",
        hostname=site.hostname,
        timezone="CET-1CEST,M3.5.0,M10.5.0/3",
        zonename="Europe/Brussels",
        log_size="64",
        ttylogin="0",
    )
    put(package, "timeserver", "ntp", enabled="1", server=["198.18.0.123", "198.18.1.123"])
    return package


def _network(spec: DeviceSpec, site: Site) -> Package:
    package = Package("network")
    put(package, "interface", "loopback", device="lo", proto="static", ipaddr="127.0.0.1", netmask="255.0.0.0")
    put(package, "globals", "globals", ula_prefix=f"fd{site.mac[3:5]}:{site.local_as:x}::/48")
    put(package, "device", name="br-lan", type="bridge", ports=["lan1", "lan2", "lan3", "lan4"])
    put(
        package,
        "interface",
        "lan",
        device="br-lan",
        proto="static",
        ipaddr=site.lan_ip,
        netmask="255.255.255.0",
        ip6assign="60",
    )
    put(
        package,
        "interface",
        "wan",
        device="wan",
        proto="pppoe",
        username=site.ppp_user,
        password=spec.secrets.ppp,
        ipv6="auto",
        metric="10",
    )
    put(
        package,
        "interface",
        "fixed",
        device="@wan",
        proto="static",
        ipaddr=site.wan_ip,
        netmask="255.255.255.255",
        gateway=site.wan_gateway,
        dns=["198.18.0.53", "198.18.1.53"],
    )
    put(
        package,
        "interface",
        "mobile",
        device="/dev/cdc-wdm0",
        proto="qmi",
        apn="business.example",
        metric="200",
        auto="0",
    )
    return package


def _wireless(spec: DeviceSpec, site: Site) -> Package:
    package = Package("wireless")
    put(
        package,
        "wifi-device",
        "radio0",
        type="mac80211",
        path="platform/soc/a000000.wifi",
        band="2g",
        channel=str(site.channel),
        htmode="HT20",
        country="BE",
    )
    put(
        package,
        "wifi-iface",
        "default_radio0",
        device="radio0",
        network="lan",
        mode="ap",
        ssid=site.ssid,
        encryption="psk2+ccmp",
        key=spec.secrets.wifi,
    )
    put(
        package,
        "wifi-device",
        "radio1",
        type="mac80211",
        path="platform/soc/a000000.wifi+1",
        band="5g",
        channel="36",
        htmode="HE80",
        country="BE",
        disabled="1",
    )
    return package


def _dhcp(site: Site) -> Package:
    package = Package("dhcp")
    first, last = (int(address.rpartition(".")[2]) for address in (site.pool_first, site.pool_last))
    put(
        package,
        "dnsmasq",
        domainneeded="1",
        localise_queries="1",
        rebind_protection="1",
        local="/lan/",
        domain="lan",
        expandhosts="1",
        authoritative="1",
        readethers="1",
        leasefile=f"{TMP}dhcp.leases",
    )
    put(
        package,
        "dhcp",
        "lan",
        interface="lan",
        start=str(first),
        limit=str(last - first + 1),
        leasetime=f"{site.lease_hours}h",
        dhcpv4="server",
        dhcpv6="server",
        ra="server",
        dhcp_option=[f"3,{site.lan_ip}", "6,198.18.0.53,198.18.1.53"],
    )
    put(package, "dhcp", "wan", interface="wan", ignore="1")
    for host in site.hosts:
        put(package, "host", name=host.name, mac=host.mac, ip=host.address)
    return package


def _firewall(site: Site) -> Package:
    package = Package("firewall")
    put(package, "defaults", syn_flood="1", input="REJECT", output="ACCEPT", forward="REJECT")
    put(package, "zone", name="lan", network=["lan"], input="ACCEPT", output="ACCEPT", forward="ACCEPT")
    put(
        package,
        "zone",
        name="wan",
        network=["wan", "fixed", "mobile"],
        input="REJECT",
        output="ACCEPT",
        forward="REJECT",
        masq="1",
        mtu_fix="1",
    )
    put(package, "forwarding", src="lan", dest="wan")
    put(
        package, "rule", name="Allow-Ping", src="wan", proto="icmp", icmp_type="echo-request", family="ipv4",
        target="ACCEPT",
    )  # fmt: skip
    put(
        package,
        "rule",
        name="Allow-Management",
        src="wan",
        proto="tcp",
        src_ip="10.0.0.0/8",
        dest_port="22",
        target="ACCEPT",
    )
    for item in site.mappings:
        put(
            package,
            "redirect",
            name=item.label,
            src="wan",
            dest="lan",
            proto=item.protocol,
            src_dport=str(item.outside),
            dest_ip=item.host,
            dest_port=str(item.inside),
            target="DNAT",
        )
    return package


def _dropbear() -> Package:
    package = Package("dropbear")
    put(package, "dropbear", PasswordAuth="on", RootPasswordAuth="on", Port="22")
    return package


def rpcd(spec: DeviceSpec) -> Package:
    package = Package("rpcd")
    put(package, "rpcd", socket="/var/run/ubus/ubus.sock", timeout="30")
    put(package, "login", username=spec.username, password=spec.secrets.login, read=["*"], write=["*"])
    return package


def _uhttpd() -> Package:
    package = Package("uhttpd")
    put(package, "uhttpd", "main", listen_http=["0.0.0.0:80"], home="/www", rfc1918_filter="1", max_requests="3")
    return package


def _snmpd(spec: DeviceSpec, site: Site) -> Package:
    package = Package("snmpd")
    put(package, "agent", agentaddress="UDP:161")
    put(package, "group", "public_v2c", group="public", version="v2c", secname="ro")
    put(package, "view", "all", viewname="all", type="included", oid=".1")
    put(
        package, "access", "public_access", group="public", context="none", version="any", level="noauth",
        prefix="exact", read="all", write="none", notify="none",
    )  # fmt: skip
    put(package, "com2sec", "public", secname="ro", source="default", community=spec.secrets.snmp)
    put(package, "system", sysLocation=site.location, sysContact="noc@operator.example", sysName=site.hostname)
    return package
