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
from collections.abc import Iterator, Sequence
from typing import Final

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete, ForeignText
from cpe_manager.kit.config_text import checked, last_lines
from cpe_manager.kit.redaction import REMOVED
from cpe_manager.kit.uci import packages_of

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
    return _without_logins(text), name


def _without_logins(text: str) -> str:
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
