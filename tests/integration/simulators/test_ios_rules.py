"""The virtual IOS router takes configuration lines by IOS's rules, not by anybody's wishes."""

from __future__ import annotations

import pytest

from simulators.dialects.ios_editor import IosEditor, Refusal, normalised
from simulators.dialects.ios_rollback import replaced
from simulators.personas.cisco_ios import PERSONA
from simulators.spec import DeviceSpec
from simulators.state import DeviceState, new_state


def factory(**options: str) -> DeviceState:
    spec = DeviceSpec("GENT-01", "cisco_ios", seed=5, options=options)
    return new_state(spec, PERSONA.factory_config(spec))


def typed(body: str, *lines: str) -> str:
    """The configuration after these lines, all of which have to be taken."""
    editor = IosEditor(body)
    for line in lines:
        assert not isinstance(found := editor.enter(line), Refusal), (line, found)
    return editor.text()


def refused(body: str, *lines: str) -> Refusal:
    """What is said to the last line."""
    editor = IosEditor(body)
    for line in lines[:-1]:
        assert not isinstance(found := editor.enter(line), Refusal), (line, found)
    found = editor.enter(lines[-1])
    assert isinstance(found, Refusal), editor.text()
    return found


CLIENT = "0102.005e.0000.0a"
BODY = normalised(
    """version 15.7
hostname r1
interface GigabitEthernet0/0
 ip address 192.0.2.2 255.255.255.0
interface GigabitEthernet0/1
 description inside
 ip address 10.1.1.1 255.255.255.0
 ip address 10.1.2.1 255.255.255.0 secondary
ip nat inside source static tcp 10.1.1.9 80 interface GigabitEthernet0/0 80
ip route 10.20.0.0 255.255.0.0 10.1.1.2
ip route 10.20.0.0 255.255.0.0 10.1.1.3 20
ip access-list extended A
 permit tcp any any eq www
 deny   ip any any
line vty 0 4
 transport input ssh
"""
)


@pytest.mark.parametrize("encryption", ["no", "yes"])
def test_a_factory_configuration_is_what_typing_it_gives(encryption: str) -> None:
    state = factory(password_encryption=encryption)
    assert replaced(state, f"{state.running}end\n") == (state.running, [])
    assert normalised(state.running) == state.running


@pytest.mark.parametrize(
    ("lines", "there", "gone"),
    [
        (["hostn r2"], "hostname r2", "hostname r1"),
        (["int gi 0/1", "desc two  blanks"], " description two  blanks", " description inside"),
        (["interface GigabitEthernet0/1", "no description"], "interface GigabitEthernet0/1", " description inside"),
        (["no ip route 10.20.0.0 255.255.0.0 10.1.1.2"], "ip route 10.20.0.0 255.255.0.0 10.1.1.3 20", "10.1.1.2\n"),
        (["ip route 10.20.0.0 255.255.0.0 10.1.1.2 9"], "10.1.1.2 9", "10.1.1.2\n"),
        (["ip access-list extended A", "no permit tcp any any eq 80"], " deny   ip any any", "eq www"),
        (["ip access-list ext A", "permit udp any any eq 161"], " permit udp any any eq snmp", "eq 161"),
        (["int gi0/1", "ip address dhcp"], " ip address dhcp", "10.1.1.1 "),
        (["int gi0/1", "no ip address"], " no ip address", "address 10.1."),
        (["int gi0/1", "no ip address 10.1.2.1 255.255.255.0 secondary"], "10.1.1.1", "10.1.2.1"),
        (["line vty 0 4", "transport input ssh telnet"], " transport input telnet ssh", "input ssh"),
        (["ip nat translation tcp-timeout 86400"], "hostname", "tcp-timeout"),
        (["ip nat translation tcp-timeout 60", "ip nat translation tcp-timeout 86400"], "hostname", "tcp-timeout"),
        (["ip dhcp pool A", "lease 1"], "ip dhcp pool A", "lease"),
        (["ip dhcp pool A", "lease 0 4 0"], " lease 0 4\n", "lease 0 4 0"),
        (["ipv6 general-prefix P 2a02:a03f:12:3400::/56"], "ipv6 general-prefix P 2A02:A03F:12:3400::/56", "2a02"),
        (["no interface Dialer1"], "hostname r1", "Dialer1"),
    ],
)
def test_lines_replace_and_remove_what_they_name(lines: list[str], there: str, gone: str) -> None:
    text = typed(BODY, *lines)
    assert there in text
    assert gone not in text


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["interface GigabitEthernet0/0", "ip address 10.1.1.5 255.255.255.0"], "% 10.1.1.0 overlaps with"),
        (["interface GigabitEthernet0/0", "ip address 192.0.2.255 255.255.255.0"], "Bad mask /24 for address"),
        (["interface GigabitEthernet0/1", "no ip address 10.1.1.1 255.255.255.0"], "Must delete secondary before"),
        (["interface GigabitEthernet0/1", "no ip address 10.9.9.9 255.255.255.0"], "%Invalid address"),
        (["ip route 10.30.0.0 255.255.0.0 10.1.1.1"], "this router"),
        (["ip route 10.30.0.1 255.255.0.0 10.1.1.2"], "%Inconsistent address and mask"),
        (["no ip route 10.99.0.0 255.255.0.0 10.1.1.2"], "%No matching route to delete"),
        (["no interface GigabitEthernet0/0"], "Removal of physical interfaces"),
        (["hostname bad*name"], "illegal characters"),
        (["ip nat inside source static tcp 10.1.1.7 80 interface GigabitEthernet0/0 80"], "% similar static entry"),
        (["ip dhcp pool A", f"client-identifier {CLIENT}", "ip dhcp pool B", f"client-identifier {CLIENT}"],
         "% A binding for this client"),
        (["interface Dialer9", "interface Dot11Radio7"], "% Invalid input"),
    ],
)  # fmt: skip
def test_what_the_syntax_allows_and_the_router_does_not_is_refused_in_its_words(lines: list[str], said: str) -> None:
    assert said in refused(BODY, *lines).text


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("frobnicate all", 0),
        ("ip frobnicate", 1),
        ("ip route 10.20.0.0 255.0.255.0 10.1.1.2", 3),
        ("no ip frobnicate", 2),
        ("snmp-server community public MAYBE", 3),
        ("ip nat inside source static tcp 10.1.1.9 70000 interface GigabitEthernet0/0 80", 7),
    ],
)
def test_a_line_that_is_none_is_refused_at_the_word_that_is_wrong(line: str, place: int) -> None:
    found = refused(BODY, line)
    assert (found.place, found.incomplete) == (place, False)


