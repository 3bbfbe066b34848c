"""Linux router with FRR, after Debian's FRR 8.4: vtysh as login shell, or bash with vtysh in it."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from types import MappingProxyType

from simulators.dialects.editing import Editor, Outcome
from simulators.dialects.frr_config import GRAMMAR
from simulators.dialects.shell import TMP, Call, Shell, Tool, common_tools
from simulators.dialects.vtysh import VtyshDialogue, hostname_of, running_text
from simulators.generate import frr_linux as generate
from simulators.personas.base import Dialogue, Effect, Reply, Traits
from simulators.spec import DeviceSpec
from simulators.state import DeviceState

_KERNEL = "6.1.0-28-amd64"
_FRR_CONF = "/etc/frr/frr.conf"


class _BoxFiles:
    """Virtual files of the Linux side; what is written below /tmp is lost with a restart."""

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self._daemons = generate.daemon_files(state.spec)

    def read(self, path: str) -> str | None:
        made = self._made().get(path)
        return made if made is not None else self._state.scratch.get(path)

    def write(self, path: str, text: str) -> bool:
        if path == _FRR_CONF:
            self._state.startup = text
            return True
        if not path.startswith(TMP):
            return False
        self._state.scratch[path] = text
        return True

    def remove(self, path: str) -> bool:
        return self._state.scratch.pop(path, None) is not None

    def paths(self) -> list[str]:
        return sorted([*self._made(), *self._state.scratch])

    def is_config(self, path: str) -> bool:
        return path == _FRR_CONF or path in self._daemons

    def _made(self) -> dict[str, str]:
        uptime = self._state.uptime
        return {
            **self._daemons,
            _FRR_CONF: self._state.startup,
            "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
            "/etc/hostname": f"{hostname_of(self._state)}\n",
            "/etc/debian_version": "12.8\n",
            "/proc/uptime": f"{uptime:.2f} {uptime * 1.9:.2f}\n",
        }


def _uname(state: DeviceState, call: Call) -> Reply:
    name = hostname_of(state)
    parts = {
        "-a": f"Linux {name} {_KERNEL} #1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 x86_64 GNU/Linux",
        "-n": name,
        "-r": _KERNEL,
        "-m": "x86_64",
    }
    return Reply(parts.get(call.words[0] if call.words else "", "Linux") + "\n")


def _host(state: DeviceState, _call: Call) -> Reply:
    return Reply(f"{hostname_of(state)}\n")


def _vtysh(state: DeviceState, call: Call) -> Reply:
    commands = [call.words[index + 1] for index in range(len(call.words) - 1) if call.words[index] == "-c"]
    return VtyshDialogue(state).run_all(commands or call.stdin.splitlines())


_OWN = {"vtysh": _vtysh, "uname": _uname, "hostname": _host}


def _shell(state: DeviceState, name: str) -> Shell:
    own: dict[str, Tool] = {key: functools.partial(tool, state) for key, tool in _OWN.items()}
    return Shell(name, _BoxFiles(state), common_tools() | own, unknown="command not found")


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
        return f"{self._state.spec.username}@{hostname_of(self._state)}:~# "

    def greeting(self) -> str:
        return f"Linux {hostname_of(self._state)} {_KERNEL} #1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 x86_64\n\n"

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
    options: Mapping[str, str] = MappingProxyType({"mode": "vtysh|linux: the login shell"})
    traits = Traits(
        noise="2026/11/23 02:31:07 ZEBRA: [NNACN-54BDA] interface eth0 is down",
        ssh_software="OpenSSH_9.2p1 Debian-2+deb12u3",
    )

    def factory_config(self, spec: DeviceSpec) -> str:
        return generate.factory_config(spec)

    def running_text(self, state: DeviceState) -> str:
        return running_text(state)

    def hostname(self, state: DeviceState) -> str:
        return hostname_of(state)

    def config_prompt(self, state: DeviceState) -> str:
        return self.dialogue(state).prompt

    def dialogue(self, state: DeviceState) -> Dialogue:
        return BashDialogue(state) if _is_linux(state.spec) else VtyshDialogue(state)

    def execute(self, state: DeviceState, command: str, stdin: str) -> Reply:
        if _is_linux(state.spec):
            return _shell(state, "bash: line 1").run(command, stdin)
        return VtyshDialogue(state).run_all([command])

    def reads_stdin(self, command: str) -> bool:
        return bool(re.search(r"\bcat( -)? *>|\bvtysh *($|[;&|])", command))

    def change(self, state: DeviceState, text: str) -> None:
        editor = Editor(state.running, GRAMMAR)
        for line in text.splitlines():
            if line.strip().startswith(("exit", "end")):
                editor.leave()
            elif line.strip() and editor.enter(line) in (Outcome.UNKNOWN, Outcome.INCOMPLETE):
                raise ValueError(f"not a configuration line of {self.family}: {line!r}")
        state.replace_running(editor.text(), "console")

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

    def login_forms(self, spec: DeviceSpec) -> tuple[str, ...]:
        return (f"password {spec.secrets.login}", f"enable password {spec.secrets.enable}")


def _is_linux(spec: DeviceSpec) -> bool:
    return spec.options.get("mode", "vtysh") == "linux"


PERSONA = FrrLinux()
