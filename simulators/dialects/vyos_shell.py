"""The shell of a VyOS box: its files, operational commands, and the wrappers with which scripts call both modes."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from simulators.dialects import vyos_box, vyos_uplink
from simulators.dialects.commands import Verdict, match
from simulators.dialects.shell import TMP, Call, Shell, Tool, common_tools
from simulators.dialects.vyos_config import parse_boot, set_lines, shown_text, values
from simulators.dialects.vyos_edit import COMMANDS, ConfigSession
from simulators.generate.site import make_site
from simulators.generate.vyos import login_hash
from simulators.personas.base import Effect, Reply
from simulators.state import DeviceState

OP_WRAPPER = "/opt/vyatta/bin/vyatta-op-cmd-wrapper"
CFG_WRAPPER = "/opt/vyatta/sbin/vyatta-cfg-cmd-wrapper"
_TOP = ("configure", "reboot", "set", "show")
_SHOWS = (
    "show configuration", "show configuration commands", "show configuration all", "show configuration json",
    "show configuration json pretty", "show version", "show interfaces", "show system uptime", "show system commit",
    "show system commit file ...", "show host name", "show date", "show users",
)  # fmt: skip


class BoxFiles:
    """Made from the state when read. What lies below /config survives a restart, what lies below /tmp does not."""

    def __init__(self, state: DeviceState) -> None:
        self._state = state

    def read(self, path: str) -> str | None:
        state = self._state
        if path == vyos_box.BOOT:
            return vyos_box.boot_file(state, state.startup)
        text = self._made().get(path, state.scratch.get(path))
        if text is None and path in state.flash:
            text = state.flash[path]
            revision = path.startswith(vyos_box.ARCHIVE) and path.endswith(".gz")
            return vyos_box.boot_file(state, text) if revision else text
        return text

    def write(self, path: str, text: str) -> bool:
        if path == vyos_box.BOOT:
            try:
                self._state.startup = set_lines(parse_boot(text, vyos_box.schema(self._state)))
            except ValueError:
                return False
        elif path.startswith("/config/"):
            self._state.flash[path] = text
        elif path.startswith((TMP, "/var/", "/run/", "/home/")):
            self._state.scratch[path] = text
        else:
            return False
        return True

    def remove(self, path: str) -> bool:
        return (self._state.scratch.pop(path, None) or self._state.flash.pop(path, None)) is not None

    def paths(self) -> list[str]:
        return sorted([vyos_box.BOOT, *self._made(), *self._state.scratch, *self._state.flash])

    def is_config(self, path: str) -> bool:
        return path == vyos_box.BOOT

    def _made(self) -> dict[str, str]:
        state = self._state
        uptime, version = state.uptime, vyos_box.full_release(state)
        return {
            "/proc/uptime": f"{uptime:.2f} {uptime * 3.7:.2f}\n",
            "/etc/hostname": f"{vyos_box.hostname(state)}\n",
            "/etc/version": f"VyOS {version}\n",
            "/etc/os-release": f'PRETTY_NAME="VyOS {version}"\nNAME="VyOS"\nVERSION_ID="{version}"\nID=vyos\n',
            "/etc/shadow": f"{state.spec.username}:{login_hash(state.spec)}:19700:0:99999:7:::\n",
        }


def version_text(state: DeviceState) -> str:
    """What `show version` prints."""
    train = {"1.4": "sagitta", "1.5": "current"}[vyos_box.release(state)]
    return (
        f"Version:          VyOS {vyos_box.full_release(state)}\nRelease train:    {train}\n"
        "Release flavor:   generic\n\n"
        "Built by:         simulators@operator.example\nBuilt on:         Tue 04 Jun 2024 12:53 UTC\n"
        "Build UUID:       00000000-0000-0000-0000-000000000000\nBuild commit ID:  0000000000000000\n\n"
        "Architecture:     x86_64\nBoot via:         installed image\nSystem type:      bare metal\n\n"
        f"Hardware vendor:  Simulated\nHardware model:   CPE-4\nHardware S/N:     {make_site(state.spec).serial}\n"
        "Hardware UUID:    00000000-0000-0000-0000-000000000000\n\n"
        "Copyright:        VyOS maintainers and contributors\n"
    )


def _interfaces(state: DeviceState) -> str:
    tree = vyos_box.running(state)
    lines = [
        "Codes: S - State, L - Link, u - Up, D - Down, A - Admin Down",
        "Interface    IP Address           S/L    Description",
        "---------    ----------           ---    -----------",
    ]
    for kind in values(tree, "interfaces"):
        for name in values(tree, f"interfaces {kind}"):
            path = f"interfaces {kind} {name}"
            addresses = [one for one in values(tree, f"{path} address") if "/" in one] or ["-"]
            about = next(iter(values(tree, f"{path} description")), "")
            down = "A/D" if vyos_box.has(state, f"{path} disable") else "u/u"
            lines.append(f"{name:<12} {addresses[0]:<20} {down:<6} {about}".rstrip())
            lines += [f"{'':<12} {address}" for address in addresses[1:]]
    return "".join(f"{line}\n" for line in lines)


def _uptime(state: DeviceState) -> str:
    days, rest = divmod(int(state.uptime), 86_400)
    hours, seconds = divmod(rest, 3600)
    shown = f"{days}d {hours}h {seconds // 60}m {seconds % 60}s"
    return f"Uptime: {shown}\n\nLoad averages:\n1  minute:   2.0%\n5  minutes:  1.5%\n15 minutes:  1.0%\n\n"


def _log(state: DeviceState) -> str:
    limited = vyos_box.has(state, "system config-management commit-revisions")
    head = "" if limited else "commit-revisions is not configured;\ncommit log is empty or stale:\n\n"
    return head + vyos_box.commit_log(state)


def _shown(state: DeviceState, command: str) -> Reply:
    if command == "show configuration commands":
        # What runs is kept as the box prints it, but for backslashes.
        plain = "\\" not in state.running
        return Reply(state.running if plain else set_lines(vyos_box.running(state), escape=True), config=True)
    tree = vyos_box.running(state)
    if command in ("show configuration", "show configuration all"):
        return Reply(shown_text(tree, vyos_box.schema(state), hide=True), config=True)
    if command.startswith("show configuration json"):
        return Reply(json.dumps(tree, indent=4 if command.endswith("pretty") else None) + "\n", config=True)
    texts: dict[str, Callable[[DeviceState], str]] = {
        "show version": version_text,
        "show interfaces": _interfaces,
        "show system uptime": _uptime,
        "show system commit": _log,
        "show host name": lambda box: f"{vyos_box.hostname(box)}\n",
        "show date": lambda box: box.clock().strftime("%a %d %b %Y %H:%M:%S UTC\n"),
        "show users": lambda box: f"{box.spec.username} pts/0 {box.clock():%b %d %H:%M}\n",
    }
    return Reply(texts[command](state))


def show(state: DeviceState, words: Sequence[str]) -> Reply:
    """An operational `show`, words perhaps cut short."""
    line = " ".join(["show", *words])
    found = match(line, _SHOWS)
    typed = line.split()
    if found.verdict is Verdict.UNKNOWN:
        before, wrong = " ".join(typed[: found.wrong_word]), typed[found.wrong_word]
        return Reply(error=f"\n  Invalid command: {before} [{wrong}]\n\n", status=1)
    if found.verdict is Verdict.AMBIGUOUS:
        return Reply(error=f"\n  Ambiguous command: {line}\n\n", status=1)
    if found.verdict is Verdict.INCOMPLETE:
        return Reply(error=f"\n  Incomplete command: {line}\n\n", status=1)
    if found.command == "show system commit file":
        try:
            return Reply(vyos_box.boot_file(state, vyos_box.revision(state, int(found.rest[0]))))
        except (KeyError, ValueError, IndexError):
            return Reply(f"Invalid revision number {' '.join(found.rest)}\n", status=1)
    return _shown(state, found.command)


def _show(state: DeviceState, call: Call) -> Reply:
    return show(state, call.words)


def _reboot(state: DeviceState, call: Call) -> Reply:
    """`now`, `in MINUTES` and `cancel`. A bare `reboot` asks, and that is a dialogue's affair."""
    words = call.words
    if words[:1] == ["cancel"]:
        there = state.alarms.pop(vyos_box.REBOOT, None) is not None
        return Reply("" if there else "Reboot or poweroff is not scheduled\n")
    if words[:1] == ["in"] and len(words) == 2 and words[1].isdecimal():
        vyos_box.restart_in(state, int(words[1]))
        due = state.clock() + timedelta(minutes=int(words[1]))
        return Reply(f"Reboot is scheduled {due:%Y-%m-%d %H:%M:%S}\n")
    if words[:1] in ([], ["now"]):
        return Reply(effect=Effect.RESTART)
    return Reply(error=f"\n  Invalid command: reboot [{words[0]}]\n\n", status=1)


