"""The steps from one whole text to another: what is typed, in which order, and what of a log-in is filled in."""

from __future__ import annotations

from cpe_manager.kit.ios.lines import lines_of
from cpe_manager.kit.ios.replacing import Unit, replacing, with_own_secrets
from cpe_manager.kit.redaction import REMOVED
from cpe_manager.kit.routeros import replacing as routeros

BOX = """version 15.7
hostname R1
username admin privilege 15 secret 9 __removed_device_password__
interface GigabitEthernet0/0
 ip address 192.0.2.2 255.255.255.0
 ip access-group IN in
ip route 0.0.0.0 0.0.0.0 192.0.2.1
ip access-list extended IN
 permit tcp any any eq 22
 deny   ip any any
line vty 0 4
 access-class MGMT in
end
"""


def flat(units: tuple[Unit, ...]) -> list[str]:
    return [line for unit in units for line in (*unit.heads, *unit.lines)]


def test_nothing_is_typed_for_a_text_that_runs_already() -> None:
    assert replacing(BOX, BOX, strict=True) == ()


def test_a_list_is_off_the_way_in_while_its_entries_change() -> None:
    units = replacing(BOX, BOX.replace("eq 22\n", "eq 22\n permit icmp any any\n"), strict=False)
    interface, entries = ("interface GigabitEthernet0/0",), ("ip access-list extended IN",)
    assert units == (
        Unit(interface, ("no ip access-group IN in",)),
        Unit(entries, ("no deny   ip any any", "permit icmp any any", "deny   ip any any")),
        Unit(interface, ("ip access-group IN in",)),
    )


def test_the_new_route_is_there_before_the_old_one_goes_and_the_name_comes_last() -> None:
    wanted = BOX.replace("192.0.2.1\n", "192.0.2.9\n").replace("hostname R1", "hostname R2")
    assert flat(replacing(BOX, wanted, strict=False)) == [
        "ip route 0.0.0.0 0.0.0.0 192.0.2.9",
        "no ip route 0.0.0.0 0.0.0.0 192.0.2.1",
        "hostname R2",
    ]


def test_an_address_takes_the_place_of_the_last_one_without_a_gap() -> None:
    wanted = BOX.replace("192.0.2.2 ", "192.0.2.3 ")
    assert flat(replacing(BOX, wanted, strict=False)) == [
        "interface GigabitEthernet0/0",
        "ip address 192.0.2.3 255.255.255.0",
    ]


def test_a_banner_is_typed_with_a_delimiter_that_is_not_in_it() -> None:
    banner = "banner motd ^C\nR1# call ~ | @\nend\n!\n^C\n"
    (line,) = [one for one in lines_of(f"{banner}{BOX}").children if one.body]
    assert line.typed() == "banner motd `\nR1# call ~ | @\nend\n!\n`"
    assert flat(replacing(BOX, banner + BOX, strict=False)) == [line.typed()]
    assert flat(replacing(banner + BOX, BOX, strict=False)) == ["no banner motd"]


def test_a_certificate_is_one_piece_and_another_one_takes_its_place() -> None:
    chain = "crypto pki certificate chain X\n certificate self-signed 01\n  3082 A003\n  \tquit\n"
    head = "crypto pki certificate chain X"
    assert flat(replacing(BOX, chain + BOX, strict=False)) == [head, "certificate self-signed 01\n3082 A003\nquit"]
    other = chain.replace("A003", "B004")
    assert flat(replacing(chain + BOX, other + BOX, strict=False)) == [
        head,
        "no certificate self-signed 01",
        head,
        "certificate self-signed 01\n3082 B004\nquit",
    ]


def test_the_devices_own_secret_is_kept_and_an_account_it_lacks_gets_one_that_nobody_knows() -> None:
    raw = BOX.replace(REMOVED, "$9$own")
    wanted = BOX.replace("privilege 15", "privilege 7").replace(
        "interface", f"username eve secret 9 {REMOVED}\ninterface"
    )
    filled = with_own_secrets(wanted, BOX, raw, lambda name: f"made-for-{name}")
    assert "username admin privilege 7 secret 9 $9$own\n" in filled
    assert "username eve secret 0 made-for-eve\n" in filled
    assert with_own_secrets(BOX, BOX, raw, lambda _name: "never") == BOX


ROS = """# 2026-11-28 18:30:56 by RouterOS 7.15.3
/interface bridge add name=bridge
/ip address add address=192.0.2.2/24 interface=ether1 network=192.0.2.0
/ip firewall filter add action=accept chain=input comment=one
/ip firewall filter add action=drop chain=input comment=two
/ip ssh set strong-crypto=yes
/ip service set telnet disabled=yes
"""


def test_a_rule_goes_before_the_one_that_follows_it_and_comes_before_the_one_it_replaces_goes() -> None:
    commands = routeros.replacing(ROS, ROS.replace("comment=one", "comment=uno"), strict=False)
    assert [command.split(" ")[3] for command in commands] == ["add", "remove"]
    assert "place-before=" in commands[0]


def test_what_a_text_does_not_say_goes_back_to_its_default() -> None:
    wanted = "\n".join(line for line in ROS.split("\n") if not line.startswith(("/ip ssh", "/ip service")))
    assert set(routeros.replacing(ROS, wanted, strict=False)) == {
        "/ip ssh set strong-crypto=no",
        "/ip service set telnet disabled=no",
    }


def test_the_way_in_changes_last() -> None:
    wanted = ROS.replace("192.0.2.2/24", "192.0.2.3/24").replace("name=bridge", "name=lan")
    commands = routeros.replacing(ROS, wanted, strict=False)
    assert commands[0] == "/interface bridge add name=lan"
    assert commands[-1].startswith("/interface bridge remove ")
    assert [c.split(" ")[2] for c in commands[1:3]] == ["remove", "add"]
    assert all(c.startswith("/ip address") for c in commands[1:3])


def test_a_log_in_that_a_backup_left_out_is_put_in_as_the_place_asks_for_it() -> None:
    secret = 'p"$w'
    assert routeros.with_own_secret(f"/x add password={REMOVED}", secret) == '/x add password="p\\"\\$w"'
    script = f'/x add source="fetch password=\\"{REMOVED}\\""'
    assert routeros.with_own_secret(script, secret) == '/x add source="fetch password=\\"p\\\\\\"\\\\\\$w\\""'
