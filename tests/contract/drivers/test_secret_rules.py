"""Which words of a configuration line are a secret, and of what kind."""

from __future__ import annotations

import pytest

from drivers.roster import DriverRoster

IOS = [
    ("username noc privilege 15 secret 9 $9$nhEmQVczB7dqsO$X.HsgL6x1il0RxkOSSvyQYwucySCt7qFm4v7pqCxkKM", "login", -1),
    ("username noc password 7 0822455D0A16", "login", -1),
    ("username noc secret plain words", "login", -2),
    ("username noc common-criteria-policy STRICT secret 8 $8$abc", "login", -1),
    ("enable secret 5 $1$mERr$hx5rVt7rPNoS4wqbXKX7m0", "login", -1),
    ("enable secret level 7 5 $1$mERr$abc", "login", -1),
    ("enable password seven-dwarfs", "login", -1),
    (" password 7 0822455D0A16", "login", -1),
    (" password in clear", "login", -2),
    (" secret 5 $1$view$abc", "login", -1),
    ("snmp-server community s3cr3t RO 99", "snmp", 2),
    ("snmp-server host 10.0.0.9 version 2c trapword", "snmp", -1),
    ("snmp-server host 10.0.0.9 vrf MGMT informs version 3 priv trapuser", "snmp", -1),
    ("snmp-server user u g v3 auth sha AUTHWORD priv aes 128 PRIVWORD", "snmp", 7),
    ("snmp-server user u g v3 auth sha AUTHWORD priv aes 128 PRIVWORD", "snmp", -1),
    ("snmp-server user u g v3 encrypted auth md5 AA:BB priv des CC:DD access 10", "snmp", 8),
    (" wpa-psk ascii 7 107E1B101345425A5D4769", "wifi", -1),
    (" wpa-psk ascii 0 three word key", "wifi", -3),
    (" security wpa psk set-key ascii 0 wifikey123", "wifi", -1),
    (" encryption vlan 1 key 1 size 128bit 7 ABCDEF transmit-key", "wifi", -2),
    (" ppp chap password 0 chapword", "ppp", -1),
    (" ppp pap sent-username fb1@isp password 7 papword", "ppp", -1),
    (" l2tp tunnel password 0 tunnelword", "ppp", -1),
    ("  key-string 7 0822455D0A16", "key", -1),
    ("  key-string several words here", "key", -3),
    (" pre-shared-key address 0.0.0.0 0.0.0.0 key ikeword", "key", -1),
    (" pre-shared-key local ikeword", "key", -1),
    ("  pre-shared-key ikeword", "key", -1),
    ("crypto isakmp key ikeword address 0.0.0.0", "key", 3),
    ("crypto isakmp key 6 ikeword hostname hub.example", "key", 4),
    ("tacacs-server host 10.0.0.1 key 7 tacword", "key", -1),
    ("radius-server key radword", "key", -1),
    (" key 7 radword", "key", -1),
    (" key radword", "key", -1),
    (" server-private 10.0.0.1 auth-port 1812 key 7 radword", "key", -1),
    (" client 10.0.0.2 server-key 0 coaword", "key", -1),
    ("ntp authentication-key 1 md5 ntpword 7", "key", 4),
    (" neighbor 10.0.0.1 password 7 bgpword", "key", -1),
    (" ip ospf message-digest-key 1 md5 7 ospfword", "key", -1),
    (" area 0 virtual-link 10.0.0.1 authentication-key 7 ospfword", "key", -1),
    (" standby 1 authentication md5 key-string 7 hsrpword", "key", -1),
    (" standby 1 authentication hsrpword", "key", -1),
    (" vrrp 1 authentication text vrrpword", "key", -1),
    (" isis password isisword", "key", -1),
    (" ip nhrp authentication nhrpword", "key", -1),
    ("ip ftp password 7 ftpword", "other", -1),
    ("username noc password 0 in-clear", "login", -1),
    ("username noc privilege 15 password 6 AAbb^cc", "login", -1),
    ("username noc secret 5 $1$mERr$hx5rVt7rPNoS4wqbXKX7m0", "login", -1),
    ("username noc secret 8 $8$dsYGNam3K1SIJO$7nv/35M", "login", -1),
    ("username noc masked-secret 9 $9$abc", "login", -1),
    ("enable secret 8 $8$dsYGNam3K1SIJO$7nv/35M", "login", -1),
    ("enable secret 9 $9$nhEmQVczB7dqsO$X.HsgL6x1il0", "login", -1),
    ("enable password 7 0822455D0A16", "login", -1),
    ("enable password level 5 7 0822455D0A16", "login", -1),
    ("snmp-server community 7 0822455D0A16 RW", "snmp", 3),
    ("snmp-server community s3cr3t view ALL RO ipv6 V6 99", "snmp", 2),
    ("snmp-server host 10.0.0.9 trapword", "snmp", -1),
    ("snmp-server host 10.0.0.9 traps version 2c trapword  bgp snmp", "snmp", 6),
    ("snmp-server user u g v3 encrypted auth sha AA:BB priv aes 256 CC:DD access 10", "snmp", 12),
    ("snmp-server user u g v3 auth sha-2 256 AUTHWORD priv aes 256 PRIVWORD", "snmp", 8),
    (" wpa-psk hex 0 0123456789abcdef", "wifi", -1),
    (" ppp chap password 7 0822455D0A16", "ppp", -1),
    (" ppp eap password 0 eapword", "ppp", -1),
    (" ppp pap sent-username fb1@isp password 0 two words", "ppp", -2),
    (" profile id 1 apn m2m.example authentication chap username sim1 password 0 simword slot 0", "ppp", 12),
    (" profile id 1 apn m2m.example authentication pap username sim1 password 7 0822455D0A16", "ppp", -1),
    ("tacacs-server key 6 tacword", "key", -1),
    ("radius-server host 10.0.0.1 auth-port 1812 acct-port 1813 key 7 radword", "key", -1),
    (" pac key 7 pacword", "key", -1),
    ("cts sxp default password 7 sxpword", "key", -1),
    (" bind authenticate root-dn cn=admin password 7 ldapword", "key", -1),
    (" dot1x username box password 7 dotword", "key", -1),
    ("crypto isakmp key 0 ikeword address 10.0.0.1 255.255.255.255", "key", 4),
    ("  pre-shared-key local 6 ikeword", "key", -1),
    ("  pre-shared-key remote 0 ikeword", "key", -1),
    ("  authentication username sip password 7 sipword", "other", -1),
]
UCI = [
    ("\toption password '$1$salt$hash'", "login", "$1$salt$hash"),
    ("\toption password '$6$salt$hash'", "login", "$6$salt$hash"),
    ("\toption password 'ppp word'", "other", "ppp word"),
    ("\toption community 'public-ish'", "snmp", "public-ish"),
    ("\toption key 'wifi key 1'", "wifi", "wifi key 1"),
    ("\toption key '12345'", "wifi", "12345"),
    ("\toption key1 's:abcde'", "wifi", "s:abcde"),
    ("\toption sae_password 'sae'", "wifi", "sae"),
    ("\toption key 'it'\\''s'", "wifi", "it'\\''s"),
    ("\toption private_key 'WGKEY='", "key", "WGKEY="),
    ("\toption preshared_key 'WGPSK='", "key", "WGPSK="),
    ("\toption auth_secret 'radius'", "key", "radius"),
    ("\toption pincode '1234'", "ppp", "1234"),
    ("\toption update_url 'http://user:pw@dyn.example/u'", "other", "pw"),
    ("\toption update_url 'https://:pw@dyn.example/u'", "other", "pw"),
    # PPPoE, PPTP, L2TP, EAP, dynamic DNS: one word for all of them.
    ("\toption password '0123'", "other", "0123"),
    ("\toption password2 'second'", "other", "second"),
    ("\toption hexpasswd 'AABB'", "other", "AABB"),
    ("\toption updatekey 'he-key'", "key", "he-key"),
    # Wifi: WEP, SAE, 802.11r, 802.1X, WPS.
    ("\toption key4 'abcde12345'", "wifi", "abcde12345"),
    ("\toption wps_pin '12345670'", "wifi", "12345670"),
    (
        "\tlist r0kh '02:00:5e:00:00:01,ap1,000102030405060708090a0b0c0d0e0f'",
        "key",
        "02:00:5e:00:00:01,ap1,000102030405060708090a0b0c0d0e0f",
    ),
    ("\toption acct_secret 'radius'", "key", "radius"),
    ("\toption dae_secret 'coa'", "key", "coa"),
    ("\toption priv_key_pwd 'eap'", "key", "eap"),
    ("\toption priv_key2_pwd 'eap'", "key", "eap"),
    # SNMP: communities, sinks, sessions for traps, users of v3.
    ("\toption trapcommunity 'tc'", "snmp", "tc"),
    ("\tlist rocommunity6 'rc'", "snmp", "rc"),
    ("\toption trapsess '-v 3 -u noc -a SHA -A AUTHWORD -x AES 10.0.0.9'", "snmp", "AUTHWORD"),
    ("\toption trapsess '-v 3 -u noc -x AES -X PRIVWORD 10.0.0.9'", "snmp", "PRIVWORD"),
    ("\toption trapsess '-v 2c -c trapword 10.0.0.9'", "snmp", "trapword"),
    ("\toption AuthPass 'aw'", "snmp", "aw"),
    ("\toption authpassphrase 'aw'", "snmp", "aw"),
    ("\toption auth_password 'aw'", "snmp", "aw"),
    ("\toption priv_pass 'pw'", "snmp", "pw"),
    ("\toption privpass 'pw'", "snmp", "pw"),
    # VPNs: WireGuard, IPsec, OpenVPN, mesh networks.
    ("\toption pre_shared_key 'ike'", "key", "ike"),
    ("\toption psk 'ike'", "key", "ike"),
    ("\toption psk_key 'ike'", "key", "ike"),
    ("\toption secret 'ike'", "key", "ike"),
    ("\toption xauth_pass 'x'", "other", "x"),
    ("\toption eap_password 'x'", "other", "x"),
    ("\toption private_key_passwd 'x'", "key", "x"),
    ("\toption decryption_passphrase 'x'", "other", "x"),
    ("\toption auth_key 'tskey-auth-k'", "key", "tskey-auth-k"),
    ("\toption setup_key 'nb'", "key", "nb"),
    ("\toption uamsecret 'hot spot'", "key", "hot spot"),
    ("\toption radiussecret 'r'", "key", "r"),
    # RutOS: SIM cards, MQTT, remote management, clouds, e-mail, TR-069.
    ("\toption pin '0000'", "ppp", "0000"),
    ("\toption pukcode '12345678'", "ppp", "12345678"),
    ("\toption remote_password 'broker'", "other", "broker"),
    ("\toption mqtt_pass 'broker'", "other", "broker"),
    ("\toption tlspsk 'aabb'", "key", "aabb"),
    ("\toption smtp_password 'mail'", "other", "mail"),
    ("\toption conn_req_password 'acs'", "other", "acs"),
    ("\toption auth_token 'tok'", "other", "tok"),
    ("\toption appkey 'things'", "key", "things"),
    ("\toption connection_string 'HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0'", "key", "c2VjcmV0"),
    ("\tlist credentials 'CF_Key=abc'", "other", "CF_Key=abc"),
]
FRR = [
    ("password zebra-word", "login", "zebra-word"),
    ("password 8 HASHED", "login", "HASHED"),
    ("enable password enable-word", "login", "enable-word"),
    (" neighbor 10.0.0.1 password bgp-word", "key", "bgp-word"),
    ("  key-string rip-word", "key", "rip-word"),
    (" ip ospf message-digest-key 1 md5 ospf-word", "key", "ospf-word"),
    (" ip ospf authentication-key ospf-word", "key", "ospf-word"),
    (" ip rip authentication string rip-word", "key", "rip-word"),
    (" isis password md5 isis-word", "key", "isis-word"),
    (" area-password clear isis-word", "key", "isis-word"),
    (" neighbor 10.0.0.1 password ldp-word", "key", "ldp-word"),
    (" ip nhrp authentication nhrp-word", "key", "nhrp-word"),
    (" eigrp authentication mode md5 password eigrp-word", "key", "eigrp-word"),
    ("agentx community agent-word", "snmp", "agent-word"),
    ("rpki cache 10.0.0.1 22 admin key.pub password rpki-word", "other", "rpki-word"),
    ('"fb1@isp.example" * "pp\\"p word" *', "ppp", 'pp\\"p word'),
    ('"fb1@isp.example" * "ppp-word"', "ppp", "ppp-word"),
    ("fb1@isp.example\t*\tppp-word\t*", "ppp", "ppp-word"),
    ("fb1@isp.example wan ppp-word *", "ppp", "ppp-word"),
    ("fb1@isp.example * 'ppp-word'", "ppp", "'ppp-word'"),
    ('password "ppp word"', "ppp", "ppp word"),
    ("wpa_passphrase=wifi key #1", "wifi", "wifi key #1"),
    ("wpa_psk=0123456789abcdef", "wifi", "0123456789abcdef"),
    ("sae_password=wifi|id=guest", "wifi", "wifi|id=guest"),
    ("wep_key0=1234567890", "wifi", "1234567890"),
    ("auth_server_shared_secret=radius-word", "wifi", "radius-word"),
    ("\twpa-psk wifi-word", "wifi", "wifi-word"),
    ("rocommunity snmp-word", "snmp", "snmp-word"),
    ("rwcommunity6 snmp-word default", "snmp", "snmp-word"),
    ("com2sec readonly 10.0.0.0/8 snmp-word", "snmp", "snmp-word"),
    ("com2sec -Cn ctx readonly default snmp-word", "snmp", "snmp-word"),
    ("trap2sink 10.0.0.9 trap-word", "snmp", "trap-word"),
    ("informsink 10.0.0.9:162 trap-word", "snmp", "trap-word"),
    ("trapcommunity trap-word", "snmp", "trap-word"),
    ("authcommunity log,execute trap-word", "snmp", "trap-word"),
    ("createUser watcher SHA auth-word", "snmp", "auth-word"),
    ('createUser -e 0x8000 watcher SHA-256 "auth word"', "snmp", "auth word"),
    ("PrivateKey = WGKEY=", "key", "WGKEY="),
    ("PresharedKey=WGPSK=", "key", "WGPSK="),
    (
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
        "key",
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
    ),
]
VYOS = [
    ("set system login user noc authentication encrypted-password '$6$salt$hash'", "login", "$6$salt$hash"),
    ("set system login user noc authentication plaintext-password 'in clear'", "login", "in clear"),
    ("set system login user noc authentication otp key 'GJ3T'", "login", "GJ3T"),
    ("set service snmp community s3cr3t authorization 'ro'", "snmp", "s3cr3t"),
    ("set service snmp trap-target 10.0.0.9 community 'trapword'", "snmp", "trapword"),
    ("set service snmp v3 user noc auth encrypted-password '4e52fe55fd011c9c'", "snmp", "4e52fe55fd011c9c"),
    ("set service snmp v3 user noc privacy plaintext-password 'privword'", "snmp", "privword"),
    ("set service snmp v3 trap-target 10.0.0.9 auth plaintext-password 'authword'", "snmp", "authword"),
    ("set interfaces wireless wlan0 security wpa passphrase 'three word key'", "wifi", "three word key"),
    ("set interfaces wireless wlan0 security wep key '0123456789'", "wifi", "0123456789"),
    ("set interfaces wireless wlan0 security wpa radius server 10.0.0.1 key 'radword'", "key", "radword"),
    ("set interfaces pppoe pppoe0 authentication password 'ppp word'", "ppp", "ppp word"),
    ("set interfaces wwan wwan0 authentication password 'apnword'", "ppp", "apnword"),
    ("set service pppoe-server authentication local-users username fb1 password 'userword'", "ppp", "userword"),
    ("set vpn l2tp remote-access authentication local-users username u password 'userword'", "ppp", "userword"),
    ("set vpn l2tp remote-access ipsec-settings authentication pre-shared-secret 'ikeword'", "key", "ikeword"),
    ("set vpn ipsec authentication psk HUB secret 'ikeword'", "key", "ikeword"),
    ("set vpn ipsec site-to-site peer HUB authentication pre-shared-secret 'ikeword'", "key", "ikeword"),
    ("set system login radius server 10.0.0.1 key 'radword'", "key", "radword"),
    ("set system login tacacs server 10.0.0.1 key 'tacword'", "key", "tacword"),
    ("set service pppoe-server authentication radius server 10.0.0.1 key 'radword'", "key", "radword"),
    ("set service pppoe-server authentication radius dynamic-author key 'coaword'", "key", "coaword"),
    ("set interfaces wireguard wg0 private-key 'WGKEY='", "key", "WGKEY="),
    ("set interfaces wireguard wg0 peer HUB preshared-key 'WGPSK='", "key", "WGPSK="),
    ("set pki openvpn shared-secret S key '0a0b0c'", "key", "0a0b0c"),
    ("set pki certificate BOX private key 'MIIEvg'", "key", "MIIEvg"),
    ("set pki ca ROOT private key 'MIIEvg'", "key", "MIIEvg"),
    ("set interfaces macsec macsec0 security mka cak '232e44b7'", "key", "232e44b7"),
    ("set protocols bgp neighbor 10.0.0.1 password 'bgpword'", "key", "bgpword"),
    ("set protocols ospf interface eth0 authentication md5 key-id 1 md5-key 'ospfword'", "key", "ospfword"),
    ("set protocols ospf interface eth0 authentication plaintext-password 'ospfword'", "key", "ospfword"),
    ("set protocols rip interface eth0 authentication plaintext-password 'ripword'", "key", "ripword"),
    ("set protocols isis area-password plaintext-password 'isisword'", "key", "isisword"),
    ("set protocols nhrp tunnel tun0 cisco-authentication 'nhrpword'", "key", "nhrpword"),
    ("set high-availability vrrp group G authentication password 'vrrpword'", "key", "vrrpword"),
    ("set service https api keys id ID key 'apiword'", "key", "apiword"),
    ("set service dns dynamic name D password 'dynword'", "other", "dynword"),
    ("set interfaces openvpn vtun0 authentication password 'vpnword'", "other", "vpnword"),
    ("set container registry R authentication password 'regword'", "other", "regword"),
    ("set system config-management commit-archive location 'scp://noc:copyword@10.0.0.1/x'", "other", "copyword"),
]
ROUTEROS = [
    ("/user add group=full name=noc password=login-word", "login", "login-word"),
    ('/user set [ find name=admin ] password="two words"', "login", "two words"),
    ("/snmp community set [ find default=yes ] addresses=10.0.0.0/8 name=s3cr3t", "snmp", "s3cr3t"),
    ("/snmp community add name=s3cr3t write-access=yes", "snmp", "s3cr3t"),
    ("add addresses=10.0.0.0/8 name=s3cr3t", "snmp", "s3cr3t"),
    ("/snmp community add authentication-password=authword security=private", "snmp", "authword"),
    ("/snmp community add encryption-password=privword security=private", "snmp", "privword"),
    ("/snmp set enabled=yes trap-community=trapword trap-version=2", "snmp", "trapword"),
    ("/interface wifi set [ find default-name=wifi1 ] security.ft=yes .passphrase=wifikey12", "wifi", "wifikey12"),
    ('/interface wifi set [ find default-name=wifi1 ] security.passphrase="a \\"b\\" \\$c"', "wifi", 'a \\"b\\" \\$c'),
    ("/interface wifi security add name=sec1 passphrase=wifikey12", "wifi", "wifikey12"),
    ("/caps-man security add name=sec passphrase=wifikey12", "wifi", "wifikey12"),
    ("add mode=dynamic-keys name=home wpa2-pre-shared-key=wifikey12", "wifi", "wifikey12"),
    ("add name=home wpa-pre-shared-key=wifikey12", "wifi", "wifikey12"),
    ("/interface pppoe-client add interface=ether1 name=pppoe-out1 password=pppword user=fb1@isp", "ppp", "pppword"),
    ('/interface l2tp-client add connect-to=10.0.0.1 password="ppp word" user=u', "ppp", "ppp word"),
    ("/interface lte apn add apn=internet password=apnword user=u", "ppp", "apnword"),
    ("/interface lte set [ find default-name=lte1 ] pin=1234", "ppp", "1234"),
    ("/ppp secret add name=u password=pppword service=l2tp", "ppp", "pppword"),
    ('/interface wireguard add listen-port=13231 name=wg private-key="WGKEY="', "key", "WGKEY="),
    ('/interface wireguard peers add interface=wg preshared-key="WGPSK=" public-key="PUB="', "key", "WGPSK="),
    ("/interface l2tp-server server set enabled=yes ipsec-secret=ikeword use-ipsec=yes", "key", "ikeword"),
    ("/ip ipsec identity add peer=hub secret=ikeword", "key", "ikeword"),
    ("/radius add address=10.0.0.5 secret=radword service=ppp", "key", "radword"),
    ("/routing bgp connection add name=up tcp-md5-key=bgpword", "key", "bgpword"),
    ("/routing ospf interface-template add auth=md5 auth-key=ospfword", "key", "ospfword"),
    ("/interface vrrp add authentication=ah interface=bridge password=vrrpword", "key", "vrrpword"),
    ("/tool romon set enabled=yes secrets=romonword", "key", "romonword"),
    ("add name=pppoe-out1 password=pppword user=fb1@isp", "other", "pppword"),
    ("/tool e-mail set address=10.0.0.9 password=mailword", "other", "mailword"),
    ('/system script add source="/tool fetch user=u password=\\"in a script\\" url=x"', "other", "in a script"),
    ('/system script add source="/tool fetch user=u password=bareword url=x"', "other", "bareword"),
    ("/ip dns set use-doh-server=https://user:pw@doh.example/q", "other", "pw"),
]
NOT_SECRET = {
    "vyos": (
        "set system login user noc authentication plaintext-password ''",
        "set system login user noc authentication public-keys laptop key 'AAAAC3'",
        "set system login user noc full-name 'password reset desk'",
        "set interfaces tunnel tun0 parameters ip key '7'",
        "set interfaces wireguard wg0 peer HUB public-key 'WGPUB='",
        "set interfaces wireless wlan0 security wpa mode 'wpa2'",
        "set pki certificate BOX private password-protected",
        "set protocols ospf interface eth0 authentication md5 key-id 1",
        "set service snmp location 'community centre'",
        "set service ssh disable-password-authentication",
        "set system config-management commit-archive location 'scp://10.0.0.1/x'",
    ),
    "cisco_ios": (
        "service password-encryption",
        "no service password-encryption",
        "password encryption aes",
        "key chain RIP",
        " key 1",
        "username noc privilege 15",
        "aaa authentication login default local",
        "snmp-server location Kerkstraat 12",
        "snmp-server enable traps bgp",
        " ppp authentication chap pap callin",
        " ppp chap hostname fb1@isp",
        " authentication open",
        " ip ospf authentication message-digest",
        " crypto pki certificate chain TP",
        "ip ssh version 2",
        "ip ssh rsa keypair-name OPERATOR",
        " rsakeypair OPERATOR 2048",
        " certificate self-signed 01",
        "  30820330 30820218 A0030201 02020101",
        "key config-key password-encrypt",
        " dot1x pae authenticator",
        "aaa group server radius OPERATOR",
        "snmp-server group G v3 priv read ALL access MGMT",
        " profile id 1 apn m2m.example authentication none",
        " ppp authentication chap pap callin",
        " match interface Dialer1",
    ),
    "routeros": (
        "/ip ssh set always-allow-password-login=yes strong-crypto=yes",
        "/interface list add comment=password name=WAN",
        "/snmp set contact=noc enabled=yes",
        "/interface wifi set [ find default-name=wifi1 ] security.authentication-types=wpa2-psk",
        '/interface wireguard peers add interface=wg public-key="PUB="',
        "/interface pppoe-client add interface=ether1 name=pppoe-out1 user=fb1@isp",
        "/user group add name=noc policy=read,password,sensitive",
        "/system identity set name=secret-garden",
    ),
    "openwrt": (
        "\toption key '1'",
        "\toption keyboard 'be'",
        "\toption password_auth 'on'",
        "\toption PasswordAuth 'on'",
        "\toption username 'fb1@isp'",
        "\toption encryption 'psk2+ccmp'",
        "\toption password '$p$root'",
        "\toption url 'https://downloads.example/releases'",
        "\toption RootPasswordAuth 'on'",
        "\toption ft_psk_generate_local '1'",
        "\toption remember_password '1'",
        "\toption secret '/etc/openvpn/static.key'",
        "\toption auth_user_pass '/etc/openvpn/auth'",
        "\toption auth 'chap'",
        "\toption authorisation 'password'",
        "\toption trapsess '-v 3 -u noc -l noAuthNoPriv -a SHA -x AES 10.0.0.9'",
        "\toption secname 'ro'",
        "\toption public_key 'WGPUB='",
        "\toption pinmode 'auto'",
        "\toption ports '8080:80'",
        "\toption mac '02:00:5e:00:00:01'",
    ),
    "teltonika": (
        "\toption simcard '1'",
        "\toption pinstate 'ok'",
        "\toption auth 'none'",
        "\toption username 'admin'",
        "\toption password '$p$admin'",
        "\toption smstext 'reboot'",
        "\toption key_file '/etc/vuci-uploads/cbid.openvpn.client.key'",
        "\toption use_psk '0'",
    ),
    "frr_linux": (
        "service password-encryption",
        "key chain K1",
        " key 1",
        " ip ospf authentication message-digest",
        " neighbor 10.0.0.1 remote-as 65000",
        " description password reset line",
        "# client\tserver\tsecret\tIP addresses",
        "rocommunity6",
        "wpa_key_mgmt=WPA-PSK SAE",
        "# wpa_passphrase=secret passphrase",
        '\tiifname "ppp0" tcp dport 80 dnat ip to 192.168.1.2:80',
        "plugin rp-pppoe.so",
        'user "fb1@isp.example"',
        "dhcp-host=02:00:5e:00:00:0a,printer,192.168.1.20",
        "Subsystem sftp /usr/lib/openssh/sftp-server",
        "PublicKey = WGPUB=",
    ),
}


