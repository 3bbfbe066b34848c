"""What turns a Linux router's files and FRR's configuration into others, in commands of root's shell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Interface
from shlex import quote
from typing import Final

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import CpeConfig, Wan
from cpe_manager.domain.model.cpe_mobile import Mobile
from cpe_manager.kit.linux import daemon_words, file_bundle, link_words, nft_table
from cpe_manager.kit.linux.box import NFT, NFT_MAIN, NO_SSH, NO_TABLE, Box, model
from cpe_manager.kit.linux.default_routes import (
    BGP,
    CLIENT_METRIC,
    IPV4,
    IPV6,
    PREFERRED,
    Default,
    Ways,
    changes,
)
from cpe_manager.kit.linux.guard import PRIVATE

_NFT_INCLUDE: Final = 'include "/etc/nftables.d/*.nft"'
# What daemons have not been told yet of files that are in their places: it is left behind by a session that was cut.
FRR_CHANGES, TODO = "/run/cpe-manager.frr", "/run/cpe-manager.todo"
NEW: Final = ".cpe-new."


def commands(box: Box, wanted: CpeConfig) -> Iterator[str]:
    """What is typed, in three parts: new files and their checks, files in their places, daemons told."""
    found, files = model(box), box.files
    ways = {start: box.ways(start) for start in (IPV4, IPV6)}
    left = files.lines(TODO)
    if found == wanted and not left:
        return
    _refuse_what_cannot_be(wanted)
    _write_files(box, found, wanted)
    frr = list(_frr_lines(box, ways, found, wanted))
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

    def dialled(config: CpeConfig) -> tuple[Mobile | None]:
        """A modem with an interface of its own has its log-in beside it."""
        return (config.mobile if link_words.dialled_mobile(files) or link_words.QMI not in files else None,)

    users = [side.username for side in (found.wan, *dialled(found)) if side]
    if (found.wan, found.mobile) != (wanted.wan, wanted.mobile):
        wan = wanted.wan
        link_words.write_pppoe(files, box.nic, wan.username if wan else "", _insisted(wan))
        if _asks(found) != _asks(wanted):
            link_words.write_dhcp_client(files, box.nic, _asks(wanted))
        link_words.write_mobile(files, wanted.mobile)
        logins = {side.username: side.password for side in (wanted.wan, *dialled(wanted)) if side and side.username}
        link_words.write_passwords(files, users, logins)
        if wanted.mobile and wanted.mobile.active:
            _leave_room(box, _asks(wanted))
    if wanted.lan is not None:
        daemon_words.write_dhcp(files, (found.lan, found.dhcp), (wanted.lan, wanted.dhcp))
    elif found.lan is not None:
        daemon_words.write_dhcp(files, (found.lan, found.dhcp), (found.lan, None))
    daemon_words.write_dns(files, wanted.dns)
    if wanted.dhcp or wanted.dns:
        daemon_words.serve_on(files, box.lan)
    link_words.write_wifi(files, wanted.wifi)
    daemon_words.write_snmp(files, wanted.snmp)
    _write_table(box, found, wanted)
    if found.management.ssh != wanted.management.ssh:
        if wanted.management.ssh:
            files.remove(NO_SSH)
        else:
            files.write(NO_SSH, "")


def _leave_room(box: Box, asks: bool) -> None:
    """Before a default route that a client or pppd writes into the kernel, FRR's has to be able to go."""
    files, peer = box.files, link_words.pppoe_peer(box.files)
    if asks and link_words.client_metric(files, box.nic) >> 24 <= PREFERRED:
        link_words.write_client_metric(files, box.nic, CLIENT_METRIC)
    metric = link_words.dialled_metric(files, peer)
    if peer and metric is not None and metric >> 24 <= PREFERRED:
        link_words.write_dialled_metric(files, peer, CLIENT_METRIC)


def _asks(config: CpeConfig) -> bool:
    """Whether the line's address comes by DHCP."""
    return config.wan is not None and config.wan.mode == "dhcp"


def _insisted(wan: Wan | None) -> IPv4Interface | None:
    return wan.address if wan and wan.mode == "pppoe" else None


def _table(box: Box, config: CpeConfig) -> nft_table.Table:
    mobile = config.mobile
    return nft_table.Table(
        outside=tuple(sorted({box.nic, box.ppp, box.mobile})),
        firewall=config.firewall,
        mappings=config.port_mappings,
        sources=config.management.sources,
        pack=config.wan.ip_pack if config.wan else None,
        door=box.ssh_port,
        snmp=bool(config.snmp.communities),
        barred=mobile.barred if mobile else (),
        mobile=box.mobile if mobile and mobile.barred else "",
    )


def _ways_out(box: Box, config: CpeConfig) -> set[str]:
    """The interfaces that a configuration makes use of towards the internet."""
    line = box.ppp if config.wan and config.wan.mode == "pppoe" else box.nic
    return {line, *([box.mobile] if config.mobile and config.mobile.active else [])}


