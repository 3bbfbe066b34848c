"""The neutral model in the files of a Linux router's links: ifupdown's DHCP client, pppd's log-ins, hostapd's radios.

Writers change the lines that carry the model where they stand; everything else in the files stays.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from ipaddress import IPv4Interface
from typing import Final, Literal

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.model.cpe_config import Wan, Wifi, WifiSecurity
from cpe_manager.domain.model.cpe_mobile import Barred, Mobile
from cpe_manager.kit.attempts import attempt
from cpe_manager.kit.linux.file_bundle import Files

HOSTAPD: Final = r"/etc/hostapd/.+\.conf"
INTERFACES: Final = r"/etc/network/interfaces(?:\.d/[^/.][^/]*)?"
PEERS: Final = r"/etc/ppp/peers/.+"
QMI: Final = "/etc/qmi-network.conf"
"""The profile that libqmi's ``qmi-network`` reads, a shell's assignments; the modem has a network interface itself."""
SECRETS: Final = ("/etc/ppp/chap-secrets", "/etc/ppp/pap-secrets")
# A word as pppd reads it: in double quotes, in single ones, or bare; a backslash takes the next character as it is.
_WORD: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|((?:[^\s"\'#\\]|\\.)(?:[^\s\\]|\\.)*)')
_LOCAL: Final = re.compile(r"([0-9]+(?:\.[0-9]+){3}):\S*")
_APN: Final = re.compile(r"(connect .*\bchat\b.* -T ?)([A-Za-z0-9.-]+)(.*)")
_SECURITY: Final = {
    WifiSecurity.OPEN: (),
    WifiSecurity.WPA2: ("wpa=2", "wpa_key_mgmt=WPA-PSK", "rsn_pairwise=CCMP"),
    WifiSecurity.WPA2_WPA3: ("wpa=2", "wpa_key_mgmt=WPA-PSK SAE", "rsn_pairwise=CCMP", "ieee80211w=1"),
    WifiSecurity.WPA3: ("wpa=2", "wpa_key_mgmt=SAE", "rsn_pairwise=CCMP", "ieee80211w=2"),
}
_KEYS: Final = ("wpa", "wpa_key_mgmt", "rsn_pairwise", "ieee80211w", "wpa_passphrase")
_NEW_PPPOE: Final = """\
plugin rp-pppoe.so
nic-{nic}
unit 0
noipdefault
nodefaultroute
noauth
hide-password
persist
maxfail 0
holdoff 5
mtu 1492
mru 1492
lcp-echo-interval 10
lcp-echo-failure 3
"""
_NEW_MOBILE: Final = """\
/dev/ttyUSB2
unit 1
noipdefault
nodefaultroute
noauth
hide-password
crtscts
persist
maxfail 0
holdoff 10
lcp-echo-interval 30
lcp-echo-failure 4
"""

Band = Literal["2.4", "5"]


def words_of(line: str) -> list[str]:
    """The words of a line as pppd reads it, without quotes and what a backslash says."""
    found = (next(part for part in match.groups() if part is not None) for match in _WORD.finditer(_uncommented(line)))
    return [re.sub(r"\\(.)", r"\1", word) for word in found]


def _uncommented(line: str) -> str:
    return "" if line.lstrip().startswith("#") else line


def quoted(word: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'


def dhcp_client(files: Files, *skip: str) -> str | None:
    """The interface that ifupdown asks an address for, when there is one beside ``skip``."""
    stanzas = re.compile(r"^iface (\S+) inet dhcp\b", re.MULTILINE)
    names = [name for path in files.paths(INTERFACES) for name in stanzas.findall(files.text(path))]
    return next((name for name in names if name not in skip), None)


def write_dhcp_client(files: Files, nic: str, on: bool) -> None:
    """Have ifupdown ask an address for an interface, or leave the interface to others."""
    stanza = re.compile(rf"^(iface {re.escape(nic)} inet) \S+", re.MULTILINE)
    path = next((path for path in files.paths(INTERFACES) if stanza.search(files.text(path))), None)
    if path is not None:
        files.write(path, stanza.sub(rf"\1 {'dhcp' if on else 'manual'}", files.text(path), count=1))
    elif on:
        before = files.text("/etc/network/interfaces") or "auto lo\niface lo inet loopback\n"
        files.write("/etc/network/interfaces", f"{before}\nauto {nic}\niface {nic} inet dhcp\n")


def _client_stanza(nic: str) -> re.Pattern[str]:
    return re.compile(rf"^(iface {re.escape(nic)} inet dhcp\b.*\n)((?:[ \t]+.*\n)*)", re.MULTILINE)


def client_metric(files: Files, nic: str) -> int:
    """Of the default route that the DHCP client of an interface writes; 0 where nothing is said."""
    found = next((m for path in files.paths(INTERFACES) if (m := _client_stanza(nic).search(files.text(path)))), None)
    said = re.search(r"^[ \t]+metric[ \t]+([0-9]+)", found[2], re.MULTILINE) if found else None
    return int(said[1]) if said else 0


def write_client_metric(files: Files, nic: str, metric: int) -> None:
    for path in files.paths(INTERFACES):
        if found := _client_stanza(nic).search(files.text(path)):
            rest = re.sub(r"^[ \t]+metric\b.*\n", "", found[2], flags=re.MULTILINE)
            text = files.text(path)
            files.write(path, f"{text[: found.start()]}{found[1]}\tmetric {metric}\n{rest}{text[found.end() :]}")
            return


def pppoe_peer(files: Files) -> str | None:
    """The file of the fixed line's log-in, when the box has one."""
    return next(
        (path for path in files.paths(PEERS) if re.search(r"^plugin .*pppoe", files.text(path), re.MULTILINE)), None
    )


