"""A change of FRR's routes that a Linux router makes in one round trip, and the way back that is laid down before it.

Two folders. ``STORE``, on flash and written through: copies of all files and of what FRR runs, and the script that goes
back; at the strike it takes the place of ``KEPT`` in one rename. ``READY``, in memory: the lines for FRR, and the
checksums of all that they were made for; a restart loses it, and with it the change. Nobody reads either before.

The strike is one line of shell. It asks whether the box still runs and holds what it did, and has no way back open;
then renames, has timer and boot run the script, and gives FRR its lines. A mark behind each of the three says how far
it got. Nothing on flash changes what the box would start with until FRR saves, so the script's first line is all that
has to be written through in that moment.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Final, Literal

from cpe_manager.kit.linux.change import FRR_CHANGES, TODO
from cpe_manager.kit.linux.guard import (
    KEPT,
    NAMES,
    READY,
    STORE,
    Links,
    at_boot,
    telling,
    timer,
    way_back,
    writing,
)

_WRITTEN: Final = re.compile(rf"umask 077; printf '%s\\n' (.*) >{re.escape(FRR_CHANGES)}")
_REST: Final = (f"vtysh -C -f {FRR_CHANGES}", f"vtysh -f {FRR_CHANGES}", f"rm -f {FRR_CHANGES} {TODO}")
_CONF: Final = "/etc/frr/frr.conf"
_SHOW: Final = "vtysh -c 'show running-config no-header'"
_END: Final = 'echo "cpe-manager $?"'
_CHECKED, _ARMED, _APPLIED = (f"cpe-manager {word}" for word in ("checked", "armed", "applied"))
_SOCKETS: Final = "/run/frr"
# Without a file: what each daemon runs. With one: its lines, as one change; what a daemon says to them is printed, and
# the status is 1 when it has refused any. An answer ends in three NULs and a status.
_SPEAK: Final = f"""\
use strict; use Socket;
sub dial {{
  my $s; socket($s, PF_UNIX, SOCK_STREAM, 0) && connect($s, sockaddr_un($_[0])) or die "$_[0]: $!\\n"; $s;
}}
sub ask {{
  my ($s, $line) = @_; my $said = ""; alarm 5; syswrite($s, "$line\\0");
  until ($said =~ s/\\0\\0\\0(.)\\z//s) {{ sysread($s, $said, 65536, length $said) or die "$line: no answer\\n" }}
  return (ord $1, $said);
}}
if (!@ARGV) {{
  for my $path (sort <{_SOCKETS}/*.vty>) {{
    my $s = dial($path); ask($s, "enable"); my ($status, $text) = ask($s, "write terminal");
    die "$path: $text\\n" if $status; print "$path\\n$text";
  }}
  exit 0;
}}
open(my $file, "<", $ARGV[0]) or die "$ARGV[0]: $!\\n"; chomp(my @lines = <$file>); my $bad = 0;
my $s = dial("{_SOCKETS}/staticd.vty");
for ("enable", "configure terminal", "XFRR_start_configuration", @lines, "XFRR_end_configuration", "end") {{
  my ($status, $said) = ask($s, $_); $bad = 1 if $status; print $said;
}}
exit $bad;
"""
Stage = Literal["nothing", "checked", "armed", "applied"]


def frr_alone(commands: Sequence[str]) -> tuple[str, ...] | None:
    """FRR's lines in a script that touches nothing but FRR; None for any other."""
    found = _WRITTEN.fullmatch(commands[0]) if commands else None
    return tuple(shlex.split(found[1])) if found and tuple(commands[1:]) == _REST else None


def preparing(lines: Sequence[str], back: Sequence[str] | None, files: Sequence[str], links: Links) -> Iterator[str]:
    """Shell lines behind ``guard.keeping`` into ``STORE``. ``back``: FRR's lines that undo ``lines``, the short way;
    what FRR does not run again after them is brought back the long way."""
    script = list(way_back(files, links))
    if back:
        yield from writing(f"{STORE}/speak", _SPEAK)
        yield from writing(f"{STORE}/back", "\n".join(back))
        short = f"[ -e {KEPT}/direct ] && perl {KEPT}/speak {KEPT}/back || vtysh -f {KEPT}/back"
        yield from writing(f"{STORE}/shortly", short)
        script.insert(0, f'[ "$1" = boot ] || sh {KEPT}/shortly >/dev/null 2>&1')
    yield from writing(f"{STORE}/way", "\n".join(script))
    yield from writing(f"{STORE}/tell", "\n".join(telling(links)))
    # Nobody is armed: what still lies there is of one who was.
    yield f"umask 077; rm -rf {READY} {KEPT}; mkdir -p {READY}; {_END}"
    yield from writing(f"{READY}/speak", _SPEAK)
    yield from writing(f"{READY}/changes", "\n".join(lines))
    yield f"cp -p {STORE}/names {STORE}/frr {READY} && sha256sum {' '.join(map(quote, files))} >{READY}/sums; {_END}"
    yield f"[ ! -e {_CONF} ] || sha256sum {_CONF} >>{READY}/sums; {_END}"
    yield f"vtysh -C -f {READY}/changes; {_END}"


DIRECTLY: Final = (
    f"umask 077; [ -e {STORE}/back ] && [ ! -e {_SOCKETS}/mgmtd.vty ] && "
    f"perl {READY}/speak >{READY}/told 2>/dev/null && [ -s {READY}/told ] && {_SHOW} | cmp -s - {READY}/frr && "
    f': >{STORE}/direct && echo yes; echo "cpe-manager 0"'
)
"""Whether FRR's daemons can be spoken to without vtysh, and what they say that they run: prints ``yes``."""


def finishing(name: str) -> str:
    """What was made is on flash before anybody may make use of it."""
    return f"sync && : >{READY}/{name}; {_END}"


def striking(name: str, token: str, seconds: int, *, systemd: bool, directly: bool) -> str:
    """The strike."""
    same = f"perl {READY}/speak | cmp -s - {READY}/told" if directly else f"{_SHOW} | cmp -s - {READY}/frr"
    checks = (
        f"[ -e {READY}/{name} ] && [ ! -e {KEPT} ] && sha256sum -c --status {READY}/sums && "
        f"{NAMES} | cmp -s - {READY}/names && {same} && echo '{_CHECKED}'"
    )
    arms = (
        f"umask 077 && mv {STORE} {KEPT} && echo '# cpe-manager {token}' >{KEPT}/undo && "
        f"echo 'sh {KEPT}/way $1' >>{KEPT}/undo && sync {KEPT}/undo {KEPT} && "
        f"{at_boot(systemd)} && {timer(seconds, systemd)} && echo '{_ARMED}'"
    )
    told = f"perl {READY}/speak {READY}/changes" if directly else f"vtysh -f {READY}/changes"
    return f"{checks} && {arms} && {told} && echo '{_APPLIED}'; {_END}; rm -rf {READY}"


@dataclass(frozen=True, slots=True)
class Struck:
    """How far a strike got, and what FRR said to its lines."""

    stage: Stage
    said: str


def struck(printed: str) -> Struck | None:
    """Judge the answer to ``striking``; None when its end is missing."""
    lines = printed.splitlines()
    if not lines or not re.fullmatch(r"cpe-manager \d+", lines[-1]):
        return None
    if _CHECKED not in lines:
        return Struck("nothing", "")
    if _ARMED not in lines:
        return Struck("checked", "")
    said = "\n".join(line for line in lines[lines.index(_ARMED) + 1 : -1] if line and line != _APPLIED)
    return Struck("applied" if _APPLIED in lines else "armed", said)