def _op_wrapper(state: DeviceState, call: Call) -> Reply:
    verb, *words = call.words or [""]
    names = [name for name in _TOP if name.startswith(verb)] if verb else []
    if names == ["show"]:
        return show(state, words)
    if names == ["reboot"]:
        return _reboot(state, dataclasses.replace(call, words=words))
    return Reply(error=f"\n  Invalid command:  [{verb}]\n\n", status=1)


class _CfgWrapper:
    """`vyatta-cfg-cmd-wrapper`: one configuration session for the shell that calls it."""

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self._session: ConfigSession | None = None

    def __call__(self, call: Call) -> Reply:
        verb, *words = call.words or [""]
        if verb == "begin":
            self._session = ConfigSession(self._state, self._state.spec.username)
            return Reply()
        if self._session is None:
            return Reply("Not in a configuration session\n", status=1)
        session = self._session
        files = BoxFiles(self._state)
        work: Mapping[str, Callable[[], Reply]] = {
            "set": lambda: session.change("set", words),
            "delete": lambda: session.change("delete", words),
            "commit": session.commit,
            "discard": session.discard,
            "save": lambda: session.save(words, files.write),
            "load": lambda: session.load(words, files.read),
            "show": lambda: session.show(()),
        }
        if verb == "end":
            self._session = None
            return Reply()
        if verb not in work:
            return Reply(f'Invalid command "{verb}" for vyatta-cfg-cmd-wrapper\n', status=1)
        return work[verb]()


