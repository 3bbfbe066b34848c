"""What is not meant for a device is told from what is."""

from __future__ import annotations

import pytest

from cpe_manager.kit.pasted import foreign_to_devices, left_by_template


@pytest.mark.parametrize(
    "line",
    [
        "ip name-server {{ resolver }}",
        "set system host-name '{{site.name | upper}}'",
        "{% if wifi %}",
        "ip route 0.0.0.0 0.0.0.0 <no value>",
        "% Invalid input detected at '^' marker.",
        "            ^",
        "%Rollback aborted: the file is not a valid config file",
        "Rollback aborted after 5 passes",
        "bad command name frobnicate (line 1 column 1)",
        "syntax error (line 1 column 9)",
        "Invalid command: [frobnicate]",
        "Configuration path: interfaces ethernet eth9 is not valid",
        "uci: Entry not found",
        "-ash: frobnicate: not found",
        "Traceback (most recent call last):",
        " --More-- ",
        "R1(config-if)# no shutdown",
        "Building configuration...",
    ],
)
def test_left_overs_and_answers_are_no_commands(line: str) -> None:
    assert foreign_to_devices(line)


@pytest.mark.parametrize(
    "line",
    [
        "interface GigabitEthernet0/0",
        " description 100% uptime ^ up",
        "banner motd ^C",
        "^C",
        "snmp-server community a{b}c RO",
        "ppp chap password 0 x{{y",
        '/system script add name=x source=":if (true) do={:put \\"{ok}\\"}"',
        "set firewall group network-group A network '10.0.0.0/8'",
        "uci set system.@system[0].hostname='R1(config)'",
        "nft add rule inet cpe input tcp dport { 22, 23 } drop",
        "sh /etc/init.d/network reload",
        "printf '%s\\n' '% Error' >/tmp/x",
    ],
)
def test_commands_are(line: str) -> None:
    assert not foreign_to_devices(line)


def test_a_change_is_looked_through_to_its_depth() -> None:
    assert left_by_template({"wifi": [{"ssid": "{{ ssid }}"}]})
    assert not left_by_template({"wifi": [{"ssid": "{{odd", "key": "}}#{%"}], "dns": ["9.9.9.9"]})
