"""FRR's vtysh: one enabled prompt, configuration mode, and `vtysh -c`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from simulators.dialects.commands import Verdict, match
from simulators.dialects.editing import Editor, Outcome
from simulators.dialects.frr_config import GRAMMAR
from simulators.generate.frr_linux import VERSION, is_linux
from simulators.personas.base import Effect, Reply
from simulators.state import DeviceState

_COMMANDS = (
    "show running-config", "show running-config no-header", "show startup-config", "show version",
    "show interface brief", "show ip route",
    "show bgp summary", "write", "write memory", "write file", "write terminal", "copy running-config startup-config",
    "configure terminal", "configure", "terminal length ...", "terminal no length", "terminal paginate", "exit", "quit",
    "end", "enable", "disable",
)  # fmt: skip
_SAVED = (
    "Note: this version of vtysh never writes vtysh.conf\nBuilding Configuration...\n"
    "Integrated configuration saved to /etc/frr/frr.conf\n[OK]\n"
)
_COPYRIGHT = "Copyright 1996-2005 Kunihiro Ishiguro, et al.\n"
GREETING = f"\nHello, this is FRRouting (version {VERSION}).\n{_COPYRIGHT}\n"


def hostname_of(state: DeviceState) -> str:
    """The name that vtysh goes by. Where the whole box is managed that is the kernel's: set by hand, or from its file;
    elsewhere the one that FRR was configured with."""
    if is_linux(state.spec):
        own = state.scratch.get("/run/hostname") or state.files.get("/etc/hostname", "").strip()
        return own or state.spec.name
    found = re.search(r"^hostname (\S+)", state.running, re.MULTILINE)
    return found.group(1) if found else state.spec.name


def frr_body(state: DeviceState) -> str:
    """The configuration without its heading. FRR's daemons keep the name that they were started with; vtysh adds its
    own when that is another one."""
    name, body = hostname_of(state), state.running
    if f"hostname {name}\n" not in body:
        body = body.replace("service integrated", f"hostname {name}\nservice integrated", 1)
    return f"!\n{body}{'' if body.endswith('!' + chr(10)) else '!' + chr(10)}end\n"


def running_text(state: DeviceState) -> str:
    return f"Building configuration...\n\nCurrent configuration:\n{frr_body(state)}"


def _headless(state: DeviceState) -> str:
    return frr_body(state).removeprefix("!\n")


def _version(state: DeviceState) -> str:
    name = hostname_of(state)
    return f"FRRouting {VERSION} ({name}) on Linux(6.1.0-28-amd64).\n{_COPYRIGHT}"


def _blocks(state: DeviceState) -> list[tuple[str, str, bool]]:
    """Interface name, address or nothing, and whether it is up."""
    rows: list[tuple[str, str, bool]] = []
    for block in re.finditer(r"^interface (\S+)\n((?: .*\n)*)", state.running, re.MULTILINE):
        address = re.search(r"^ ip address (\S+)", block.group(2), re.MULTILINE)
        down = re.search(r"^ shutdown$", block.group(2), re.MULTILINE)
        rows.append((block.group(1), address.group(1) if address else "", not down))
    return rows


def _interfaces(state: DeviceState) -> str:
    head = "Interface       Status  VRF             Addresses\n---------       ------  ---             ---------\n"
    rows = "".join(f"{name:<16}{'up' if up else 'down':<8}default         {ip}\n" for name, ip, up in _blocks(state))
    return f"{head}{rows}\n"


def _routes(state: DeviceState) -> str:
    static = re.findall(r"^ip route (\S+) (\S+)", state.running, re.MULTILINE)
    connected = [(address, name) for name, address, up in _blocks(state) if address and up]
    rows = [f"S>* {prefix} [1/0] via {via}, weight 1, 1d02h03m" for prefix, via in static]
    rows += [f"C>* {address} is directly connected, {name}, 1d02h03m" for address, name in connected]
    return "Codes: K - kernel route, C - connected, S - static, B - BGP\n\n" + "".join(f"{row}\n" for row in rows)


def _bgp(state: DeviceState) -> str:
    peers = re.findall(r"^ neighbor (\S+) remote-as (\d+)", state.running, re.MULTILINE)
    rows = "".join(f"{peer:<16}4{asn:>11}      1200      1201        0    0    0 01:00:00            1        2\n"
                   for peer, asn in peers)  # fmt: skip
    return (
        "\nIPv4 Unicast Summary (VRF default):\n"
        "Neighbor        V         AS   MsgRcvd   MsgSent   TblVer  InQ OutQ  Up/Down State/PfxRcd   PfxSnt\n"
        f"{rows}\nTotal number of neighbors {len(peers)}\n"
    )


def _nothing(_state: DeviceState) -> str:
    # With integrated configuration no daemon has a file of its own, and vtysh prints nothing here.
    return ""


_SHOWS: Mapping[str, Callable[[DeviceState], str]] = MappingProxyType(
    {
        "show running-config": running_text,
        "show running-config no-header": _headless,
        "write terminal": running_text,
        "show startup-config": _nothing,
        "show version": _version,
        "show interface brief": _interfaces,
        "show ip route": _routes,
        "show bgp summary": _bgp,
    }
)


class VtyshDialogue:
    """One vtysh, in a terminal or behind `-c`."""

    echo = True
    single_key = False
    page_length = 0

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self._editor: Editor | None = None

    @property
    def prompt(self) -> str:
        mode = f"({self._editor.suffix})" if self._editor is not None else ""
        return f"{hostname_of(self._state)}{mode}# "

    def greeting(self) -> str:
        return GREETING

    def feed(self, line: str) -> Reply:
        line = line.strip()
        if not line or line.startswith("!"):
            return Reply()
        return self._configure(line) if self._editor is not None else self._command(line)

    def control(self, key: str) -> Reply:
        if key == "D" and self._editor is None:
            return Reply(effect=Effect.CLOSE)
        self._editor = None
        return Reply()

    def run_all(self, commands: list[str]) -> Reply:
        """`vtysh -c A -c B`: the first that fails is the last that is run."""
        text, config = "", False
        for command in commands:
            reply = self.feed(command)
            text, config = text + reply.text, config or reply.config
            if reply.status:
                return Reply(text, status=1, config=config)
        return Reply(text, config=config)

    def run_file(self, lines: list[str], *, dry: bool = False) -> Reply:
        """`vtysh -f`, with `-C` as a trial: all lines are gone through, whatever becomes of one. Unknown lines are told
        with their number and the status; what a daemon refuses, with its words alone."""
        text, error, status = "", "", 0
        self._act("configure terminal")
        for number, line in enumerate(lines, 1):
            reply = self.feed(line)
            if reply.text.startswith("% Unknown command"):
                error += f"line {number}: % Unknown command[4]: {line.strip()}\n"
                status = 2
            elif not dry:
                text += reply.text
        return Reply(text, error, status)

    def _command(self, line: str) -> Reply:
        found = match(line, _COMMANDS)
        if found.verdict is Verdict.UNKNOWN:
            return Reply(f"% Unknown command: {line}\n", status=1)
        if found.verdict is Verdict.AMBIGUOUS:
            return Reply(f"% Ambiguous command: {line}\n", status=1)
        if found.verdict is Verdict.INCOMPLETE:
            return Reply(f"% Command incomplete: {line}\n", status=1)
        if found.command in _SHOWS:
            whole = found.command in ("show running-config", "show running-config no-header", "write terminal")
            return Reply(_SHOWS[found.command](self._state), config=whole)
        return self._act(found.command)

    def _act(self, command: str) -> Reply:
        if command.startswith("configure"):
            self._editor = Editor(self._state.running, GRAMMAR)
        elif command.startswith(("write", "copy")):
            self._state.save()
            return Reply(_SAVED)
        elif command in ("exit", "quit"):
            return Reply(effect=Effect.CLOSE)
        return Reply()

    def _configure(self, line: str) -> Reply:
        assert self._editor is not None
        word, _, rest = line.partition(" ")
        if word == "end":
            self._editor = None
        elif word in ("exit", "quit", "exit-address-family"):
            if self._editor.in_block:
                self._editor.leave()
            else:
                self._editor = None
        elif word == "do":
            return self._command(rest)
        else:
            return self._enter(line)
        return Reply()

    def _enter(self, line: str) -> Reply:
        assert self._editor is not None
        outcome = self._editor.enter(line)
        if outcome is Outcome.UNKNOWN:
            return Reply(f"% Unknown command: {line}\n", status=1)
        if outcome is Outcome.INCOMPLETE:
            return Reply(f"% Command incomplete: {line}\n", status=1)
        if outcome is Outcome.ABSENT and line.startswith("no ip route"):
            return Reply("% Refusing to remove a non-existent route\n", status=1)
        if outcome is Outcome.ABSENT and line.startswith("no ip address"):
            return Reply("% Can't find address\n", status=1)
        self._state.replace_running(self._editor.text(), self._state.spec.username)
        return Reply()
