"""What turns a Linux router's files and FRR's configuration into others, in commands of root's shell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Interface
from shlex import quote
from typing import Final

from cpe_manager.domain.cpe_config import CpeConfig, Wan
from cpe_manager.domain.errors import InputError
from cpe_manager.kit.linux import daemon_words, file_bundle, link_words, nft_table
from cpe_manager.kit.linux.box import NFT, NFT_MAIN, NO_SSH, NO_TABLE, Box, model
from cpe_manager.kit.linux.guard import PRIVATE

_NFT_INCLUDE: Final = 'include "/etc/nftables.d/*.nft"'
# What daemons have not been told yet of files that are in their places: it is left behind by a session that was cut.
FRR_CHANGES, TODO = "/run/cpe-manager.frr", "/run/cpe-manager.todo"
NEW: Final = ".cpe-new."
_STANDBY_DISTANCE: Final = 200


def commands(box: Box, wanted: CpeConfig) -> Iterator[str]:
    """What is typed, in three parts: new files and their checks, files in their places, daemons told."""
    found, files = model(box), box.files
    left = files.lines(TODO)
    if found == wanted and not left:
        return
    _refuse_what_cannot_be(wanted)
    _write_files(box, found, wanted)
    frr = list(_frr_lines(box, found, wanted))
    changed = files.changed()
    for path in changed:
        mask = "077" if path.startswith(PRIVATE) else "022"
        folder, _, _ = path.rpartition("/")
        fresh = _beside(path)
        written = file_bundle.printed_line(fresh, files.text(path))
        # The copy keeps owner and mode of what is there.
        yield f"umask {mask}; mkdir -p {folder}; cp -p {quote(path)} {quote(fresh)} 2>/dev/null; {written}"
        if path == NFT:
            yield f"nft -c -f {fresh}"
        if re.fullmatch(daemon_words.DNSMASQ, path):
            yield f"dnsmasq --test -C {quote(fresh)}"
    if frr:
        yield "umask 077; " + file_bundle.printed_line(FRR_CHANGES, "\n".join(frr))
        yield f"vtysh -C -f {FRR_CHANGES}"
    told = list(_told(box, found, wanted))
    told = [*(command for command in left if command not in told), *told]
    if told:
        yield "umask 022; " + file_bundle.printed_line(TODO, "\n".join(told))
    if _asks(found) and not _asks(wanted):
        # As long as the file says what is to be ended.
        yield f"ifdown {box.nic}"
    if changed:
        yield " && ".join(f"mv -f {quote(_beside(path))} {quote(path)}" for path in changed)
    for path in files.removed():
        yield f"rm -f {quote(path)}"
    # The firewall comes before the addresses, so that nothing new is open for a moment.
    early = [command for command in told if command.startswith(("hostname ", "nft -f ", "ifup "))]
    yield from early
    if frr:
        yield f"vtysh -f {FRR_CHANGES}"
    yield from (command for command in told if command not in early)
    yield f"rm -f {FRR_CHANGES} {TODO}"


def _beside(path: str) -> str:
    """Where a file's next content waits: no daemon reads names that begin with a dot."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{NEW}{name}"


def _refuse_what_cannot_be(wanted: CpeConfig) -> None:
    wan, mobile = wanted.wan, wanted.mobile
    if wan and wan.ip_pack and (wanted.lan is None or not wanted.lan.address.is_private):
        raise InputError("an IP pack needs a LAN with a private address beside it")
    if wan and mobile and wan.username and wan.username == mobile.username and wan.password != mobile.password:
        raise InputError("one user name has two passwords, on the fixed line and on the mobile one")


def _write_files(box: Box, found: CpeConfig, wanted: CpeConfig) -> None:
    files = box.files
    if found.hostname != wanted.hostname:
        daemon_words.write_name(files, wanted.hostname)
    users = [side.username for side in (found.wan, found.mobile) if side]
    if (found.wan, found.mobile) != (wanted.wan, wanted.mobile):
        wan = wanted.wan
        link_words.write_pppoe(files, box.nic, wan.username if wan else "", _insisted(wan))
        if _asks(found) != _asks(wanted):
            link_words.write_dhcp_client(files, box.nic, _asks(wanted))
        link_words.write_mobile(files, wanted.mobile)
        logins = {side.username: side.password for side in (wanted.wan, wanted.mobile) if side and side.username}
        link_words.write_passwords(files, users, logins)
    if wanted.lan is not None:
        daemon_words.write_dhcp(files, (found.lan, found.dhcp), (wanted.lan, wanted.dhcp))
    elif found.lan is not None:
        daemon_words.write_dhcp(files, (found.lan, found.dhcp), (found.lan, None))
    daemon_words.write_dns(files, wanted.dns)
    if wanted.dhcp or wanted.dns:
        daemon_words.serve_on(files, box.lan)
    link_words.write_wifi(files, wanted.wifi)
    daemon_words.write_snmp(files, wanted.snmp)
    _write_table(box, wanted)
    if found.management.ssh != wanted.management.ssh:
        if wanted.management.ssh:
            files.remove(NO_SSH)
        else:
            files.write(NO_SSH, "")


def _asks(config: CpeConfig) -> bool:
    """Whether the line's address comes by DHCP."""
    return config.wan is not None and config.wan.mode == "dhcp"


def _insisted(wan: Wan | None) -> IPv4Interface | None:
    return wan.address if wan and wan.mode == "pppoe" else None


