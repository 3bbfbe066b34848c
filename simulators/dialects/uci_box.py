"""What OpenWrt and the systems made from it have in common: BusyBox with UCI, ubus, sysupgrade and files in memory.

A family is a `UciPersona` with a `Board`: what is printed on log-in, which files and tools there are beside those of
OpenWrt, and what ubus tells of the board.
"""

from __future__ import annotations

import functools
import gzip
import io
import json
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from simulators.dialects import busybox, uci_tool, uci_uplink
from simulators.dialects.shell import TMP, Call, Shell, Tool, as_bytes, common_tools
from simulators.dialects.shell_words import split_words
from simulators.dialects.uci import Package, UciError, parse_packages
from simulators.dialects.uci_stage import UciStage
from simulators.generate.site import make_site
from simulators.personas.base import Effect, Reply, Traits
from simulators.reach.others import uci
from simulators.reach.view import Surroundings, View
from simulators.spec import DeviceSpec
from simulators.state import DeviceState

_CONFIG = "/etc/config/"
_ETC = "/etc/"
_DEFAULTS = "/etc/uci-defaults/"
_GIVEN_UP = "/overlay/.given-up"
BoardTool = Callable[[DeviceState, Call], Reply]


@dataclass(frozen=True)
class Board:
    """What tells one system made from OpenWrt from another.

    banner: printed on log-in. files: the box's files beside /etc/config. system: what `ubus call system board` tells.
    has_base64: few builds of BusyBox have that tool.
    """

    nameless: str
    kernel: str
    machine: str
    banner: Callable[[DeviceState], str]
    files: Callable[[DeviceState], dict[str, str]]
    system: Callable[[DeviceState], dict[str, object]]
    tools: Mapping[str, BoardTool] = field(default_factory=dict)
    has_base64: Callable[[DeviceState], bool] = lambda _state: True


def hostname(state: DeviceState, nameless: str) -> str:
    found = re.search(r"^\toption hostname '([^']*)'", state.running, re.MULTILINE)
    return found.group(1) if found else nameless


def shadow_hash(spec: DeviceSpec) -> str:
    """What stands in /etc/shadow for root; deterministic, and nothing verifies it."""
    return f"$6${spec.digest('salt').hex()[:12]}${spec.digest('shadow ' + spec.secrets.login).hex()}"


class _BoxFiles:
    """The virtual files: made from the state when read, /tmp kept in its scratch space. /var is a link to /tmp."""

    def __init__(self, state: DeviceState, board: Board) -> None:
        self._state = state
        self._board = board

    def read(self, path: str) -> str | None:
        path = _real(path)
        if path.startswith(_CONFIG):
            return uci_tool.file_of(self._state, path.removeprefix(_CONFIG))
        made = self._made().get(path)
        return made if made is not None else self._place(path).get(path)

    def _place(self, path: str) -> dict[str, str]:
        """What lies below /etc is on flash, the rest in memory."""
        return self._state.flash if path.startswith(_ETC) else self._state.scratch

    def write(self, path: str, text: str) -> bool:
        path = _real(path)
        if path.startswith(_CONFIG):
            try:
                uci_tool.write_file(self._state, path.removeprefix(_CONFIG), text)
            except UciError:
                return False
            return True
        if not path.startswith((TMP, _ETC)) or path in self._made():
            return False
        self._place(path)[path] = text
        return True

    def remove(self, path: str) -> bool:
        path = _real(path)
        place = self._place(path)
        gone = [item for item in place if item == path or item.startswith(f"{path.rstrip('/')}/")]
        for item in gone:
            del place[item]
        return bool(gone)

    def paths(self) -> list[str]:
        configs = [_CONFIG + name for name in uci_tool.package_names(self._state)]
        return sorted([*configs, *self._made(), *self._state.scratch, *self._state.flash])

    def is_config(self, path: str) -> bool:
        """Damage to configurations strikes a backup archive too."""
        return path.startswith(_CONFIG) or (_real(path) in self._state.scratch and _is_archive(self.read(path) or ""))

    def _made(self) -> dict[str, str]:
        state = self._state
        uptime = state.uptime
        return {
            "/etc/shadow": f"root:{shadow_hash(state.spec)}:19700:0:99999:7:::\n",
            "/etc/passwd": "root:x:0:0:root:/root:/bin/ash\nnobody:*:65534:65534:nobody:/var:/bin/false\n",
            "/etc/hostname": f"{hostname(state, self._board.nameless)}\n",
            "/proc/uptime": f"{uptime:.2f} {uptime * 0.93:.2f}\n",
            **self._board.files(state),
        }


def _real(path: str) -> str:
    return TMP + path.removeprefix("/var/") if path.startswith("/var/") else path


def _is_archive(text: str) -> bool:
    return as_bytes(text[:2]) == b"\x1f\x8b"