def mobile_peer(files: Files) -> str | None:
    """The file of the modem's connection, when the box has one. Debian's own ``provider`` is a template."""
    modem = re.compile(r"^(?:/dev/tty|tty(?:USB|ACM)|connect )", re.MULTILINE)
    found = [path for path in files.paths(PEERS) if modem.search(files.text(path)) and not path.endswith("/provider")]
    return next((path for path in found if _apn(files.lines(path))), found[0] if found else None)


def _apn(lines: Sequence[str]) -> re.Match[str] | None:
    return next((match for line in lines if (match := _APN.fullmatch(line))), None)


def peer_value(files: Files, path: str | None, option: str) -> str:
    """The value of an option of pppd, empty when it has none."""
    for line in files.lines(path) if path else ():
        words = words_of(line)
        if len(words) == 2 and words[0] == option:
            return words[1]
    return ""


def ppp_unit(files: Files, path: str | None, usual: int) -> str:
    unit = peer_value(files, path, "unit")
    return f"ppp{int(unit) if unit.isdecimal() else usual}"


def pppoe_nic(files: Files, path: str | None) -> str | None:
    """The Ethernet interface below: ``nic-eth0``, or the word behind the plugin."""
    for line in files.lines(path) if path else ():
        words = words_of(line)
        if len(words) == 1 and words[0].startswith("nic-"):
            return words[0][4:]
        if len(words) == 3 and words[0] == "plugin":
            return words[2]
    return None


def peer_address(files: Files, path: str | None) -> IPv4Interface | None:
    """The local address that pppd insists on."""
    found = (_LOCAL.fullmatch(line.strip()) for line in (files.lines(path) if path else ()))
    return next((attempt(IPv4Interface, f"{match[1]}/32") for match in found if match), None)


def dialled_metric(files: Files, path: str | None) -> int | None:
    """Of the default route that pppd writes itself; None when it writes none."""
    words = [words_of(line) for line in (files.lines(path) if path else ())]
    if ["defaultroute"] not in words or ["nodefaultroute"] in words:
        return None
    said = peer_value(files, path, "defaultroute-metric")
    return int(said) if said.isdecimal() else 0


def write_dialled_metric(files: Files, path: str, metric: int) -> None:
    _set_option(files, path, "defaultroute-metric", str(metric))


