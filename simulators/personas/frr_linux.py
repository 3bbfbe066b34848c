"""Linux router with FRR, after Debian's FRR 8.4: vtysh as login shell, bash with vtysh in it, or root's bash.

Root has the whole box: FRR, and the files of nftables, dnsmasq, hostapd, pppd, snmpd and sshd.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from simulators.dialects.editing import Editor, Outcome
from simulators.dialects.frr_config import GRAMMAR
from simulators.dialects.linux_box import KERNEL, BoxFiles, tools, whole_text
from simulators.dialects.shell import Shell, common_tools
from simulators.dialects.systemd import boot
from simulators.dialects.vtysh import VtyshDialogue, hostname_of, running_text
from simulators.generate import frr_linux as generate
from simulators.generate.frr_linux import is_linux
from simulators.personas.base import Dialogue, Effect, Reply, Traits
from simulators.reach.lines import frr
from simulators.reach.view import Surroundings, View
from simulators.spec import DeviceSpec
from simulators.state import DeviceState


def _shell(state: DeviceState, name: str) -> Shell:
    return Shell(name, BoxFiles(state), common_tools() | tools(state), unknown="command not found")


class BashDialogue:
    """One terminal session in bash; `vtysh` without `-c` puts a vtysh in its place until that is left."""

    echo = True
    single_key = False
    page_length = 0

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self._shell = _shell(state, "-bash")
        self._vtysh: VtyshDialogue | None = None

    @property
    def prompt(self) -> str:
        if self._vtysh is not None:
            return self._vtysh.prompt
        return f"{self._state.spec.username}@{hostname_of(self._state)}:~{'#' if is_linux(self._state.spec) else '$'} "

    def greeting(self) -> str:
        return f"Linux {hostname_of(self._state)} {KERNEL} #1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 x86_64\n\n"

    def feed(self, line: str) -> Reply:
        if self._vtysh is not None:
            return self._within(self._vtysh.feed(line))
        if line.split() == ["vtysh"]:
            self._vtysh = VtyshDialogue(self._state)
            return Reply(self._vtysh.greeting())
        return self._shell.run(line) if line.strip() else Reply()

    def control(self, key: str) -> Reply:
        if self._vtysh is not None:
            return self._within(self._vtysh.control(key))
        return Reply(effect=Effect.CLOSE if key == "D" else Effect.NONE, status=self._shell.status)

    def _within(self, reply: Reply) -> Reply:
        if reply.effect is not Effect.CLOSE:
            return reply
        self._vtysh = None
        return Reply(reply.text)


class FrrLinux:
    """The family `frr_linux`."""

    family = "frr_linux"
    summary = "Linux router with FRR 8.4: vtysh as login shell, or bash"
    options: Mapping[str, str] = MappingProxyType({"mode": "vtysh|bash|linux: the login shell; linux is root's"})
    traits = Traits(
        noise="2026/11/23 02:31:07 ZEBRA: [NNACN-54BDA] interface eth0 is down",
        ssh_software="OpenSSH_9.2p1 Debian-2+deb12u3",
    )

    def factory_config(self, spec: DeviceSpec) -> str:
        return generate.factory_config(spec)

    def running_text(self, state: DeviceState) -> str:
        return whole_text(state) if is_linux(state.spec) else running_text(state)

    def hostname(self, state: DeviceState) -> str:
        return hostname_of(state)

    def config_prompt(self, state: DeviceState) -> str:
        return self.dialogue(state).prompt

    def dialogue(self, state: DeviceState) -> Dialogue:
        return BashDialogue(state) if _has_bash(state.spec) else VtyshDialogue(state)

    def execute(self, state: DeviceState, command: str, stdin: str) -> Reply:
        if _has_bash(state.spec):
            return _shell(state, "bash: line 1").run(command, stdin)
        return VtyshDialogue(state).run_all([command])

    def booted(self, state: DeviceState, /) -> None:
        if is_linux(state.spec):
            boot(state, _shell(state, "sh"))

    def reads_stdin(self, command: str) -> bool:
        return bool(re.search(r"\bcat( -)? *>|\bvtysh *($|[;&|])", command))

    def change(self, state: DeviceState, text: str) -> None:
        """Lines of FRR's configuration mode, or of root's shell when the first one is a command there and FRR does not
        know it: `ip route` is a line of both."""
        shell = _shell(state, "bash")
        first = text.strip().partition("\n")[0]
        foreign = Editor(state.running, GRAMMAR).enter(first) in (Outcome.UNKNOWN, Outcome.INCOMPLETE)
        if is_linux(state.spec) and foreign and first.split(maxsplit=1)[0] in shell.tools:
            for line in text.splitlines():
                if (reply := shell.run(line)).status:
                    raise ValueError(f"{line!r}: {reply.error or reply.text}")
            return
        editor = Editor(state.running, GRAMMAR)
        for line in text.splitlines():
            if line.strip().startswith(("exit", "end")):
                editor.leave()
            elif line.strip() and editor.enter(line) in (Outcome.UNKNOWN, Outcome.INCOMPLETE):
                raise ValueError(f"not a configuration line of {self.family}: {line!r}")
        state.replace_running(editor.text(), state.operator or "console")

    def sample_change(self, spec: DeviceSpec, number: int) -> str:
        octet = spec.rng(f"change {number}").randrange(256)
        return f"ip route 172.{16 + number % 16}.{octet}.0/24 Null0"

    def refusal(self, command: str) -> Reply:
        return Reply(f"% Unknown command: {command}\n", status=1)

    def shrink(self, text: str) -> str:
        lines = text.splitlines(keepends=True)
        start = next((index for index, line in enumerate(lines) if line.startswith("hostname ")), len(lines) - 1)
        return "".join(lines[: start + 1]) + "!\nend\n"

    def plant(self, body: str, line: str) -> str:
        # FRR has no free text of several lines: a description that ends in the prompt is as near as it gets.
        return re.sub(r"^( description ).*$", rf"\g<1>{line.rstrip()}", body, count=1, flags=re.MULTILINE)

    def view(self, state: DeviceState, at: Surroundings) -> View:
        return frr(state, at)

    def login_forms(self, spec: DeviceSpec) -> tuple[str, ...]:
        return (f"password {spec.secrets.login}", f"enable password {spec.secrets.enable}")


def _has_bash(spec: DeviceSpec) -> bool:
    return spec.options.get("mode", "vtysh") != "vtysh"


PERSONA = FrrLinux()