def _write_table(box: Box, found: CpeConfig, wanted: CpeConfig) -> None:
    """Our table, when anything that it says is to be another; a switch to mobile is not."""
    files, table = box.files, _table(box, wanted)
    if _table(box, found) == table and _ways_out(box, wanted) <= _ways_out(box, found):
        return
    # A box without our table has other people's rules: it gets ours only when there is something to say, and of it what
    # is said.
    nothing = replace(NO_TABLE, outside=table.outside, door=table.door, snmp=table.snmp, bare=True)
    before = nft_table.read(files.text(NFT)) or nothing
    if before.bare:
        before = replace(nothing, barred=before.barred, mobile=before.mobile)
        table = replace(table, bare=replace(table, barred=(), mobile="", bare=True) == nothing)
    if replace(before, outside=tuple(sorted(before.outside))) == table:
        return
    files.write(NFT, nft_table.write(table))
    if not re.search(r'^include "/etc/nftables\.d/', files.text(NFT_MAIN), re.MULTILINE):
        rules = files.text(NFT_MAIN) or "#!/usr/sbin/nft -f\nflush ruleset\n"
        files.write(NFT_MAIN, f"{rules}{_NFT_INCLUDE}\n")


def _frr_lines(box: Box, ways: Mapping[str, Ways], found: CpeConfig, wanted: CpeConfig) -> Iterator[str]:
    """FRR's part, as its configuration mode takes it: what goes first, then what comes."""
    old = [line for line in _top_lines(box, ways, found, found) if line in box.top]
    leaving, coming = changes(old, _top_lines(box, ways, found, wanted))
    yield from (f"no {line}" for line in leaving)
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
    yield from (line for line in coming if line not in box.top)


def _top_lines(box: Box, ways: Mapping[str, Ways], found: CpeConfig, config: CpeConfig) -> Iterator[str]:
    """The routes of a configuration; default routes as they stand there, when they lead to the same place."""
    wan = config.wan
    if wan and wan.ipv6_router:
        yield f"ipv6 route {wan.routed_ipv6} {wan.ipv6_router}"
    for start, way in ways.items():
        via = _via(box, start, found), _via(box, start, config)
        # The files are those of the wanted configuration by now.
        learned = way.learned if config is found else _learned(box, start, config)
        yield from _defaults(way, start, via, config.mobile, learned, _over_mobile(box))
    for route in config.routes:
        yield f"ip route {route.network} {route.gateway}" + (f" {route.distance}" if route.distance > 1 else "")


def _via(box: Box, start: str, config: CpeConfig) -> str:
    """What the fixed line's static default route leads over: over DHCP the route comes with the address, into the
    kernel's table."""
    wan = config.wan
    if wan and wan.mode == "pppoe":
        return box.ppp if start == IPV4 or wan.ipv6_prefix else ""
    return str(wan.gateway) if wan and wan.mode == "static" and start == IPV4 else ""


def _defaults(
    ways: Ways, start: str, via: tuple[str, str], mobile: Mobile | None, learned: int | None, over: str
) -> Iterator[str]:
    """Default routes of one protocol. ``via``: where the model's own one of the fixed line led, and where it is to
    lead; others of the fixed line stay, and keep their order with it. ``over``: where a new mobile one leads."""

    def leads(one: Default, where: str) -> bool:
        return where != "" and where in (one.via, str(one.gateway))

    before, after = via
    others = [one for one in ways.fixed if not leads(one, before)]
    mobile = mobile if start == IPV4 or ways.mobile else None
    fixed, own = ways.distances(mobile, static=bool(after or others), learned=learned)
    if after and not any(leads(one, after) for one in others):
        there = next((one for one in ways.fixed if leads(one, after)), None)
        yield ways.moved(there, fixed) if there else f"{start}{after}{f' {fixed}' if fixed > 1 else ''}"
    yield from (ways.moved(one, fixed) for one in others)
    if mobile and mobile.active:
        standing = [one.at(own + one.distance - ways.standing) for one in ways.mobile]
        yield from standing or [f"{start}{over} {own}"]


def _learned(box: Box, start: str, config: CpeConfig) -> int | None:
    """As ``Box.learned``, once a configuration's files are written."""
    wan, files = config.wan, box.files
    told = [BGP] if any(line.startswith("router bgp ") for line in box.top) else []
    if start == IPV4 and wan and wan.mode == "dhcp":
        told.append(link_words.client_metric(files, box.nic) >> 24)
    metric = link_words.dialled_metric(files, link_words.pppoe_peer(files))
    if start == IPV4 and wan and wan.mode == "pppoe" and metric is not None:
        told.append(metric >> 24)
    return min(told, default=None)


def _over_mobile(box: Box) -> str:
    """The next hop on the modem's interface: nobody answers for the whole internet on an Ethernet, and of a network of
    two the other one is the gateway."""
    for own in box.addresses(box.mobile):
        if own.network.prefixlen in (30, 31):
            return f"{next(host for host in own.network.hosts() if host != own.ip)} {box.mobile}"
    return box.mobile


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
    if _asks(wanted) and any(re.fullmatch(link_words.INTERFACES, path) for path in changed):
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
    if link_words.QMI in changed and link_words.brought_up(files, box.mobile):
        yield f"ifdown --force {box.mobile} >/dev/null 2>&1 || true"
        yield f"start-stop-daemon --start --oknodo --background --exec /sbin/ifup -- {box.mobile}"
    for peer, before, after in (
        (link_words.pppoe_peer(files), link_words.dialled(found.wan), link_words.dialled(wanted.wan)),
        (link_words.dialled_mobile(files), link_words.dialled(found.mobile), link_words.dialled(wanted.mobile)),
    ):
        if peer and (before != after or (after and peer in changed)):
            provider = quote(peer.rpartition("/")[2])
            # Nothing to hang up is no failure.
            yield f"poff {provider} >/dev/null 2>&1; pon {provider}" if after else f"poff {provider} || true"
    if NO_SSH in changed:
        yield f"service ssh {'start' if wanted.management.ssh else 'stop'}"
