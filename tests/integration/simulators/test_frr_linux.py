"""The FRR router: what Debian's FRR 8.4 vtysh says, as login shell and within bash."""

from __future__ import annotations

import pytest


async def test_the_login_shell_shows_the_configuration_with_exit_status(start_box, login):
    box = await start_box("frr_linux")
    async with login(box) as connection:
        result = await connection.run("show running-config")
    assert result.exit_status == 0
    assert result.stdout == box.running_text()
    assert result.stdout.startswith("Building configuration...\n\nCurrent configuration:\n!\nfrr version 8.4.4\n")
    assert result.stdout.endswith("!\nend\n")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("foo bar", "% Unknown command: foo bar\n"),
        ("show clock", "% Unknown command: show clock\n"),
        ("terminal width 511", "% Unknown command: terminal width 511\n"),
        ("show", "% Command incomplete: show\n"),
        ("sh i", "% Ambiguous command: sh i\n"),
    ],
)
async def test_what_vtysh_does_not_know_it_refuses_with_status_one(start_box, login, command, answer):
    async with login(await start_box("frr_linux")) as connection:
        result = await connection.run(command)
    assert (result.exit_status, result.stdout) == (1, answer)


async def test_configuration_mode_really_changes_the_configuration(start_box, terminal):
    box = await start_box("frr_linux")
    asn = box.running_text().partition("router bgp ")[2].split()[0]
    hand = await terminal(box)
    await hand.wait_for("GENT-01# ")
    await hand.type("conf t", "GENT-01(config)# ")
    await hand.type(f"router bgp {asn}", "GENT-01(config-router)# ")
    await hand.type("address-family ipv4 unicast", "GENT-01(config-router-af)# ")
    await hand.type("network 10.77.0.0/16", "GENT-01(config-router-af)# ")
    await hand.type("exit", "GENT-01(config-router)# ")
    await hand.type("interface eth9", "GENT-01(config-if)# ")
    await hand.type("description new", "GENT-01(config-if)# ")
    assert "% Unknown command: show version" in await hand.type("show version", "(config-if)# ")
    await hand.type("no ip route 10.0.0.0/8", "GENT-01(config)# ")
    assert "% Refusing to remove" in await hand.type("no ip route 10.0.0.0/8", "GENT-01(config)# ")
    await hand.type("end", "GENT-01# ")
    running = box.running_text()
    assert "  network 10.77.0.0/16\n" in running
    assert "!\ninterface eth9\n description new\nexit\n!\n" in running
    assert "ip route 10.0.0.0/8" not in running
    assert "eth9" not in box.state.startup
    await hand.type("write memory", "[OK]")
    assert "eth9" in box.state.startup


async def test_removing_an_interface_leaves_no_crumbs(start_box):
    box = await start_box("frr_linux")
    box.change("no interface eth0")
    assert "eth0" not in box.running_text()
    assert "exit\n!\nexit\n" not in box.running_text()
    assert "!\n!\n" not in box.running_text().partition("frr version")[2]


async def test_bash_runs_vtysh_commands_and_stops_at_the_first_that_fails(start_box, login):
    box = await start_box("frr_linux", options={"mode": "linux"})
    async with login(box) as connection:
        shown = await connection.run("vtysh -c 'show running-config'")
        changed = await connection.run("vtysh -c 'conf t' -c 'ip route 10.1.0.0/16 Null0' -c bogus -c 'hostname never'")
        unknown = await connection.run("show running-config")
    assert shown.exit_status == 0
    assert shown.stdout.endswith("\nend\n")
    assert (changed.exit_status, changed.stdout) == (1, "% Unknown command: bogus\n")
    assert "ip route 10.1.0.0/16 Null0\n" in box.running_text()
    assert "hostname GENT-01\n" in box.running_text()
    assert (unknown.exit_status, unknown.stderr) == (127, "bash: line 1: show: command not found\n")