def _write_table(box: Box, wanted: CpeConfig) -> None:
    files = box.files
    table = nft_table.Table(
        outside=tuple(sorted({box.nic, box.ppp, box.mobile})),
        firewall=wanted.firewall,
        mappings=wanted.port_mappings,
        sources=wanted.management.sources,
        pack=wanted.wan.ip_pack if wanted.wan else None,
        door=box.ssh_port,
        snmp=bool(wanted.snmp.communities),
    )
    # A box without our table has other people's rules: it gets ours only when there is something to say.
    before = nft_table.read(files.text(NFT)) or replace(
        NO_TABLE, outside=table.outside, door=table.door, snmp=table.snmp
    )
    if replace(before, outside=tuple(sorted(before.outside))) == table:
        return
    files.write(NFT, nft_table.write(table))
    if not re.search(r'^include "/etc/nftables\.d/', files.text(NFT_MAIN), re.MULTILINE):
        rules = files.text(NFT_MAIN) or "#!/usr/sbin/nft -f\nflush ruleset\n"
        files.write(NFT_MAIN, f"{rules}{_NFT_INCLUDE}\n")


def _frr_lines(box: Box, found: CpeConfig, wanted: CpeConfig) -> Iterator[str]:
    """FRR's part, as its configuration mode takes it: what goes first, then what comes."""
    old, new = set(_top_lines(box, found)), list(_top_lines(box, wanted))
    yield from (f"no {line}" for line in box.top if line in old and line not in new)
    for name in dict.fromkeys((box.nic, box.lan)):
        present = box.interfaces.get(name, [])
        before, after = list(_interface_lines(box, name, found)), list(_interface_lines(box, name, wanted))
        gone = [line for line in before if line in present and line not in after]
        come = [line for line in after if line not in present]
        # Without its address FRR may have forgotten a prefix by the time that it is told to.
        gone.sort(key=lambda line: not line.startswith("ipv6 nd prefix"))
        if gone or come:
            yield f"interface {name}"
            yield from (f" {line.removeprefix('no ') if line.startswith('no ') else f'no {line}'}" for line in gone)
            yield from (f" {line}" for line in come)
            yield "exit"
    if wanted.wan and wanted.wan.ipv6_prefix and "no ipv6 forwarding" in box.top:
        yield "ipv6 forwarding"
    yield from (line for line in new if line not in box.top)


def _top_lines(box: Box, config: CpeConfig) -> Iterator[str]:
    """The routes of a configuration; default routes as they stand there, when they lead to the same place."""
    standing = {target: line for line, target in box.defaults()}

    def default(target: str, distance: str) -> str:
        return standing.get(target, f"ip route 0.0.0.0/0 {target}{distance}")

    wan = config.wan
    if wan and wan.mode == "static":
        yield default(str(wan.gateway), "")
    elif wan and wan.mode == "pppoe":
        # Over DHCP the route comes with the address, into the kernel's table.
        yield default(box.ppp, "")
        if wan.ipv6_prefix:
            yield f"ipv6 route ::/0 {box.ppp}"
    if wan and wan.ipv6_router:
        yield f"ipv6 route {wan.routed_ipv6} {wan.ipv6_router}"
    if config.mobile and config.mobile.active:
        yield default(box.mobile, f" {_STANDBY_DISTANCE}")
    for route in config.routes:
        yield f"ip route {route.network} {route.gateway}" + (f" {route.distance}" if route.distance > 1 else "")


def _interface_lines(box: Box, name: str, config: CpeConfig) -> Iterator[str]:
    wan = config.wan
    if name == box.nic and wan and wan.mode == "static":
        yield f"ip address {wan.address}"
    if name != box.lan:
        return
    if config.lan:
        yield f"ip address {config.lan.address}"
    if wan and wan.ip_pack:
        yield f"ip address {wan.ip_pack_address}"
    if wan and (own := wan.lan_ipv6):
        yield from (f"ipv6 address {own}", f"ipv6 nd prefix {own.network}", "no ipv6 nd suppress-ra")


def _told(box: Box, found: CpeConfig, wanted: CpeConfig) -> Iterator[str]:
    """Each daemon whose part has changed, in commands that may be given twice."""
    files = box.files
    changed = {*files.changed(), *files.removed()}
    if daemon_words.HOSTNAME in changed:
        yield f"hostname {wanted.hostname}"
    if NFT in changed:
        yield f"nft -f {NFT}"
    if _asks(found) and not _asks(wanted):
        yield f"ifup {box.nic}"
    if _asks(wanted) and not _asks(found):
        # In the background: whether and when there is an answer is the line's matter.
        yield f"ifdown --force {box.nic} >/dev/null 2>&1 || true"
        yield f"start-stop-daemon --start --oknodo --background --exec /sbin/ifup -- {box.nic}"
    for pattern, service in (
        (daemon_words.DNSMASQ, "dnsmasq"),
        (link_words.HOSTAPD, "hostapd"),
        (re.escape(daemon_words.SNMPD), "snmpd"),
    ):
        if any(re.fullmatch(pattern, path) for path in changed):
            yield f"service {service} restart"
    for peer, before, after in (
        (link_words.pppoe_peer(files), link_words.dialled(found.wan), link_words.dialled(wanted.wan)),
        (link_words.mobile_peer(files), link_words.dialled(found.mobile), link_words.dialled(wanted.mobile)),
    ):
        if peer and before != after:
            provider = quote(peer.rpartition("/")[2])
            # Nothing to hang up is no failure.
            yield f"poff {provider} >/dev/null 2>&1; pon {provider}" if after else f"poff {provider} || true"
    if NO_SSH in changed:
        yield f"service ssh {'start' if wanted.management.ssh else 'stop'}"
