"""OpenWrt router: BusyBox shell, UCI with staged changes, ubus."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from simulators.dialects import uci_tool
from simulators.dialects.shell import TMP, Call, Shell, Tool, common_tools
from simulators.dialects.shell_words import split_words
from simulators.dialects.uci import export, parse_package
from simulators.generate import openwrt as generate
from simulators.generate.site import make_site
from simulators.personas.base import Effect, Reply, Traits
from simulators.spec import DeviceSpec
from simulators.state import DeviceState

_RELEASE = "23.05.5"
_KERNEL = "5.15.167"
_MODEL = "GL.iNet GL-MT3000"
_CONFIG = "/etc/config/"
_BANNER = (
    "\n\nBusyBox v1.36.1 (2024-09-23 12:34:46 UTC) built-in shell (ash)\n\n"
    "  -----------------------------------------------------\n"
    f"   Simulated OpenWrt {_RELEASE}, no vendor's software inside\n"
    "  -----------------------------------------------------\n"
)


def _hostname(state: DeviceState) -> str:
    found = re.search(r"^\toption hostname '([^']*)'", state.running, re.MULTILINE)
    return found.group(1) if found else "OpenWrt"


class _BoxFiles:
    """The virtual files: made from the state when read, /tmp kept in its scratch space."""

    def __init__(self, state: DeviceState) -> None:
        self._state = state

    def read(self, path: str) -> str | None:
        if path.startswith(_CONFIG):
            return uci_tool.file_of(self._state, path.removeprefix(_CONFIG))
        made = self._made().get(path)
        return made if made is not None else self._state.scratch.get(path)

    def write(self, path: str, text: str) -> bool:
        if path.startswith(_CONFIG):
            packages = uci_tool.committed(self._state)
            name = path.removeprefix(_CONFIG)
            packages[name] = parse_package(name, text)
            self._state.replace_running(export(packages), self._state.spec.username)
            self._state.save()
            return True
        if not path.startswith((TMP, "/var/")):
            return False
        self._state.scratch[path] = text
        return True

    def remove(self, path: str) -> bool:
        return self._state.scratch.pop(path, None) is not None

    def paths(self) -> list[str]:
        configs = [_CONFIG + name for name in uci_tool.package_names(self._state)]
        return sorted([*configs, *self._made(), *self._state.scratch])

    def is_config(self, path: str) -> bool:
        return path.startswith(_CONFIG)

    def _made(self) -> dict[str, str]:
        state = self._state
        uptime = state.uptime
        return {
            "/etc/openwrt_release": f"DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='{_RELEASE}'\n"
            "DISTRIB_TARGET='mediatek/filogic'\nDISTRIB_ARCH='aarch64_cortex-a53'\n",
            "/etc/os-release": f'NAME="OpenWrt"\nVERSION="{_RELEASE}"\nID="openwrt"\n'
            f'PRETTY_NAME="OpenWrt {_RELEASE}"\nOPENWRT_BOARD="mediatek/filogic"\n',
            "/etc/board.json": json.dumps({"model": {"id": "glinet,gl-mt3000", "name": _MODEL}}, indent="\t") + "\n",
            "/etc/shadow": f"root:{generate.shadow_hash(state.spec)}:19700:0:99999:7:::\n",
            "/proc/uptime": f"{uptime:.2f} {uptime * 0.93:.2f}\n",
            f"{TMP}sysinfo/model": f"{_MODEL}\n",
            f"{TMP}sysinfo/board_name": "glinet,gl-mt3000\n",
            "/etc/hostname": f"{_hostname(state)}\n",
        }


def _ubus(state: DeviceState, call: Call) -> Reply:
    if call.words[:3] != ["call", "system", "board"]:
        return Reply(error="Command failed: Not found\n", status=4)
    board = {
        "kernel": _KERNEL, "hostname": _hostname(state), "system": "ARMv8 Processor rev 4", "model": _MODEL,
        "board_name": "glinet,gl-mt3000", "rootfs_type": "squashfs",
        "release": {"distribution": "OpenWrt", "version": _RELEASE, "revision": "r24106-10cc5fcd00",
                    "target": "mediatek/filogic", "description": f"OpenWrt {_RELEASE}"},
    }  # fmt: skip
    return Reply(json.dumps(board, indent="\t") + "\n")


def _uname(state: DeviceState, call: Call) -> Reply:
    whole = f"Linux {_hostname(state)} {_KERNEL} #0 SMP Mon Sep 23 12:34:46 2024 aarch64 GNU/Linux"
    parts = {"-a": whole, "-n": _hostname(state), "-r": _KERNEL, "-m": "aarch64"}
    return Reply(parts.get(call.words[0] if call.words else "", "Linux") + "\n")


def _host(state: DeviceState, _call: Call) -> Reply:
    return Reply(f"{_hostname(state)}\n")


def _uci(state: DeviceState, call: Call) -> Reply:
    reply = uci_tool.run(state, call.words, call.stdin)
    shown = [word for word in call.words if not word.startswith("-")][:1]
    return replace(reply, config=shown in (["export"], ["show"]) and reply.status == 0)


def _date(state: DeviceState, call: Call) -> Reply:
    now = state.clock()
    return Reply(f"{int(now.timestamp())}\n" if call.words == ["+%s"] else now.strftime("%a %b %e %H:%M:%S UTC %Y\n"))


def _done(_state: DeviceState, _call: Call) -> Reply:
    return Reply()


_OWN = {
    "uci": _uci, "ubus": _ubus, "uname": _uname, "hostname": _host, "date": _date, "reload_config": _done,
    "wifi": _done, "logger": _done, "/etc/init.d/network": _done, "/etc/init.d/firewall": _done,
    "/etc/init.d/dnsmasq": _done, "/etc/init.d/system": _done, "/sbin/reload_config": _done,
}  # fmt: skip


def _shell(state: DeviceState) -> Shell:
    own: dict[str, Tool] = {name: functools.partial(tool, state) for name, tool in _OWN.items()}
    return Shell("-ash", _BoxFiles(state), common_tools() | own)


class AshDialogue:
    """One terminal session in the shell."""

    echo = True
    single_key = False
    page_length = 0

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self._shell = _shell(state)

    @property
    def prompt(self) -> str:
        return PERSONA.config_prompt(self._state)

    def greeting(self) -> str:
        return _BANNER

    def feed(self, line: str) -> Reply:
        return self._shell.run(line) if line.strip() else Reply()

    def control(self, key: str) -> Reply:
        return Reply(effect=Effect.CLOSE if key == "D" else Effect.NONE, status=self._shell.status)


class OpenWrt:
    """The family `openwrt`."""

    family = "openwrt"
    summary = "OpenWrt router: BusyBox ash, UCI with staged changes, ubus"
    options: Mapping[str, str] = MappingProxyType({})
    traits = Traits(
        noise="[ 8123.456789] mtk_soc_eth 15100000.ethernet eth1: Link is Down",
        ssh_software="dropbear",
    )

    def factory_config(self, spec: DeviceSpec) -> str:
        return generate.factory_config(spec)

    def running_text(self, state: DeviceState) -> str:
        """What `uci export` prints, staged changes included as there."""
        return uci_tool.exported(state)

    def hostname(self, state: DeviceState) -> str:
        return _hostname(state)

    def config_prompt(self, state: DeviceState) -> str:
        return f"root@{_hostname(state)}:~# "

    def dialogue(self, state: DeviceState) -> AshDialogue:
        return AshDialogue(state)

    def execute(self, state: DeviceState, command: str, stdin: str) -> Reply:
        shell = _shell(state)
        shell.name = "ash"
        return shell.run(command, stdin)

    def reads_stdin(self, command: str) -> bool:
        return bool(re.search(r"\b(uci (-\w+ )*(import|batch)|cat( -)? *>)", command))

    def change(self, state: DeviceState, text: str) -> None:
        for line in text.splitlines():
            words = split_words(line)
            if words and uci_tool.run(state, words[1:] if words[0] == "uci" else words, "").status:
                raise ValueError(f"uci refuses {line!r}")
        uci_tool.run(state, ["commit"], "")

    def sample_change(self, spec: DeviceSpec, number: int) -> str:
        host = 10 + spec.rng(f"change {number}").randrange(200)
        name = f"extra{number}"
        return (
            f"set firewall.{name}=redirect\nset firewall.{name}.src=wan\nset firewall.{name}.proto=tcp\n"
            f"set firewall.{name}.src_dport={10000 + number}\n"
            f"set firewall.{name}.dest_ip={make_site(spec).lan_net}.{host}"
        )

    def refusal(self, _command: str) -> Reply:
        return Reply(error="uci: I/O error\n", status=1)

    def shrink(self, text: str) -> str:
        head = text.find("package network")
        kept = [part for part in re.split(r"(?=^package )", text, flags=re.MULTILINE) if part.startswith("package ")]
        few = [part for part in kept if part.startswith(("package system", "package dropbear"))]
        return "".join(few) if head >= 0 else "\n"

    def plant(self, body: str, line: str) -> str:
        return re.sub(
            r"^(\toption hostname '[^']*'\n)", rf"\g<1>\toption notes 'see\n{line}\nand so on'\n", body, count=1,
            flags=re.MULTILINE,
        )  # fmt: skip

    def login_forms(self, spec: DeviceSpec) -> tuple[str, ...]:
        return (spec.secrets.login,)


PERSONA = OpenWrt()
