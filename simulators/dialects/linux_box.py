"""The Linux side of a router: its files, what its daemons take from them, and the commands that tell them.

Files are on flash and kept at once; what a daemon runs with is what was in them when it was last told. That is kept
in the scratch space, by the daemon's name, and read anew at a restart.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import re
from collections.abc import Callable

from simulators.dialects import linux_uplink, systemd
from simulators.dialects.nft import NftError, check
from simulators.dialects.shell import TMP, Call, Tool
from simulators.dialects.systemd import RELOAD
from simulators.dialects.uplink import nslookup
from simulators.dialects.vtysh import VtyshDialogue, frr_body, hostname_of
from simulators.generate.frr_linux import is_linux
from simulators.generate.linux_files import daemon_files
from simulators.generate.site import make_site
from simulators.personas.base import Reply
from simulators.state import DeviceState

KERNEL = "6.1.0-28-amd64"
_FRR_CONF = "/etc/frr/frr.conf"
_LOADED = "/run/loaded/"
# On flash, and no part of what the box shows as its configuration.
_UNMANAGED = ("/var/lib/", "/etc/systemd/")
_DAEMON_FILES = {
    "nftables": r"/etc/nftables\.(conf|d/[^.][^/]*\.nft)",
    "dnsmasq": r"/etc/dnsmasq\.(conf|d/[^.][^/]*)",
    "hostapd": r"/etc/hostapd/[^.][^/]*\.conf",
    "snmpd": r"/etc/snmp/snmpd\.conf",
}
_DNSMASQ = frozenset(
    (
        *("interface", "except-interface", "listen-address", "bind-interfaces", "bind-dynamic", "dhcp-authoritative"),
        *("domain", "local", "address", "server", "no-resolv", "no-hosts", "no-poll", "strict-order", "all-servers"),
        *(
            "dhcp-range",
            "dhcp-host",
            "dhcp-option",
            "dhcp-leasefile",
            "dhcp-lease-max",
            "cache-size",
            "conf-dir",
            "port",
        ),
        *("domain-needed", "bogus-priv", "expand-hosts", "log-dhcp", "log-queries", "user", "group", "port"),
    )
)


def files_of(state: DeviceState) -> dict[str, str]:
    """The daemons' files, as they left the workshop when nobody has written any yet."""
    if not state.files:
        state.files.update(daemon_files(state.spec))
    return state.files


def shown_files(state: DeviceState) -> dict[str, str]:
    """Those that are configuration, and lists of what is still to be done; names that begin with a dot are nobody's."""
    shown = {path: files_of(state)[path] for path in sorted(files_of(state)) if "/." not in path}
    return shown | {path: text for path, text in state.scratch.items() if re.fullmatch(r"/run/[^/]+\.todo", path)}


def loaded(state: DeviceState, daemon: str) -> dict[str, str]:
    """What a daemon runs with: its files as they were when it was last told, or at the start."""
    told = {path: text for path, text in state.scratch.items() if path.startswith(f"{_LOADED}{daemon}/")}
    if told:
        return {path.removeprefix(f"{_LOADED}{daemon}"): text for path, text in told.items()}
    return _files_for(daemon, daemon_files(state.spec) if state.boots == 1 else files_of(state))


def _files_for(daemon: str, files: dict[str, str]) -> dict[str, str]:
    return {path: text for path, text in files.items() if re.fullmatch(_DAEMON_FILES[daemon], path)}


def tell(state: DeviceState, daemon: str) -> None:
    """The daemon reads its files."""
    for path in [path for path in state.scratch if path.startswith(f"{_LOADED}{daemon}/")]:
        del state.scratch[path]
    for path, text in _files_for(daemon, files_of(state)).items():
        state.scratch[f"{_LOADED}{daemon}{path}"] = text