def found_in(family: str, line: str) -> list[tuple[str, str]]:
    """(kind, secret), each span once, the first rule's kind."""
    spans: dict[tuple[int, int], tuple[str, str]] = {}
    for rule in DriverRoster().get(family).spec.secrets:
        for match in rule.pattern.finditer(line):
            spans.setdefault(match.span("secret"), (rule.kind, match["secret"]))
    return list(spans.values())


def words_from(line: str, place: int) -> str:
    """The word at ``place``; the last words from it on when it counts from the end and several are left."""
    words = line.split(" ")
    return words[place] if place >= 0 or place == -1 else " ".join(words[place:])


@pytest.mark.parametrize(("line", "kind", "place"), IOS)
def test_ios_secrets_are_named_in_all_their_forms(line: str, kind: str, place: int) -> None:
    expected = "ABCDEF" if "transmit-key" in line else words_from(line, place)
    assert (kind, expected) in found_in("cisco_ios", line)
    assert {found for found, _ in found_in("cisco_ios", line)} == {kind}


@pytest.mark.parametrize("family", ["openwrt", "teltonika"])
@pytest.mark.parametrize(("line", "kind", "secret"), UCI)
def test_uci_secrets_are_named_whatever_they_are_quoted_with(family: str, line: str, kind: str, secret: str) -> None:
    assert found_in(family, line) == [(kind, secret)]