def _ubus(board: Board, state: DeviceState, call: Call) -> Reply:
    words = [word for word in call.words if word != "-S"]
    answers: dict[str, Callable[[], object]] = {
        "system board": lambda: board.system(state),
        "system info": lambda: {"localtime": int(state.clock().timestamp()), "uptime": int(state.uptime)},
    }
    if words[:1] == ["list"]:
        return Reply("network\nnetwork.device\nnetwork.interface\nservice\nsystem\nuci\n")
    answers["network.interface dump"] = lambda: uci_uplink.dump(UciStage(state).package("network"), state)
    packages = _packages(state)
    if uci_uplink.watching(packages.get("mwan3")):
        answers["mwan3 status"] = lambda: uci_uplink.balance(packages, state)
    answer = answers.get(" ".join(words[1:3])) if words[:1] == ["call"] else None
    if answer is None:
        return Reply(error="Command failed: Not found\n", status=4)
    short = {"separators": (",", ":")} if "-S" in call.words else {"indent": "\t"}
    return Reply(json.dumps(answer(), **short) + "\n")


def _uname(board: Board, state: DeviceState, call: Call) -> Reply:
    name = hostname(state, board.nameless)
    whole = f"Linux {name} {board.kernel} #0 SMP Mon Sep 23 12:34:46 2024 {board.machine} GNU/Linux"
    parts = {"-a": whole, "-n": name, "-r": board.kernel, "-m": board.machine}
    return Reply(parts.get(call.words[0] if call.words else "", "Linux") + "\n")


def _ping(state: DeviceState, call: Call) -> Reply:
    return uci_uplink.pinged(_packages(state), state, call)


def _nslookup(state: DeviceState, call: Call) -> Reply:
    return uci_uplink.resolved(_packages(state), state, call)


def _packages(state: DeviceState) -> dict[str, Package]:
    return parse_packages(state.running)


def _host(board: Board, state: DeviceState, _call: Call) -> Reply:
    return Reply(f"{hostname(state, board.nameless)}\n")


def _uci(state: DeviceState, call: Call) -> Reply:
    reply = uci_tool.run(state, call.words, call.stdin)
    shows = any(word in ("export", "show") for word in call.words[:3])
    return replace(reply, config=shows and reply.status == 0)


def _date(state: DeviceState, call: Call) -> Reply:
    now = state.clock()
    return Reply(f"{int(now.timestamp())}\n" if call.words == ["+%s"] else now.strftime("%a %b %e %H:%M:%S UTC %Y\n"))


def _done(_state: DeviceState, _call: Call) -> Reply:
    return Reply()


def _sysupgrade(state: DeviceState, call: Call) -> Reply:
    """`-l` lists what an upgrade keeps, `-b FILE` packs it, `-b -` prints the pack."""
    files = call.shell.files
    kept = [path for path in files.paths() if path.startswith(_CONFIG)] + ["/etc/passwd", "/etc/shadow"]
    if call.words[:1] == ["-l"]:
        return Reply("".join(f"{path}\n" for path in kept))
    if len(call.words) != 2 or call.words[0] not in ("-b", "--create-backup"):
        return Reply(error="Usage: sysupgrade [<upgrade-option>...] <image file or URL>\n", status=1)
    packed = _packed({path: files.read(path) or "" for path in kept}, int(state.changed_at.timestamp()))
    if call.words[1] == "-":
        return Reply(packed, config=True)
    lead = "Saving config files...\n"
    if not files.write(call.words[1], packed):
        return Reply(lead, f"tar: can't open '{call.words[1]}': Permission denied\n", 1)
    return Reply(lead)