def _uname(state: DeviceState, call: Call) -> Reply:
    name, kernel = vyos_box.hostname(state), "6.6.32-amd64-vyos"
    whole = f"Linux {name} {kernel} #1 SMP PREEMPT_DYNAMIC Tue Jun  4 12:00:00 UTC 2024 x86_64 GNU/Linux"
    parts = {"-a": whole, "-n": name, "-r": kernel, "-m": "x86_64"}
    return Reply(parts.get(call.words[0] if call.words else "", "Linux") + "\n")


def _host(state: DeviceState, _call: Call) -> Reply:
    return Reply(f"{vyos_box.hostname(state)}\n")


def _date(state: DeviceState, call: Call) -> Reply:
    now = state.clock()
    return Reply(f"{int(now.timestamp())}\n" if call.words == ["+%s"] else now.strftime("%a %b %e %H:%M:%S UTC %Y\n"))


def _systemctl(state: DeviceState, call: Call) -> Reply:
    """The timer behind commit-confirm is a transient unit: it can be asked, stopped, and what it would do done now."""
    words = [word for word in call.words if not word.startswith("-")]
    verb, unit, *_ = [*words, "", ""]
    alarm = state.alarms.get(vyos_box.CONFIRM)
    if unit not in ("commit-confirm.timer", "commit-confirm.service"):
        return Reply(error=f"Unit {unit} could not be found.\n", status=4)
    if verb == "is-active":
        said = "active" if alarm and unit.endswith(".timer") else "inactive"
        return Reply("" if "--quiet" in call.words else f"{said}\n", status=0 if said == "active" else 3)
    if alarm is None:
        return Reply(error=f"Failed to {verb} {unit}: Unit {unit} not loaded.\n", status=5)
    del state.alarms[vyos_box.CONFIRM]
    if verb == "start":
        alarm.act(state)
        return Reply(effect=Effect.RESTART if alarm.restart else Effect.NONE)
    return Reply()