@pytest.mark.parametrize(("line", "kind", "secret"), FRR)
def test_frr_secrets_are_named(line: str, kind: str, secret: str) -> None:
    assert found_in("frr_linux", line) == [(kind, secret)]


@pytest.mark.parametrize(("line", "kind", "secret"), VYOS)
def test_vyos_secrets_are_named(line: str, kind: str, secret: str) -> None:
    assert found_in("vyos", line) == [(kind, secret)]


def test_both_words_of_an_snmp_user_on_a_linux_box_are_secret() -> None:
    found = found_in("frr_linux", 'createUser watcher MD5 "auth word" AES priv-word')
    assert sorted(found) == [("snmp", "auth word"), ("snmp", "priv-word")]


@pytest.mark.parametrize(("line", "kind", "secret"), ROUTEROS)
def test_routeros_secrets_are_named_bare_quoted_and_within_scripts(line: str, kind: str, secret: str) -> None:
    assert found_in("routeros", line) == [(kind, secret)]


@pytest.mark.parametrize(("family", "line"), [(family, line) for family, lines in NOT_SECRET.items() for line in lines])
def test_lines_that_only_talk_about_secrets_stay_readable(family: str, line: str) -> None:
    assert found_in(family, line) == []


@pytest.mark.parametrize("family", DriverRoster().families())
def test_every_rule_names_its_secret_and_works_line_by_line(family: str) -> None:
    for rule in DriverRoster().get(family).spec.secrets:
        assert "secret" in rule.pattern.groupindex
        assert not [match for match in rule.pattern.finditer("\n \n\t\n") if match["secret"]]