def brought_up(files: Files, name: str) -> bool:
    """Whether ifupdown knows an interface."""
    stanza = re.compile(rf"^iface {re.escape(name)} ", re.MULTILINE)
    return any(stanza.search(files.text(path)) for path in files.paths(INTERFACES))


def password_of(files: Files, user: str) -> str:
    for path in SECRETS:
        for line in files.lines(path):
            words = words_of(line)
            if len(words) >= 3 and words[0] == user:
                return words[2]
    return ""


def write_passwords(files: Files, before: Sequence[str], after: dict[str, str]) -> None:
    """Log-ins by user name: those of ``before`` give way, those of ``after`` are there. A provider may ask by CHAP or
    by PAP, and pppd has a file for each."""
    gone = {user for user in before if user and user not in after}
    gone |= {user for user, password in after.items() if password_of(files, user) != password}
    if not gone:
        return
    for path in SECRETS:
        entries = [f"{quoted(user)} * {quoted(password)} *" for user, password in after.items() if user in gone]
        files.swap([path], path, lambda line: (words_of(line) or [""])[0] in gone, entries)


def write_pppoe(files: Files, nic: str, user: str, address: IPv4Interface | None) -> None:
    """The fixed line's log-in; without a user there is none, and pppd has nobody to log in as."""
    path = pppoe_peer(files)
    if path is None:
        if not user:
            return
        path = "/etc/ppp/peers/wan"
        files.write(path, _NEW_PPPOE.format(nic=nic))
    if peer_value(files, path, "user") != user:
        _set_option(files, path, "user", quoted(user) if user else "")
    if peer_address(files, path) != address:
        lines = (f"{address.ip}:",) if address else ()
        files.swap([path], path, lambda line: _LOCAL.fullmatch(line.strip()) is not None, lines)


def _set_option(files: Files, path: str, option: str, value: str) -> None:
    files.swap([path], path, lambda line: words_of(line)[:1] == [option], (f"{option} {value}",) if value else ())


def dialled_mobile(files: Files) -> str | None:
    """The file of the modem's connection when pppd dials it; None where the modem has an interface of its own."""
    path = mobile_peer(files)
    return None if QMI in files and not (path and _apn(files.lines(path))) else path


def _qmi(files: Files, name: str) -> str:
    for line in files.lines(QMI):
        if line.startswith(f"{name}="):
            return next(iter(attempt(shlex.split, line[len(name) + 1 :]) or ()), "")
    return ""


def read_mobile(files: Files, active: bool, preferred: bool, barred: tuple[Barred, ...]) -> Mobile | None:
    path = dialled_mobile(files)
    if path is None and QMI in files:
        apn, user, password = (_qmi(files, name) for name in ("APN", "APN_USER", "APN_PASS"))
    else:
        found = _apn(files.lines(path)) if path else None
        apn, user = (found[2] if found else ""), peer_value(files, path, "user")
        password = password_of(files, user) if user else ""
    return attempt(Mobile, apn, active, user, password, active and preferred, barred)


def write_mobile(files: Files, wanted: Mobile | None) -> None:
    """The modem's connection; without one, the modem stays described and is never dialled."""
    path = dialled_mobile(files)
    if path is None and QMI in files:
        _write_qmi(files, wanted)
        return
    if wanted is None and path is None:
        return
    if path is None:
        path = "/etc/ppp/peers/mobile"
        files.write(path, _NEW_MOBILE)
    old = _apn(files.lines(path))
    head, tail = (old[1], old[3]) if old else ('connect "/usr/sbin/chat -v -f /etc/chatscripts/gprs -T ', '"')
    if (old[2] if old else "") != (wanted.apn if wanted else ""):
        lines = (f"{head}{wanted.apn}{tail}",) if wanted else ()
        files.swap([path], path, lambda line: _APN.fullmatch(line) is not None, lines)
    user = wanted.username if wanted else ""
    if peer_value(files, path, "user") != user:
        _set_option(files, path, "user", quoted(user) if user else "")