def _packed(files: dict[str, str], changed: int) -> str:
    """A gzip of a tar, as text with surrogate escapes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, text in files.items():
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mtime, info.mode = len(as_bytes(text)), changed, 0o600
            archive.addfile(info, io.BytesIO(as_bytes(text)))
    return gzip.compress(packed.getvalue(), mtime=changed).decode("utf-8", "surrogateescape")


def _firstboot(state: DeviceState, call: Call) -> Reply:
    """Everything on flash goes with the next boot. Without `-y` it asks, and nobody answers on an exec channel."""
    if "-y" not in call.words:
        return Reply("This will erase all settings and remove any installed packages. Are you sure? [N/y]\n", status=1)
    state.flash[_GIVEN_UP] = ""
    return Reply("/dev/ubi0_1 is mounted as /overlay, only erasing files\n")


def _ifup(state: DeviceState, call: Call) -> Reply:
    """Only interfaces that are configured and not switched off are known to netifd."""
    network = UciStage(state).package("network")
    for name in call.words:
        section = network.find(name)
        if section is None or section.kind != "interface" or section.options.get("disabled") == "1":
            return Reply(error=f"Interface {name} not found\n", status=1)
    return Reply() if call.words else Reply(error="Usage: ifup [-a] [-w] [interface]\n", status=1)


_TOOLS: Mapping[str, BoardTool] = {
    "sh": busybox.sh, "ping": _ping, "nslookup": _nslookup, "start-stop-daemon": busybox.start_stop_daemon,
    "uci": _uci, "date": _date, "sysupgrade": _sysupgrade,
    "base64": busybox.base64_tool, "hexdump": busybox.hexdump_tool,
    "firstboot": _firstboot, "ifup": _ifup, "ifdown": _ifup, "/sbin/ifup": _ifup,
    "reload_config": _done, "/sbin/reload_config": _done, "wifi": _done, "logger": _done,
    "/etc/init.d/network": _done, "/etc/init.d/firewall": _done, "/etc/init.d/dnsmasq": _done,
    "/etc/init.d/system": _done, "/etc/init.d/snmpd": _done, "/etc/init.d/dropbear": _done,
}  # fmt: skip
_BOARD_TOOLS: Mapping[str, Callable[[Board, DeviceState, Call], Reply]] = {
    "ubus": _ubus, "uname": _uname, "hostname": _host,
}  # fmt: skip


def _shell(board: Board, state: DeviceState, name: str = "-ash") -> Shell:
    own: dict[str, Tool] = {word: functools.partial(tool, state) for word, tool in {**_TOOLS, **board.tools}.items()}
    own |= {word: functools.partial(tool, board, state) for word, tool in _BOARD_TOOLS.items()}
    if not board.has_base64(state):
        del own["base64"]
    return Shell(name, _BoxFiles(state, board), common_tools() | own)


class AshDialogue:
    """One terminal session in the shell."""

    echo = True
    single_key = False
    page_length = 0

    def __init__(self, board: Board, state: DeviceState) -> None:
        self._board = board
        self._state = state
        self._shell = _shell(board, state)

    @property
    def prompt(self) -> str:
        return _prompt(self._board, self._state)

    def greeting(self) -> str:
        return self._board.banner(self._state)

    def feed(self, line: str) -> Reply:
        return self._shell.run(line) if line.strip() else Reply()

    def control(self, key: str) -> Reply:
        return Reply(effect=Effect.CLOSE if key == "D" else Effect.NONE, status=self._shell.status)


def _prompt(board: Board, state: DeviceState) -> str:
    return f"root@{hostname(state, board.nameless)}:~# "


@dataclass(frozen=True)
class UciPersona:
    """A family made from OpenWrt, as the rest of the package wants it. make: the generated configuration's maker."""

    family: str
    summary: str
    board: Board
    make: Callable[[DeviceSpec], str]
    options: Mapping[str, str] = field(default_factory=dict)
    traits: Traits = field(default_factory=Traits)

    def factory_config(self, spec: DeviceSpec) -> str:
        return self.make(spec)

    def running_text(self, state: DeviceState) -> str:
        """What `uci export` prints, staged changes included as there."""
        return uci_tool.exported(state)

    def hostname(self, state: DeviceState) -> str:
        return hostname(state, self.board.nameless)

    def config_prompt(self, state: DeviceState) -> str:
        return _prompt(self.board, state)

    def dialogue(self, state: DeviceState) -> AshDialogue:
        return AshDialogue(self.board, state)

    def execute(self, state: DeviceState, command: str, stdin: str, /) -> Reply:
        return _shell(self.board, state, "ash").run(command, stdin)

    def booted(self, state: DeviceState, /) -> None:
        """As /etc/init.d/boot: every script in /etc/uci-defaults runs, and is gone once it has ended well. What was
        given up by `firstboot` is what the box came with again."""
        if _GIVEN_UP in state.flash:
            state.flash.clear()
            state.running = state.startup = self.factory_config(state.spec)
        shell = _shell(self.board, state, "sh")
        for path in [path for path in shell.files.paths() if path.startswith(_DEFAULTS)]:
            if not shell.run(shell.files.read(path) or "").status:
                shell.files.remove(path)

    def reads_stdin(self, command: str, /) -> bool:
        return bool(re.search(r"(?<![|] )\b(uci (-\w+ )*(import|batch)|cat( -)? *>)", command))

    def change(self, state: DeviceState, text: str) -> None:
        uci = uci_tool.UciTool(state)
        for line in text.splitlines():
            words = split_words(line)
            if words and uci.run(words[1:] if words[0] == "uci" else words).status:
                raise ValueError(f"uci refuses {line!r}")
        uci.run(["commit"])

    def sample_change(self, spec: DeviceSpec, number: int) -> str:
        host = 10 + spec.rng(f"change {number}").randrange(200)
        name = f"extra{number}"
        return (
            f"set firewall.{name}=redirect\nset firewall.{name}.src=wan\nset firewall.{name}.proto=tcp\n"
            f"set firewall.{name}.src_dport={10000 + number}\n"
            f"set firewall.{name}.dest_ip={make_site(spec).lan_net}.{host}"
        )

    def refusal(self, _command: str, /) -> Reply:
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

    def view(self, state: DeviceState, at: Surroundings) -> View:
        return uci(state, at)

    def login_forms(self, spec: DeviceSpec) -> tuple[str, ...]:
        return (spec.secrets.login,)