class BoxFiles:
    """`simulators.dialects.shell.Files` of a Linux box; what is written below /tmp and /run is lost with a restart."""

    def __init__(self, state: DeviceState) -> None:
        self._state = state

    def read(self, path: str) -> str | None:
        made = self._made().get(path)
        return made if made is not None else self._state.scratch.get(path, self._state.flash.get(path))

    def write(self, path: str, text: str) -> bool:
        if path == _FRR_CONF:
            self._state.startup = text
        elif path.startswith((TMP, "/run/")):
            self._state.scratch[path] = text
        elif path.startswith(_UNMANAGED) and is_linux(self._state.spec):
            self._state.flash[path] = text
        elif path.startswith("/etc/") and is_linux(self._state.spec):
            files_of(self._state)[path] = text
        else:
            return False
        return True

    def remove(self, path: str) -> bool:
        state, below = self._state, f"{path.rstrip('/')}/"
        gone = False
        for place in (state.scratch, state.flash, files_of(state)):
            # Folders of the managed files are never taken away whole.
            names = [name for name in place if name == path or (place is not state.files and name.startswith(below))]
            for name in names:
                del place[name]
            gone = gone or bool(names)
        return gone

    def paths(self) -> list[str]:
        return sorted([*self._made(), *self._state.scratch, *self._state.flash])

    def is_config(self, path: str) -> bool:
        return path == _FRR_CONF or path in shown_files(self._state)

    def _made(self) -> dict[str, str]:
        state = self._state
        return {
            **files_of(state),
            _FRR_CONF: state.startup,
            "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
            "/etc/debian_version": "12.8\n",
            "/run/systemd/system/session-1.scope": "",
            RELOAD: "#!/usr/bin/python3\n",
            "/proc/uptime": f"{state.uptime:.2f} {state.uptime * 1.9:.2f}\n",
            "/proc/sys/kernel/hostname": f"{hostname_of(state)}\n",
            "/sys/class/dmi/id/product_name": "EX-4100\n",
            "/sys/class/dmi/id/product_serial": f"{make_site(state.spec).serial}\n",
        }


def _uname(state: DeviceState, call: Call) -> Reply:
    name = hostname_of(state)
    parts = {
        "-a": f"Linux {name} {KERNEL} #1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 x86_64 GNU/Linux",
        "-n": name,
        "-r": KERNEL,
        "-m": "x86_64",
    }
    return Reply(parts.get(call.words[0] if call.words else "", "Linux") + "\n")


def _host(state: DeviceState, call: Call) -> Reply:
    if not call.words:
        return Reply(f"{hostname_of(state)}\n")
    if not is_linux(state.spec):
        return Reply(error="hostname: you must be root to change the host name\n", status=1)
    name = call.words[0]
    if name == "-F":
        name = (call.shell.files.read(call.words[-1]) or "").strip()
    state.scratch["/run/hostname"] = name
    return Reply()


def _id(state: DeviceState, call: Call) -> Reply:
    uid, name = (0, "root") if is_linux(state.spec) else (1000, state.spec.username)
    return Reply(f"{uid}\n" if call.words == ["-u"] else f"uid={uid}({name}) gid={uid}({name}) groups={uid}({name})\n")


def _vtysh(state: DeviceState, call: Call) -> Reply:
    words = call.words
    if "-f" in words[:-1]:
        text = call.shell.files.read(words[words.index("-f") + 1])
        if text is None:
            return Reply(error=f"Can't open configuration file {words[words.index('-f') + 1]} due to 'No such file'.\n")
        # A trial is made on a copy that nobody sees.
        tried = dataclasses.replace(state) if {"-C", "--dryrun"} & set(words) else state
        return VtyshDialogue(tried).run_file(text.splitlines(), dry=tried is not state)
    commands = [words[index + 1] for index in range(len(words) - 1) if words[index] == "-c"]
    return VtyshDialogue(state).run_all(commands or call.stdin.splitlines())


def _nft(state: DeviceState, call: Call) -> Reply:
    path = call.words[-1] if "-f" in call.words[:-1] else ""
    if call.words[:1] == ["list"]:
        text = "".join(text for name, text in loaded(state, "nftables").items() if name.endswith(".nft"))
        return Reply(re.sub(r"^(#!|delete |table \w+ \w+$).*\n", "", text, flags=re.MULTILINE))
    rules = call.shell.files.read(path)
    if rules is None:
        return Reply(error=f'Error: Could not open file "{path}": No such file or directory\n', status=1)
    try:
        check(rules, path)
    except NftError as error:
        return Reply(error=f"{error}\n", status=1)
    if "-c" not in call.words:
        tell(state, "nftables")
    return Reply()


def _dnsmasq(_state: DeviceState, call: Call) -> Reply:
    path = call.words[-1] if "-C" in call.words[:-1] else "/etc/dnsmasq.conf"
    text = call.shell.files.read(path)
    if text is None:
        return Reply(error=f"\ndnsmasq: cannot read {path}: No such file or directory\n", status=3)
    for number, line in enumerate(text.splitlines(), 1):
        option, _, value = re.sub(r"(^|\s)#.*", "", line).strip().partition("=")
        if option and (option not in _DNSMASQ or not _dnsmasq_takes(option, value)):
            return Reply(error=f"\ndnsmasq: bad option at line {number} of {path}\n", status=1)
    return Reply(error="dnsmasq: syntax check OK.\n")


