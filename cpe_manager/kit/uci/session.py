"""What is typed into the shell of a box with UCI, and how its answers are judged. Pure: the drivers do the typing.

Every line ends with a mark that carries the status, so that an answer without it is known to be a part.

Changes are staged in a directory of our own (``uci -t``), as rpcd does for its sessions: ``uci export`` never shows a
change that nobody committed, and a session that is cut leaves nothing behind that takes effect. The box's own stage
(``/tmp/.uci``) libuci reads in any case, so what somebody has staged there would be committed with ours: ``PENDING``
has to be empty first.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete, ForeignText
from cpe_manager.kit.config_text import checked, last_lines
from cpe_manager.kit.redaction import REMOVED
from cpe_manager.kit.uci.language import packages_of

_NAME: Final = "system.@system[0].hostname"
EXPORT: Final = f'uci export && uci export | sha256sum && uci get {_NAME}; echo "cpe-manager $?"'
"""The configuration, its checksum as the box computes it from a second export, and the box's name."""
_MARK: Final = "cpe-manager "
_DIGEST: Final = re.compile(r"([0-9a-f]{64}) +(\S+)")
_RPCD: Final = re.compile(r"^package rpcd\n(?:(?!package ).*\n)*", re.MULTILINE)
_LOGIN_SECTION: Final = re.compile(r"\nconfig login\b.*\n(?:(?!config |package ).*\n)*")
# `$p$name` refers to an account of /etc/shadow and is no password.
_LOGIN_PASSWORD: Final = re.compile(r"(\n[ \t]+option password )'(?!\$p\$)(?:[^'\n]|'\\'')*'")
_NAME_OPTION: Final = re.compile(r"\n[ \t]+option hostname '([^'\n]*)'\n")

STAGE: Final = "/var/run/cpe-manager.uci"
PENDING: Final = 'uci changes; echo "cpe-manager $?"'
"""What somebody else has staged: a commit of ours must not stand on it."""
_STARTED: Final = re.compile(r"uci (?:delete network\.(?P<plain>\w+)\.auto|set network\.(?P<on>\w+)\.auto='1')")
SYNC: Final = 'sync; echo "cpe-manager $?"'
CLEAN: Final = f"rm -rf {STAGE}"
# dropbear takes 9,000 bytes in one request; older ones less. Far below, a batch is also short of any time-out.
_BATCH_BYTES: Final = 4_000
_BATCH_COMMANDS: Final = 40

_ARCHIVE: Final = "/var/run/cpe-manager.tgz"
# Few builds of BusyBox have base64, all that we know have hexdump: the one steps in for the other.
ARCHIVE: Final = (
    f"umask 077; sysupgrade -b {_ARCHIVE} >/dev/null && sha256sum {_ARCHIVE} && base64 {_ARCHIVE} "
    f'|| hexdump -v -e \'1/1 "%02x"\' {_ARCHIVE}; echo "cpe-manager $?"; rm -f {_ARCHIVE}'
)
"""All files that the box itself would keep over an upgrade, as text, with their checksum."""
_ARCHIVE_MOST: Final = 64 * 1024 * 1024