@pytest.mark.parametrize(("mode", "sign"), [("bash", "$"), ("linux", "#")])
async def test_vtysh_opens_within_bash_and_leads_back_to_it(start_box, terminal, mode, sign):
    hand = await terminal(await start_box("frr_linux", options={"mode": mode}))
    await hand.wait_for(f"backup@GENT-01:~{sign} ")
    assert "Hello, this is FRRouting" in await hand.type("vtysh", "\r\nGENT-01# ")
    await hand.type("show version", "GENT-01# ")
    await hand.type("exit", f"backup@GENT-01:~{sign} ")
    assert "-bash: show: command not found" in await hand.type("show version", f":~{sign} ")


async def test_the_linux_side_holds_what_frr_does_not_know(start_box, login):
    box = await start_box("frr_linux", options={"mode": "linux"})
    secrets = box.spec.secrets
    async with login(box) as connection:
        for path, word in [
            ("/etc/dnsmasq.conf", "dhcp-range="),
            ("/etc/hostapd/hostapd.conf", f"wpa_passphrase={secrets.wifi}"),
            ("/etc/ppp/chap-secrets", secrets.ppp),
            ("/etc/nftables.d/cpe.nft", "dnat ip to"),
            ("/etc/snmp/snmpd.conf", secrets.snmp),
            ("/etc/frr/frr.conf", "hostname GENT-01"),
        ]:
            assert word in str((await connection.run(f"cat {path}")).stdout)


async def test_root_alone_writes_the_files_of_the_daemons(start_box, login):
    for mode, status, stored in (("bash", 1, None), ("linux", 0, "no-resolv\n")):
        box = await start_box("frr_linux", options={"mode": mode})
        async with login(box) as connection:
            result = await connection.run("printf '%s\\n' no-resolv > /etc/dnsmasq.d/own.conf")
        assert result.exit_status == status
        assert box.state.files.get("/etc/dnsmasq.d/own.conf") == stored


@pytest.mark.parametrize(
    ("command", "status", "told"),
    [
        ("nft -c -f /etc/nftables.d/cpe.nft", 0, ""),
        ("echo 'table inet x {' > /run/a; nft -c -f /run/a", 1, "unexpected end of file"),
        ("printf 'table ip x {\\nchain a {\\nallow\\n}\\n}\\n' > /run/a; nft -c -f /run/a", 1, "/run/a:3:1-1: Error"),
        ("printf 'table ip x {\\nchain a {\\njump b\\n}\\n}\\n' > /run/a; nft -f /run/a", 1, "No such file"),
        ("echo 'tcp dport 99' > /run/a; nft -c -f /run/a", 1, "unexpected tcp"),
        ("dnsmasq --test -C /etc/dnsmasq.conf", 0, "syntax check OK"),
        ("echo 'dhcp-range=a,b' > /run/a; dnsmasq --test -C /run/a", 1, "bad option at line 1 of /run/a"),
        ("echo 'ip route 10.0.0.0/8 Null0' > /run/a; vtysh -C -f /run/a", 0, ""),
        ("echo 'frobnicate' > /run/a; vtysh -C -f /run/a", 2, "line 1: % Unknown command[4]: frobnicate"),
        ("pon nobody", 2, "unrecognized option"),
        ("poff wan", 1, "No pppd is running"),
        ("service toaster restart", 1, "unrecognized service"),
    ],
)
async def test_the_daemons_tell_what_they_do_not_take(start_box, login, command, status, told):
    box = await start_box("frr_linux", options={"mode": "linux"})
    before = box.running_text()
    async with login(box) as connection:
        result = await connection.run(command)
    assert (result.exit_status, told in result.stderr + result.stdout) == (status, True)
    assert box.running_text() == before


async def test_a_renamed_box_keeps_the_name_that_frr_was_started_with_beside_its_own(start_box, login):
    box = await start_box("frr_linux", options={"mode": "linux"})
    async with login(box) as connection:
        await connection.run("hostname GENT-02")
        assert (await connection.run("uname -n")).stdout == "GENT-02\n"
        assert "hostname GENT-01\nlog " in box.running_text()
        assert "hostname GENT-02\nservice " in box.running_text()
        await connection.run("echo GENT-03 > /etc/hostname")
    box.restart(0.0)
    assert box.persona.hostname(box.state) == "GENT-03"