def _write_qmi(files: Files, wanted: Mobile | None) -> None:
    values = (wanted.apn, wanted.username, wanted.password) if wanted else ("", "", "")
    for name, value in zip(("APN", "APN_USER", "APN_PASS"), values, strict=True):
        if _qmi(files, name) != value:
            lines = (f"{name}={shlex.quote(value)}",) if value else ()
            files.swap([QMI], QMI, _starts(f"{name}="), lines)


def _radio_value(lines: Sequence[str], option: str) -> str:
    """The last value of an option of hostapd: no blanks are cut off there, and no quotes are known."""
    return next((line[len(option) + 1 :] for line in reversed(lines) if line.startswith(f"{option}=")), "")


def _radio(files: Files, band: Band) -> str | None:
    modes = {"2.4": ("g", "b"), "5": ("a",)}[band]
    paths = files.paths(HOSTAPD)
    return next((path for path in paths if _radio_value(files.lines(path), "hw_mode") in modes), None)


def _security(lines: Sequence[str]) -> WifiSecurity | None:
    if _radio_value(lines, "wpa") in ("", "0"):
        return WifiSecurity.OPEN
    kinds = set(_radio_value(lines, "wpa_key_mgmt").split()) & {"WPA-PSK", "WPA-PSK-SHA256", "SAE"}
    if not kinds:
        return None
    if "SAE" in kinds:
        return WifiSecurity.WPA3 if kinds == {"SAE"} else WifiSecurity.WPA2_WPA3
    return WifiSecurity.WPA2


def _wifi(files: Files, band: Band) -> Wifi | None:
    path = _radio(files, band)
    lines = files.lines(path) if path else []
    if path is None or (security := _security(lines)) is None:
        return None
    key = "" if security is WifiSecurity.OPEN else _radio_value(lines, "wpa_passphrase")
    number = _radio_value(lines, "channel")
    enabled = _radio_value(lines, "start_disabled") in ("", "0")
    # A channel that the model does not know reads as the automatic one.
    made = (
        attempt(Wifi, band, _radio_value(lines, "ssid"), security, key, channel, enabled)
        for channel in (int(number) if number.isdecimal() else 0, 0)
    )
    return next((wifi for wifi in made if wifi), None)


def read_wifi(files: Files) -> tuple[Wifi, ...]:
    bands: tuple[Band, ...] = ("2.4", "5")
    return tuple(wifi for band in bands if (wifi := _wifi(files, band)))


def write_wifi(files: Files, wanted: tuple[Wifi, ...]) -> None:
    """Raises ``InputError`` for a band that the box has no radio for."""
    bands: tuple[Band, ...] = ("2.4", "5")
    for band in bands:
        new = next((wifi for wifi in wanted if wifi.band == band), None)
        path, found = _radio(files, band), _wifi(files, band)
        if found == new:
            continue
        if path is None:
            raise InputError(f"the box has no radio for {band} GHz")
        if new is None:
            changes = [("ssid", ""), *((key, "") for key in _KEYS), ("start_disabled", "1")]
        else:
            security = dict(line.split("=", 1) for line in _SECURITY[new.security])
            keys = security | {"wpa_passphrase": new.key}
            changes = [("ssid", new.ssid), *((key, keys.get(key, "")) for key in _KEYS)]
            changes += [("channel", str(new.channel)), ("start_disabled", "" if new.enabled else "1")]
        for option, value in changes:
            if _radio_value(files.lines(path), option) != value:
                lines = (f"{option}={value}",) if value else ()
                files.swap([path], path, _starts(f"{option}="), lines)


def _starts(start: str) -> Callable[[str], bool]:
    return lambda line: line.startswith(start)


def dialled(side: Wan | Mobile | None) -> tuple[object, ...]:
    """What pppd is given; a change of it means to dial again."""
    if isinstance(side, Wan):
        return (side.username, side.password, side.address) if side.mode == "pppoe" else ()
    return (side.apn, side.username, side.password) if side else ()