def _dnsmasq_takes(option: str, value: str) -> bool:
    words = value.split(",")
    if option == "dhcp-range":
        ends = [word for word in words if re.fullmatch(r"[0-9.]+\.[0-9]+", word)]
        lease = [word for word in words if re.fullmatch(r"[0-9]+[smhdw]?|infinite", word)]
        return 2 <= len(ends) <= 4 and all(map(_is_address, ends)) and len(ends) + len(lease) == len(words)
    if option == "dhcp-host":
        return len(words) > 1 and all(words)
    if option == "server":
        return value.startswith("/") or _is_address(value)
    return bool(value) or "-" in option


def _is_address(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def _service(state: DeviceState, call: Call) -> Reply:
    name, verb = [*call.words, "", ""][:2]
    if name == "frr" and verb == "restart":
        state.replace_running(state.startup, "frr")
    if name not in (*_DAEMON_FILES, "ssh", "frr"):
        return Reply(error=f"{name}: unrecognized service\n", status=1)
    if name == "dnsmasq" and verb == "restart":
        for path in _files_for("dnsmasq", files_of(state)):
            tested = _dnsmasq(state, Call(call.shell, ["--test", "-C", path], ""))
            if tested.status:
                return tested
    if name in _DAEMON_FILES and verb in ("restart", "reload"):
        tell(state, name)
    return Reply()


def _pon(state: DeviceState, call: Call) -> Reply:
    peer = files_of(state).get(f"/etc/ppp/peers/{call.words[0] if call.words else 'provider'}")
    if peer is None:
        return Reply(error="/usr/sbin/pppd: In options: unrecognized option\n", status=2)
    state.scratch[f"/run/dialled/{call.words[0]}"] = peer
    return Reply()


def _poff(state: DeviceState, call: Call) -> Reply:
    if call.words == ["-a"]:
        for path in [path for path in state.scratch if path.startswith("/run/dialled/")]:
            del state.scratch[path]
        return Reply()
    running = state.scratch.pop(f"/run/dialled/{call.words[0] if call.words else 'provider'}", None)
    return Reply() if running else Reply(error="/usr/bin/poff: No pppd is running.  None stopped.\n", status=1)


def _ifup(state: DeviceState, call: Call) -> Reply:
    name = call.words[-1] if call.words else ""
    texts = (text for path, text in files_of(state).items() if path.startswith("/etc/network/interfaces"))
    found = re.search(rf"^iface {re.escape(name)} inet (\S+)", "\n".join(texts), re.MULTILINE)
    if found is None:
        return Reply(error=f"ifup: unknown interface {name}\n", status=1)
    state.scratch[f"/run/network/{name}"] = found[1]
    return Reply()


def _ifdown(state: DeviceState, call: Call) -> Reply:
    name = call.words[-1] if call.words else ""
    up = state.scratch.pop(f"/run/network/{name}", None)
    return Reply() if up else Reply(error=f"ifdown: interface {name} not configured\n")


def _start_stop_daemon(state: DeviceState, call: Call) -> Reply:
    words = call.words
    program = words[words.index("--exec") + 1] if "--exec" in words[:-1] else ""
    tool = _OWN.get(program.removeprefix("/sbin/"))
    if "--start" not in words or tool is None:
        return Reply(error=f"start-stop-daemon: unable to stat {program} (No such file or directory)\n", status=2)
    return tool(state, Call(call.shell, words[words.index("--") + 1 :] if "--" in words else [], ""))


def _ip(state: DeviceState, call: Call) -> Reply:
    return linux_uplink.ip(state, files_of(state), call)


def _ping(state: DeviceState, call: Call) -> Reply:
    return linux_uplink.pinged(state, files_of(state), call)


def _nslookup(state: DeviceState, call: Call) -> Reply:
    return nslookup(call, online=linux_uplink.online(state, files_of(state)))


_OWN: dict[str, Callable[[DeviceState, Call], Reply]] = {
    "vtysh": _vtysh, "uname": _uname, "hostname": _host, "id": _id, "nft": _nft, "dnsmasq": _dnsmasq,
    "service": _service, "pon": _pon, "poff": _poff, "ifup": _ifup, "ifdown": _ifdown,
    "start-stop-daemon": _start_stop_daemon, "ip": _ip, "ping": _ping, "nslookup": _nslookup, **systemd.TOOLS,
}  # fmt: skip


def tools(state: DeviceState) -> dict[str, Tool]:
    """The commands that this box has beside those of any Unix."""
    return {name: functools.partial(tool, state) for name, tool in _OWN.items()}


def whole_text(state: DeviceState) -> str:
    """FRR's running configuration and all files, each under a heading, one empty line between two."""
    parts = [f"# vtysh: show running-config\n{frr_body(state)}"]
    parts += [
        f"# file: {path}\n{text.rstrip(chr(10))}{chr(10) if text.strip() else ''}"
        for path, text in shown_files(state).items()
    ]
    return "\n".join(parts)
