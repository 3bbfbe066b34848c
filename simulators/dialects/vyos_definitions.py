"""Which nodes a VyOS configuration has: an excerpt, large enough for a business CPE and what stands beside it.

Written in indentation, siblings also behind `;`. `name` is a node, without children a valueless leaf. `name <type` is
a tag node, `name =type` a leaf with one value, `name *type` one with several. `+name` puts a common piece in; those in
capitals depend on the release.
"""

from __future__ import annotations

PIECES = {
    "common": """
description =description; disable; disable-link-detect; mtu =68-16000; vrf =name; mac =mac
""",
    "ip": """
address *address
dhcp-options
  client-id =txt; host-name =hostname; vendor-class-id =txt; no-default-route; default-route-distance =1-255
dhcpv6-options
  rapid-commit
  pd <0-9
    length =32-64
    interface <interface
      address =0-4294967294; sla-id =0-65535
ip
  adjust-mss =txt; arp-cache-timeout =1-86400; disable-forwarding; enable-proxy-arp
  source-validation =strict|loose|disable
ipv6
  address
    autoconf; eui64 *net6; no-default-link-local
  adjust-mss =txt; disable-forwarding
""",
    "login": """
authentication
  username =ascii; password =ascii
""",
    "side": """
address =match4; fqdn =fqdn; port =ports; mac-address =mac
group
  address-group =txt; network-group =txt; port-group =txt
""",
    "rule": """
rule <1-999999
  action =accept|continue|jump|reject|return|drop|queue|offload|synproxy; description =description; disable; log
  protocol =protocol; jump-target =name; state *established|invalid|new|related
  connection-status
    nat =destination|source
  icmp
    type-name =name; type =0-255; code =0-255
  limit
    rate =txt; burst =0-4294967295
  source
    +side
  destination
    +side
  inbound-interface
    name =interface; group =txt
  outbound-interface
    name =interface; group =txt
""",
    "nat": """
rule <1-999999
  description =description; disable; exclude; log; protocol =protocol
  source
    +side
  destination
    +side
  inbound-interface
    name =interface; group =txt
  outbound-interface
    name =interface; group =txt
""",
    "timeouts": """
close =1-21474836; close-wait =1-21474836; established =1-21474836; fin-wait =1-21474836; last-ack =1-21474836
syn-recv =1-21474836; syn-sent =1-21474836; time-wait =1-21474836
""",
    "snmpauth": """
auth
  encrypted-password =hex; plaintext-password =pw8; type =md5|sha
privacy
  encrypted-password =hex; plaintext-password =pw8; type =des|aes
""",
    "dhcpoptions": """
default-router =ip4; domain-name =fqdn; domain-search *fqdn; name-server *ip4; ntp-server *ip4
tftp-server-name =fqdn; time-offset =txt
""",
}