def _save_config(state: DeviceState, call: Call) -> Reply:
    """What `save` and the box's own check for unsaved commits run."""
    target = call.words[0] if call.words else vyos_box.BOOT
    done = call.shell.files.write(target, vyos_box.boot_file(state, state.running))
    return Reply(status=0 if done else 1)


def _config_to_commands(state: DeviceState, call: Call) -> Reply:
    """A configuration file, or what comes in, as set lines: what stands behind `show configuration commands` too."""
    text = call.shell.files.read(call.words[0]) if call.words else call.stdin
    if text is None:
        return Reply(error=f"Could not read config file {call.words[0]}: No such file or directory\n", status=1)
    return Reply(set_lines(parse_boot(text, vyos_box.schema(state)), escape=True), config=True)


def _cmp(call: Call) -> Reply:
    one, other = (call.shell.files.read(path) for path in [word for word in call.words if word != "-s"][:2])
    return Reply(status=2 if one is None or other is None else int(one != other))


def _sudo(call: Call) -> Reply:
    words = [word for word in call.words if not word.startswith("-")]
    tool = call.shell.tools.get(words[0]) if words else None
    if tool is None:
        return Reply(error=f"sudo: {' '.join(words[:1])}: command not found\n", status=1)
    return tool(Call(call.shell, words[1:], call.stdin))


def _vbash(call: Call) -> Reply:
    if call.words[:1] == ["-c"] and len(call.words) > 1:
        return call.shell.run(call.words[1], call.stdin)
    return Reply()


def _pass(call: Call) -> Reply:
    return Reply(call.stdin)


def _matching(call: Call, *, wanted: bool) -> Reply:
    pattern = call.words[0] if call.words else ""
    return Reply("".join(f"{line}\n" for line in call.stdin.splitlines() if (pattern in line) == wanted))


def _count(call: Call) -> Reply:
    return Reply(f"{call.stdin.count(chr(10))}\n")


def _nothing(_call: Call) -> Reply:
    return Reply()


PIPES: Mapping[str, Tool] = {
    "no-more": _pass,
    "more": _pass,
    "less": _pass,
    "count": _count,
    "match": functools.partial(_matching, wanted=True),
    "no-match": functools.partial(_matching, wanted=False),
}
"""What VyOS defines behind a pipe."""


def unix_tools(state: DeviceState) -> dict[str, Tool]:
    """What a shell without a terminal finds: Debian's tools and the wrappers, neither mode's own commands."""
    own: dict[str, Tool] = {
        OP_WRAPPER: functools.partial(_op_wrapper, state),
        CFG_WRAPPER: _CfgWrapper(state),
        "hostname": functools.partial(_host, state),
        "ip": functools.partial(vyos_uplink.ip, state),
        "ping": functools.partial(vyos_uplink.pinged, state),
        "uname": functools.partial(_uname, state),
        "date": functools.partial(_date, state),
        "reboot": functools.partial(_reboot, state),
        "sudo": _sudo,
        "systemctl": functools.partial(_systemctl, state),
        "/usr/libexec/vyos/vyos-save-config.py": functools.partial(_save_config, state),
        "cmp": _cmp,
        "vyos-config-to-commands": functools.partial(_config_to_commands, state),
        "umask": _nothing,
        "vbash": _vbash,
        "bash": _vbash,
        "unset": _nothing,
    }
    return common_tools() | own


def op_tools(state: DeviceState) -> dict[str, Tool]:
    """What operational mode adds on a terminal, also cut short."""
    tools = unix_tools(state) | dict(PIPES)
    tools.update(dict.fromkeys(abbreviations("show", _TOP), functools.partial(_show, state)))
    return tools


def abbreviations(name: str, names: Sequence[str] = COMMANDS) -> list[str]:
    """The beginnings of a command that stand for it alone; no word of the shell's own language."""
    cut = [name[:length] for length in range(1, len(name))]
    unique = [short for short in cut if sum(other.startswith(short) for other in names) == 1 and short not in names]
    return [name, *(short for short in unique if short not in ("for", "do", "done", "if", "fi", "case", "tr"))]


def shell_of(state: DeviceState, tools: Mapping[str, Tool], name: str) -> Shell:
    return Shell(name, BoxFiles(state), tools, unknown="command not found")