@pytest.mark.parametrize("line", ["hostname", "ip route 10.0.0.0", "interface", "snmp-server community public", "no"])
def test_a_line_that_stops_too_early_is_incomplete(line: str) -> None:
    assert refused(BODY, line).incomplete


def test_an_entry_that_is_there_already_is_dropped_in_silence() -> None:
    assert typed(BODY, "ip access-list extended A", "permit tcp any any eq 80") == BODY


def test_entries_of_a_list_keep_the_order_in_which_they_came() -> None:
    text = typed(BODY, "ip access-list extended B", "remark first", "deny ip any host 10.1.1.1", "permit ip any any")
    assert "B\n remark first\n deny   ip any host 10.1.1.1\n permit ip any any\n" in text


def test_a_line_of_the_top_level_leaves_the_block() -> None:
    editor = IosEditor(BODY)
    editor.enter("interface GigabitEthernet0/1")
    assert editor.suffix == "config-if"
    editor.enter("ip nat inside source static udp 10.1.1.9 53 interface GigabitEthernet0/0 53")
    assert editor.suffix == "config"


def test_service_password_encryption_hides_what_is_there_and_what_comes() -> None:
    state = factory()
    clear = [state.spec.secrets.login, state.spec.secrets.ppp, state.spec.secrets.wifi]
    assert all(secret in state.running for secret in clear)
    hidden = typed(state.running, "service password-encryption")
    assert not [secret for secret in clear if secret in hidden]
    again = typed(hidden, "interface Dialer1", "ppp chap password 0 Fresh word")
    assert "Fresh word" not in again
    assert " ppp chap password 7 08" in again


def test_a_banner_takes_lines_to_its_delimiter() -> None:
    text = typed(BODY, "banner login #", "hostname not-a-command", "  a line #", "hostname r3")
    assert "banner login ^C\nhostname not-a-command\n  a line ^C\n" in text
    assert "\nhostname r3\n" in text


def test_a_removal_that_cuts_somebody_off_is_asked_about_first() -> None:
    editor, line = (
        IosEditor(BODY, asks=True),
        "no ip nat inside source static tcp 10.1.1.9 80 interface GigabitEthernet0/0 80",
    )
    assert editor.enter(line) == "Static entry in use, do you want to delete child entries? [no]: "
    assert "source static" in editor.text()
    assert editor.enter(line, sure=True) is None
    assert "source static" not in editor.text()


def test_default_takes_an_interface_back_to_nothing() -> None:
    assert "interface GigabitEthernet0/1\nip nat" in typed(BODY, "default interface gi0/1").replace("!\n", "")


def test_entries_are_named_by_their_number_too() -> None:
    opened = ["ip access-list extended A", "15 permit tcp any any eq 443"]
    assert " permit tcp any any eq www\n permit tcp any any eq 443\n deny   ip any any\n" in typed(BODY, *opened)
    assert " deny   ip any any" not in typed(BODY, "ip access-list extended A", "no 20")
    assert "Duplicate sequence number" in refused(BODY, "ip access-list extended A", "10 permit udp any any").text
    assert refused(BODY, "ip access-list extended A", "30 frobnicate").place == 1


def test_a_later_router_counts_the_entries_that_it_shows_and_takes_them_back_so() -> None:
    state = factory(software="iosxe")
    text = PERSONA.running_text(state)
    assert "\nip access-list extended INTERNET-IN\n 10 evaluate SESSIONS\n 20 permit tcp " in text
    assert replaced(state, text) == (state.running, [])
    assert "dot11" not in text