DEFINITIONS = """
interfaces
  bonding <bond
    +common; +ip
    member
      interface *interface
    mode =802.3ad|active-backup|broadcast|round-robin
  bridge <br
    +common; +ip; aging =0-1000000; enable-vlan; stp
    member
      interface <interface
        cost =1-65535; isolated
  dummy <dum
    +common; address *address
  ethernet <eth
    +common; +ip; hw-id =mac; duplex =auto|half|full; speed =auto|10|100|1000|2500|5000|10000
    offload
      gro; gso; sg; tso
    ring-buffer
      rx =80-16384; tx =80-16384
    vif <0-4094
      +common; +ip
  loopback <lo
    address *address; description =description
  pppoe <pppoe
    description =description; disable; +login; connect-on-demand; no-default-route
    default-route-distance =1-255; no-peer-dns
    dhcpv6-options
      pd <0-9
        length =32-64
        interface <interface
          address =0-4294967294; sla-id =0-65535
    host-uniq =txt; holdoff =0-86400; idle-timeout =0-86400
    ip
      adjust-mss =txt
    ipv6
      address
        autoconf
      adjust-mss =txt
    local-address =ip4; remote-address =ip4; mtu =68-1500; mru =128-16384; service-name =name
    source-interface =interface
  wireguard <wg
    +common; address *address; port =1-65535; private-key =txt
    peer <name
      address =ip; allowed-ips *net; persistent-keepalive =1-65535; port =1-65535; preshared-key =txt
      public-key =txt
  wireless <wlan
    +common; +ip; channel =channel; country-code =txt
    capabilities
      ht
        40mhz-incapable; channel-set-width *ht20|ht40+|ht40-; short-gi *20|40
      vht
        channel-set-width =0|1|2|3
    disable-broadcast-ssid; isolate-stations; max-stations =1-2007
    mgmt-frame-protection =disabled|optional|required; mode =a|b|g|n|ac|ax; physical-device =name
    security
      wep
        key *txt
      wpa
        cipher *GCMP-256|GCMP|CCMP-256|CCMP|TKIP; mode =wpa|wpa2|wpa+wpa2|wpa3; passphrase =psk
        radius
          server <ip4
            key =txt; port =1-65535
    ssid =ssid; type =access-point|station|monitor
  wwan <wwan
    +common; +ip; +login; apn =apn; connect-on-demand
firewall
  global-options
    all-ping =enable|disable; broadcast-ping =enable|disable
    state-policy
      established
        action =accept|drop|reject
      related
        action =accept|drop|reject
  group
    address-group <name
      address *txt; description =description
    interface-group <name
      interface *interface; description =description
    network-group <name
      network *net4; description =description
    port-group <name
      port *ports; description =description
  ipv4
    forward
      filter
        default-action =accept|drop; default-log; +rule
    input
      filter
        default-action =accept|drop; default-log; +rule
    output
      filter
        default-action =accept|drop; default-log; +rule
    name <name
      default-action =drop|jump|reject|return|accept|continue; default-log; description =description; +rule
  zone <name
    default-action =drop|reject; description =description
    from <name
      firewall
        name =name
    interface *interface; local-zone
nat
  destination
    rule <1-999999
      +nat/rule
      translation
        address =nat4; port =portrange
        options
          address-mapping =persistent|random; port-mapping =random|none
  source
    rule <1-999999
      +nat/rule
      translation
        address =snat4; port =portrange
pki
  ca <name
    certificate =txt
  certificate <name
    certificate =txt
    private
      key =txt; password-protected
policy
  route-map <name
    rule <1-65535
      action =permit|deny
protocols
  bgp
    system-as =1-4294967294
    neighbor <ip
      password =txt; remote-as =txt; description =description
  static
    route <net4
      blackhole
        distance =1-255
      description =description; dhcp-interface =interface
      interface <interface
        disable; distance =1-255
      next-hop <ip4
        disable; distance =1-255; interface =interface
    route6 <net6
      blackhole
        distance =1-255
      interface <interface
        disable; distance =1-255
      next-hop <ip6
        disable; distance =1-255; interface =interface
service
  dhcp-server
    disable; hostfile-update; listen-address *ip4
    shared-network-name <name
      authoritative; description =description; disable; +DHCP
      subnet <net4
        +DHCP; description =description; disable; exclude *ip4; lease =0-4294967295
        range <name
          start =ip4; stop =ip4
        static-mapping <fqdn
          description =description; disable; ip-address =ip4; +MAC
        +SUBNETID
  dns
    dynamic
      name <name
        password =txt; username =txt
    forwarding
      allow-from *net; cache-size =0-2147483647; listen-address *ip; name-server <ip; system
  https
    api
      keys
        id <name
          key =txt
    listen-address *ip
  lldp
    interface <interface
  ntp
    allow-client
      address *net
    listen-address *ip
    server <fqdn
      pool; prefer
  router-advert
    interface <interface
      default-lifetime =0-9000; name-server *ip6
      prefix <prefix64
        preferred-lifetime =txt; valid-lifetime =txt; no-autonomous-flag
  snmp
    community <community
      authorization =ro|rw; client *ip; network *net
    contact =description; description =description
    listen-address <ip
      port =1-65535
    location =description; trap-source =ip
    trap-target <ip
      community =txt; port =1-65535
    v3
      engineid =hex
      group <name
        mode =ro|rw; seclevel =noauth|auth|priv; view =name
      trap-target <ip
        +snmpauth; type =inform|trap; user =txt
      user <name
        +snmpauth; group =name; mode =ro|rw
      view <name
        oid <txt
  ssh
    access-control
      allow
        user *name
    ciphers *txt; client-keepalive-interval =1-65535; disable-host-validation; disable-password-authentication
    dynamic-protection; listen-address *ip; loglevel =quiet|fatal|error|info|verbose; port *1-65535
system
  config-management
    commit-archive
      location *url
    +CONFIRM; commit-revisions =1-65535
  conntrack
    modules
      ftp; h323; sip; tftp
    table-size =1-50000000
    tcp
      loose =enable|disable
    timeout
      custom
        ipv4
          rule <1-999999
            description =description
            destination
              address =match4; port =ports
            inbound-interface =interface
            protocol
              tcp
                +timeouts
              udp
                replied =1-21474836; unreplied =1-21474836
            source
              address =match4; port =ports
      icmp =1-21474836; other =1-21474836
      tcp
        +timeouts
      udp
        other =1-21474836; stream =1-21474836
  console
    device <name
      speed =1200|2400|4800|9600|19200|38400|57600|115200
  domain-name =fqdn; domain-search *fqdn; host-name =hostname
  login
    banner
      post-login =txt; pre-login =txt
    radius
      server <ip
        key =txt; port =1-65535
    tacacs
      server <ip
        key =txt
    user <name
      authentication
        encrypted-password =txt
        otp
          key =txt
        plaintext-password =txt
        public-keys <txt
          key =txt; type =txt
      full-name =txt; level =admin|operator
  name-server *dns
  option
    ctrl-alt-delete =ignore|reboot|poweroff; performance =throughput|latency; reboot-on-panic
  syslog
    global
      facility <name
        level =txt
    host <fqdn
      facility <name
        level =txt
      port =1-65535
  time-zone =txt
vpn
  ipsec
    authentication
      psk <name
        id *txt; secret =txt
"""
