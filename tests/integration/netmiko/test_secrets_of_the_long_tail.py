"""Secrets in dialects that nobody here knows: the generic rules find them, and leave ordinary words alone."""

from __future__ import annotations

import pytest

from cpe_manager.kit.redaction import REMOVED, canonical, redact, strip_login
from drivers.long_tail import PROFILES, SECRETS, VOLATILE, hostname_in
from simulators.personas.registry import all_personas
from simulators.spec import DeviceSpec
from simulators.state import new_state

LOGIN = [
    "username admin password encrypted {} privilege 15",
    "username admin privilege 15 secret 9 {}",
    "enable secret 5 {}",
    "enable password level 15 {}",
    " password irreversible-cipher {}",
    "    set password ENC {}",
    "local-user noc password cipher {}",
    "set system login user noc authentication encrypted-password '{}'",
    '            encrypted-password "{}"; ## SECRET-DATA',
    'set system root-authentication encrypted-password "{}"',
    "super password level 3 cipher {}",
]
KEPT = [
    ("snmp", "snmp-server community {} ro"),
    ("snmp", "snmp-agent community read cipher {}"),
    ("snmp", "set snmp community {} authorization read-only"),
    ("snmp", "snmp-server user u g v3 auth sha {} priv aes 128 otherword"),
    ("snmp", "snmp-server user u g v3 auth sha otherword priv aes 128 {}"),
    ("ppp", " ppp chap password 0 {}"),
    ("ppp", "pppoe-client user x password {}"),
    ("wifi", "wlan ssid Shop wpa-psk ascii {}"),
    ("wifi", " wpa2 psk {}"),
    ("key", "radius-server host 10.0.0.1 key 7 {}"),
    ("key", "tacacs-server key {}"),
    ("key", " pre-shared-key cipher {}"),
    ("key", 'set security ike policy p pre-shared-key ascii-text "{}"'),
    ("key", "  key-string 7 {}"),
    ("other", "set interfaces pp0 something password={}"),
    ("other", "/interface wireless security-profiles set wpa2-pre-shared-key={}"),
    ("other", "  secret: {}"),
    ("other", "mail server 10.0.0.1 account x password {}"),
]
ORDINARY = [
    "service password-encryption",
    "password minimum-length 8",
    "passwords aging 180",
    "enable password-policy",
    "no ip http secure-server",
    "aaa authentication login default local",
    "key chain OSPF",
    "interface GigabitEthernet1/0/1",
    "description key account of the community",
    "ip community-list expanded X permit 65000:1",
    "crypto key generate rsa",
]
WORD = "zx81Spectrum"


@pytest.mark.parametrize("line", LOGIN)
def test_a_log_in_is_removed_even_from_the_original(line: str) -> None:
    text = f"!\n{line.format(WORD)}\nend\n"
    stripped = strip_login(text, SECRETS)
    assert WORD not in stripped
    assert REMOVED in stripped
    assert strip_login(stripped, SECRETS) == stripped


@pytest.mark.parametrize(("kind", "line"), KEPT)
def test_other_secrets_stay_in_the_original_and_are_masked_in_the_view(kind: str, line: str) -> None:
    text = f"!\n{line.format(WORD)}\nend\n"
    assert strip_login(text, SECRETS) == text
    shown = redact(text, SECRETS)
    assert WORD not in shown
    assert "<" in shown


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_words_are_neither_removed_nor_masked(line: str) -> None:
    assert redact(f"{line}\n", SECRETS) == f"{line}\n"


@pytest.mark.parametrize("family", ["cisco_ios", "openwrt", "frr_linux"])
def test_what_the_virtual_cpes_hold_is_found_without_knowing_their_dialect(family: str) -> None:
    for seed in range(20):
        spec = DeviceSpec(name=f"cpe-{seed}", family=family, seed=seed)
        persona = all_personas()[family]
        text = persona.running_text(new_state(spec, persona.factory_config(spec)))
        secrets = spec.secrets
        kept = strip_login(text, SECRETS, (secrets.login, secrets.enable))
        assert not [form for form in persona.login_forms(spec) if form in kept]
        shown = redact(kept, SECRETS)
        assert not [one for one in (secrets.snmp, secrets.wifi, secrets.ppp) if one in shown]


@pytest.mark.parametrize(
    "line",
    [
        "! Last configuration change at 08:48:02 UTC Sun Nov 15 2026 by console",
        "!Time: Sun Nov 15 08:48:02 2026",
        "# 2026-11-15 08:48:02 by RouterOS 7.16",
        "# nov/15/2026 08:48:02 by RouterOS 6.49",
        "## Last commit: 2026-11-15 08:48:02 UTC by noc",
        "Current configuration : 3837 bytes",
        "Building configuration...",
        "ntp clock-period 17179861",
    ],
)
def test_lines_that_change_by_themselves_make_no_version(line: str) -> None:
    assert canonical(f"{line}\nhostname R1\n", VOLATILE) == "hostname R1\n"


def test_a_time_that_is_configured_is_no_line_that_changes_by_itself() -> None:
    text = "time-range NIGHT\n periodic daily 22:00:00 to 06:00:00\nhostname R1\n"
    assert canonical(text, VOLATILE) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("!\nhostname SW-1\n", "SW-1"),
        ('set system host-name "vy.1"\n', "vy.1"),
        (" sysname HQ\n", "HQ"),
        ("/system identity\nset name=mt-1\n", "mt-1"),
        ("interface lo\n", None),
    ],
)
def test_the_name_is_read_in_the_common_dialects(text: str, name: str | None) -> None:
    assert hostname_in(text) == name


def test_every_profile_is_of_a_platform_that_exists() -> None:
    from cpe_manager.adapters.netmiko.platforms import platform_names

    assert PROFILES.keys() <= set(platform_names())


@pytest.mark.parametrize(
    "word", ["snmp ", "password ", "set password 7 ", "user x password ", "wpa ", "key ", "a-", "-key", "community ro "]
)
def test_a_line_of_a_box_gone_mad_costs_no_more_than_its_length(word: str) -> None:
    """The suite's own time limit is the measure: with an unbounded pattern one of these takes hours."""
    text = word * (400_000 // len(word)) + "\n"
    assert redact(strip_login(text, SECRETS), SECRETS)
    assert isinstance(canonical(text, VOLATILE), str)