UNDO: Final = "/etc/uci-defaults/zz-cpe-manager"
"""The way back, as a script. It lies where OpenWrt runs scripts at the next boot, before the network comes up, and a
timer runs it while the box is up: so neither a restart nor a lost path keeps a change that nobody confirmed."""
_KEPT: Final = "/etc/cpe-manager.before"
_TIMER: Final = "/var/run/cpe-manager.pid"
_NOTE: Final = re.compile(r"^# cpe-manager ([0-9a-z]+)$", re.MULTILINE)
KEEP: Final = f'umask 077; uci export > {_KEPT} && sha256sum {_KEPT} && uci export | sha256sum; echo "cpe-manager $?"'
ARMED: Final = f'[ -e {UNDO} ] && cat {UNDO}; echo "cpe-manager 0"'
DISARM: Final = (
    f"rm -f {UNDO} {_KEPT}; start-stop-daemon -K -q -p {_TIMER} 2>/dev/null; "
    f'rm -f {_TIMER}; sync; echo "cpe-manager $?"'
)
GO_BACK: Final = (
    f"start-stop-daemon -K -q -p {_TIMER} 2>/dev/null; sh {UNDO}; "
    'start-stop-daemon -S -b -x /bin/sh -- -c "sleep 1; reload_config"; echo "cpe-manager $?"'
)
"""The services are told behind us, for that may cut our own session."""
RESET: Final = (
    "firstboot -y >/dev/null && sync && "
    'start-stop-daemon -S -b -x /bin/sh -- -c "sleep 1; reboot"; echo "cpe-manager $?"'
)
"""What is on flash is given up with the next boot, which is at once: the way back of a promise with it."""
REBOOT: Final = 'sync; start-stop-daemon -S -b -x /bin/sh -- -c "sleep 1; reboot"; echo "cpe-manager $?"'
INCOMING: Final = "/var/run/cpe-manager.new"
IMPORT: Final = (
    f'cat {INCOMING} | uci import && rm -f {INCOMING} && sync && reload_config; echo "cpe-manager $?"; rm -f {INCOMING}'
)


def committed(packages: Iterable[str]) -> str:
    """The shell line that prints the files of these packages, each below a line that names it. Files hold what was
    committed: every verb of ``uci`` looks through what is staged."""
    each = " && ".join(f"echo && echo 'package {name}' && cat /etc/config/{name}" for name in packages)
    return f'{each}; echo "cpe-manager $?"'


def kept_whole(printed: str) -> bool:
    """Judge the answer to ``KEEP``: what lies on flash is what a second export gives."""
    digests = {line.split()[0] for line in printed.splitlines() if _DIGEST.fullmatch(line)}
    return len(digests) == 1 and len(printed.splitlines()) == 2


def arming(token: str, seconds: int) -> str:
    """The shell line that lays down the way back and starts its timer."""
    script = f"'# cpe-manager {token}' 'cat {_KEPT} | uci import && rm -f {_KEPT} {UNDO}'"
    timer = f'start-stop-daemon -S -b -m -p {_TIMER} -x /bin/sh -- -c "sleep {seconds}; sh {UNDO}; reload_config"'
    return f"printf '%s\\n' {script} > {UNDO} && sync && {timer}; echo \"cpe-manager $?\""


def token_of(printed: str) -> str | None:
    """The token in a way back that lies there; empty when it is not one of ours, None when there is none."""
    if not printed.strip():
        return None
    found = _NOTE.search(printed)
    return found.group(1) if found else ""


def uploading(text: str) -> Iterator[str]:
    """Shell lines that write a text into ``INCOMING``, and a last one that prints its checksum."""
    yield f'umask 077; rm -f {INCOMING}; : > {INCOMING}; echo "cpe-manager $?"'
    batch: list[str] = []
    for line in text.splitlines():
        quoted = "'" + line.replace("'", "'\\''") + "'"
        if batch and sum(map(len, batch)) + len(quoted) > _BATCH_BYTES:
            yield _appending(batch)
            batch = []
        batch.append(quoted)
    yield _appending(batch)
    yield f'sha256sum {INCOMING}; echo "cpe-manager $?"'


def _appending(quoted: list[str]) -> str:
    return f"printf '%s\\n' {' '.join(quoted)} >> {INCOMING}; echo \"cpe-manager $?\""


def with_own_logins(text: str, raw: str) -> str:
    """A stored configuration with the box's present log-in passwords where its own were taken out (§5.2.1.3). What the
    box has no password for loses the option: an account without one is better than one with a marker."""
    own = {place: line for place, line in placed(raw) if line.lstrip().startswith("option ")}
    kept = []
    for place, line in placed(text):
        if REMOVED not in line:
            kept.append(line)
        elif place in own:
            kept.append(own[place])
    return "\n".join(kept) + "\n"


