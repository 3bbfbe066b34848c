"""The files of the daemons beside FRR, by path: the rest of §5.2.1.3 on a Linux box."""

from __future__ import annotations

from simulators.generate.site import Site, make_site
from simulators.spec import DeviceSpec

_OUTSIDE = '{ "eth0", "ppp0", "ppp1" }'


def daemon_files(spec: DeviceSpec) -> dict[str, str]:
    """All of them, as they are on flash when the box leaves the workshop."""
    site, secrets = make_site(spec), spec.secrets
    return {
        "/etc/hostname": f"{site.hostname}\n",
        "/etc/hosts": f"127.0.0.1\tlocalhost\n127.0.1.1\t{site.hostname}\n::1\tlocalhost ip6-localhost\n",
        "/etc/dnsmasq.conf": _dnsmasq(site),
        "/etc/hostapd/hostapd.conf": _hostapd("wlan0", "g", site.channel, site.ssid, secrets.wifi),
        "/etc/hostapd/wlan1.conf": _hostapd("wlan1", "a", 36, f"{site.ssid}-5", secrets.wifi),
        "/etc/ppp/chap-secrets": "# Secrets for authentication using CHAP\n# client\tserver\tsecret\tIP addresses\n"
        f'"{site.ppp_user}" * "{secrets.ppp}"\n',
        "/etc/ppp/peers/wan": f'plugin rp-pppoe.so\nnic-eth0\nuser "{site.ppp_user}"\nnoipdefault\nnoauth\n'
        "hide-password\npersist\nmaxfail 0\nmtu 1492\nunit 0\n",
        "/etc/ppp/peers/mobile": "/dev/ttyUSB2\n115200\n"
        'connect "/usr/sbin/chat -v -f /etc/chatscripts/gprs -T business.example"\n'
        "noipdefault\nnoauth\npersist\nmaxfail 0\nunit 1\n",
        "/etc/nftables.conf": '#!/usr/sbin/nft -f\n\nflush ruleset\n\ninclude "/etc/nftables.d/*.nft"\n',
        "/etc/nftables.d/cpe.nft": _firewall(site),
        "/etc/nftables.d/voice.nft": "table ip voice {\n\tchain calls {\n"
        "\t\ttype filter hook forward priority mangle; policy accept;\n\t\tudp dport 5060 counter\n\t}\n}\n",
        "/etc/snmp/snmpd.conf": f"agentaddress udp:161\nmaster agentx\nrocommunity {secrets.snmp} 10.0.0.0/8\n"
        f"sysLocation {site.location}\nsysContact noc@operator.example\nsysServices 76\n",
        "/etc/ssh/sshd_config": "Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\nUseDNS no\n"
        "Subsystem sftp /usr/lib/openssh/sftp-server\n",
        "/etc/network/interfaces": "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet manual\n\n"
        "auto br-lan\niface br-lan inet manual\n\tbridge_ports eth1 eth2 wlan0 wlan1\n\n"
        "auto ppp0\niface ppp0 inet ppp\n\tprovider wan\n",
        "/etc/sysctl.d/60-router.conf": "net.ipv4.ip_forward = 1\nnet.netfilter.nf_conntrack_max = 65536\n",
        "/etc/frr/daemons": 'bgpd=yes\nstaticd=yes\nzebra_options="  -A 127.0.0.1 -s 90000000"\n',
    }


def _dnsmasq(site: Site) -> str:
    hosts = "".join(f"dhcp-host={host.mac},{host.name},{host.address}\n" for host in site.hosts)
    return (
        "# the office\ninterface=br-lan\nbind-dynamic\ndhcp-authoritative\ndomain=lan\nlocal=/lan/\n"
        f"dhcp-range={site.pool_first},{site.pool_last},{site.lease_hours}h\n"
        f"dhcp-option=option:router,{site.lan_ip}\n{hosts}server=198.18.0.53\nserver=198.18.1.53\ncache-size=1000\n"
    )


def _hostapd(interface: str, mode: str, channel: int, ssid: str, key: str) -> str:
    return (
        f"interface={interface}\nbridge=br-lan\ndriver=nl80211\ncountry_code=BE\nhw_mode={mode}\nchannel={channel}\n"
        f"ssid={ssid}\nwpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase={key}\nwmm_enabled=1\n"
    )


def _firewall(site: Site) -> str:
    """As `nft list table` shows it."""
    known = f"\t\tiifname != {_OUTSIDE} accept\n\t\tct state established,related accept\n"
    maps = "".join(
        f"\t\tiifname {_OUTSIDE} {item.protocol} dport {item.outside} dnat ip to {item.host}:{item.inside}\n"
        for item in site.mappings
    )
    return (
        "table inet cpe\ndelete table inet cpe\ntable inet cpe {\n"
        f"\tchain input {{\n\t\ttype filter hook input priority filter; policy accept;\n{known}"
        "\t\tmeta l4proto ipv6-icmp accept\n\t\tjump management\n\t\tjump inbound\n\t\tdrop\n\t}\n\n"
        f"\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;\n{known}"
        "\t\tjump inbound\n\t\tct status dnat accept\n\t\tdrop\n\t}\n\n"
        "\tchain management {\n\t\tip saddr 10.0.0.0/8 tcp dport 22 accept\n\t\ttcp dport 22 drop\n"
        "\t\tip saddr 10.0.0.0/8 udp dport 161 accept\n\t}\n\n"
        "\tchain inbound {\n\t\tip protocol icmp accept\n\t}\n\n"
        f"\tchain prerouting {{\n\t\ttype nat hook prerouting priority dstnat; policy accept;\n{maps}\t}}\n\n"
        "\tchain postrouting {\n\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
        f"\t\toifname {_OUTSIDE} masquerade\n\t}}\n}}\n"
    )