def placed(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each line with its place: package, section (by its name, else by its number among its kind) and option."""
    package, section, numbers = "", "", dict[str, int]()
    for line in text.splitlines():
        words = line.split(None, 2)
        if words[:1] == ["package"]:
            package, section, numbers = words[1], "", {}
        elif words[:1] == ["config"]:
            number = numbers[words[1]] = numbers.get(words[1], -1) + 1
            section = f"{words[1]} {words[2]}" if len(words) > 2 else f"{words[1]} #{number}"
        yield (package, section, words[1] if len(words) > 1 else ""), line


def raw_export(stdout: str) -> str:
    """The configuration in an answer to ``EXPORT`` that was accepted, with everything in it."""
    return stdout[: stdout.rindex(_digest_line(stdout))]


def _digest_line(stdout: str) -> str:
    return next(line for line in reversed(stdout.splitlines()) if _DIGEST.fullmatch(line))


def hostname(text: str) -> str | None:
    """The box's name in a whole configuration."""
    start = 0 if text.startswith("package system\n") else text.find("\npackage system\n")
    if start < 0:
        return None
    end = text.find("\npackage ", start + 1)
    found = _NAME_OPTION.search(text, start, len(text) if end < 0 else end)
    return found.group(1) if found else None


def accepted_export(stdout: str, stderr: str, exit_status: int | None) -> tuple[str, str]:
    """Configuration and name out of the answer to ``EXPORT``, log-in passwords taken out.

    Raises ``CommandRefused``, ``FetchIncomplete`` or ``ForeignText``.
    """
    mark, *before = last_lines(stdout, 3)
    status = mark[len(_MARK) :] if mark.startswith(_MARK) else ""
    if status not in ("", "0") or exit_status not in (0, None):
        raise CommandRefused(f"`uci export` ended with status {status or exit_status}: {_reason(stderr)}")
    digest = _DIGEST.fullmatch(before[1]) if len(before) == 2 else None
    if status != "0" or digest is None or digest.group(2) != "-" or exit_status is None:
        raise FetchIncomplete("the end mark behind the configuration is missing")
    exported = stdout[: stdout.rindex(digest.group())]
    text, name = checked(exported), before[0]
    written = hostname(text)
    if written is not None and written != name:
        raise ForeignText(f"the configuration is of {written}, not of {name}")
    if hashlib.sha256(exported.encode()).hexdigest() != digest.group(1):
        raise FetchIncomplete("the checksum is not the one that the device computed")
    return without_logins(text), name


def without_logins(text: str) -> str:
    """Which ``option password`` is a log-in's (rpcd) and which a customer's (PPP, accounts of a VPN server, which are
    sections named ``login`` too), package and section tell and not the line: so these are taken out here, where both
    are known; line rules do the rest (§5.2.1.3)."""
    return _RPCD.sub(lambda package: _LOGIN_SECTION.sub(_without_password, package.group()), text)


def _without_password(section: re.Match[str]) -> str:
    return _LOGIN_PASSWORD.sub(rf"\1'{REMOVED}'", section.group())


def _reason(stderr: str) -> str:
    return stderr.strip().partition("\n")[0][:200] or "no reason given"


def answer(stdout: str, stderr: str, what: str) -> str:
    """What a line with a mark printed before it. Raises ``CommandRefused`` for any status but 0, ``FetchIncomplete``
    when the mark is missing."""
    printed, mark, status = stdout.rpartition(_MARK)
    if not mark or not status.strip().isdecimal():
        raise FetchIncomplete(f"{what}: the end mark is missing")
    if status.strip() != "0":
        raise CommandRefused(f"{what} ended with status {status.strip()}: {_reason(stderr)}")
    return printed


def staging(commands: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Shell lines that stage the commands, each with the number of commands before it. Every command counts aloud once
    it is done, and the first that fails ends its line."""
    start = 0
    while start < len(commands):
        line, end = "", start
        while end < len(commands) and end - start < _BATCH_COMMANDS:
            more = f"uci -t {STAGE} {commands[end].removeprefix('uci ')} && echo {end + 1} && "
            if line and len(line) + len(more) > _BATCH_BYTES:
                break
            line, end = line + more, end + 1
        yield start, f'{line}true; echo "cpe-manager $?"'
        start = end


def staged(stdout: str, stderr: str, before: int, commands: Sequence[str]) -> None:
    """Judge the answer to a line of ``staging``. The refused command is named by what it changes, never by its value.

    Raises ``CommandRefused`` or ``FetchIncomplete``.
    """
    done = [line for line in stdout.split("\n") if line.isdecimal()]
    reached = int(done[-1]) if done else before
    what = commands[reached].partition("=")[0] if reached < len(commands) else "the last line"
    answer(stdout, stderr, f"`{what}`")


def commit(commands: Sequence[str]) -> str:
    """The shell line that commits what was staged, package by package."""
    each = " && ".join(f"uci -t {STAGE} commit {package}" for package in packages_of(commands))
    return f'{each}; echo "cpe-manager $?"; {CLEAN}'


def reload(commands: Sequence[str]) -> str:
    """The shell line that brings into effect what was committed: every daemon is told whose packages changed, and an
    interface that comes up by itself from now on is started, which netifd leaves to its next start."""
    started = [match["plain"] or match["on"] for match in map(_STARTED.fullmatch, commands) if match]
    starts = "".join(f" && ifup {name}" for name in dict.fromkeys(started))
    return f'reload_config{starts}; echo "cpe-manager $?"'


def commit_apart(commands: Sequence[str]) -> str:
    """The shell line that commits what was staged and has it brought into effect a moment later, behind us: our own
    session may end by that."""
    each = " && ".join(f"uci -t {STAGE} commit {package}" for package in packages_of(commands))
    effect = reload(commands).partition(";")[0]
    behind = f'start-stop-daemon -S -b -x /bin/sh -- -c "sleep 1; {effect}"'
    return f'{each} && {behind}; echo "cpe-manager $?"; {CLEAN}'


def accepted_archive(stdout: str, stderr: str) -> tuple[bytes, str]:
    """The archive out of the answer to ``ARCHIVE``, and its SHA-256 in hexadecimal digits.

    It is taken when it is what the box computed the checksum of, unpacks to its end, and holds the box's configuration.
    Raises ``CommandRefused`` or ``FetchIncomplete``.
    """
    printed = answer(stdout, stderr, "`sysupgrade -b`").strip()
    head, _, body = printed.partition("\n")
    digest = _DIGEST.fullmatch(head.strip())
    if digest is None or not body:
        raise CommandRefused(f"`sysupgrade -b` gave no archive: {_reason(stderr)}")
    content = _decoded("".join(body.split()))
    if hashlib.sha256(content).hexdigest() != digest.group(1):
        raise FetchIncomplete("the archive's checksum is not the one that the device computed")
    _unpacked(content)
    return content, digest.group(1)


def _decoded(body: str) -> bytes:
    # gzip begins with 1f 8b: in base64 that is `H4s`, so the two forms cannot be taken for one another.
    try:
        return bytes.fromhex(body) if body.startswith("1f8b") else base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error) as error:
        raise FetchIncomplete("the archive is damaged: neither base64 nor hexadecimal") from error


def _unpacked(content: bytes) -> None:
    """Raises ``FetchIncomplete`` for what is no whole gzip of a tar with files of ``etc/config``."""
    try:
        unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        tar = unpacker.decompress(content, _ARCHIVE_MOST)
        if not unpacker.eof:
            raise FetchIncomplete("the archive does not unpack to its end")
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as archive:
            names = archive.getnames()
    except (zlib.error, tarfile.TarError, EOFError) as error:
        raise FetchIncomplete("the archive does not unpack") from error
    if not any(name.lstrip("./").startswith("etc/config/") for name in names):
        raise FetchIncomplete("the archive holds no configuration")
