"""A change of FRR's routes that a Linux router makes in one round trip, and the way back that is laid down before it.

Two folders, with the digest of what was prepared behind their names. ``STORE``, on flash and written through: copies
of all files and of what FRR runs, and the script that goes back; at the strike it takes the place of ``KEPT`` in one
rename. ``READY``, in memory: the lines for FRR, and the checksums of all that they were made for; a restart loses it,
and with it the change. Nobody reads either before.
Preparing takes away what was prepared before, and nothing else: somebody may be arming the box at that moment.

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
    PLACES,
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
# `print`: what each daemon runs, which files there are, and what is in them. `same FILE`: whether that is what it was.
# `tell FILE`: lines for FRR, as one change; what is said to them is printed, and the status is 1 when any was refused.
# An answer of a daemon's ends in three NULs and a status.
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
sub slurp {{ open(my $file, "<", $_[0]) or return ""; local $/; my $text = <$file>; defined $text ? $text : "" }}
sub all {{
  my $all = "";
  for my $path (sort <{_SOCKETS}/*.vty>) {{
    my $s = dial($path); ask($s, "enable"); my ($status, $text) = ask($s, "write terminal");
    die "$path: $text\\n" if $status; $all .= "$path\\n$text";
  }}
  for my $path (sort grep {{ -e }} glob("{" ".join(PLACES)} {_CONF}")) {{
    $all .= "$path\\n" . (-f $path ? slurp($path) : "");
  }}
  return $all;
}}
my ($verb, $path) = @ARGV;
if ($verb eq "print") {{ print all(); exit 0 }}
if ($verb eq "same") {{ exit(all() eq slurp($path) ? 0 : 1) }}
my $s = dial("{_SOCKETS}/staticd.vty"); my $bad = 0;
my @lines = ("XFRR_start_configuration", split(/\\n/, slurp($path)), "XFRR_end_configuration");
for ("enable", "configure terminal", @lines, "end") {{
  my ($status, $said) = ask($s, $_); $bad = 1 if $status; print $said;
}}
exit $bad;
"""
Stage = Literal["nothing", "checked", "armed", "applied"]


def frr_alone(commands: Sequence[str]) -> tuple[str, ...] | None:
    """FRR's lines in a script that touches nothing but FRR; None for any other."""
    found = _WRITTEN.fullmatch(commands[0]) if commands else None
    return tuple(shlex.split(found[1])) if found and tuple(commands[1:]) == _REST else None


def store(digest: str) -> str:
    return f"{STORE}.{digest}"


def ready(digest: str) -> str:
    return f"{READY}.{digest}"


def preparing(
    digest: str, lines: Sequence[str], back: Sequence[str] | None, files: Sequence[str], links: Links
) -> Iterator[str]:
    """Shell lines behind ``guard.keeping`` into ``store``. ``back``: FRR's lines that undo ``lines``, the short way;
    what FRR does not run again after them is brought back the long way."""
    script, kept, volatile = list(way_back(files, links)), store(digest), ready(digest)
    if back:
        yield from writing(f"{kept}/speak", _SPEAK)
        yield from writing(f"{kept}/back", "\n".join(back))
        short = f"[ -e {KEPT}/direct ] && perl {KEPT}/speak tell {KEPT}/back || vtysh -f {KEPT}/back"
        yield from writing(f"{kept}/shortly", short)
        script.insert(0, f'[ "$1" = boot ] || sh {KEPT}/shortly >/dev/null 2>&1')
    yield from writing(f"{kept}/way", "\n".join(script))
    yield from writing(f"{kept}/tell", "\n".join(telling(links)))
    yield f"umask 077; mkdir -p {volatile}; {_END}"
    yield from writing(f"{volatile}/speak", _SPEAK)
    yield from writing(f"{volatile}/changes", "\n".join(lines))
    sums = f"{volatile}/sums"
    yield f"cp -p {kept}/names {kept}/frr {volatile} && sha256sum {' '.join(map(quote, files))} >{sums}; {_END}"
    yield f"[ ! -e {_CONF} ] || sha256sum {_CONF} >>{sums}; {_END}"
    yield f"vtysh -C -f {volatile}/changes; {_END}"


def directly(digest: str) -> str:
    """Whether FRR's daemons can be spoken to without vtysh, and what they say that they run: prints ``yes``."""
    kept, volatile = store(digest), ready(digest)
    return (
        f"umask 077; [ -e {kept}/back ] && [ ! -e {_SOCKETS}/mgmtd.vty ] && perl {volatile}/speak print "
        f">{volatile}/told 2>/dev/null && [ -s {volatile}/told ] && {_SHOW} | cmp -s - {volatile}/frr && "
        f"sha256sum -c --status {volatile}/sums && {NAMES} | cmp -s - {volatile}/names && "
        f': >{kept}/direct && echo yes; echo "cpe-manager 0"'
    )


def finishing(name: str) -> str:
    """What was made is on flash before anybody may make use of it, and all of it is there; nobody has armed the box
    meanwhile. ``name``: two letters and the digest."""
    kept, volatile = store(name[2:]), ready(name[2:])
    return (
        f"[ ! -e {KEPT} ] || echo 'a way back was laid down there meanwhile, or one was broken off'; "
        f"[ ! -e {KEPT} ] && [ -e {kept}/way ] && [ -e {volatile}/changes ] && sync && : >{volatile}/{name}; {_END}"
    )


def striking(name: str, token: str, seconds: int, *, systemd: bool, directly: bool) -> str:
    """The strike."""
    kept, volatile = store(name[2:]), ready(name[2:])
    # To start a program costs as much as what most of them do here.
    same = (
        f"perl {volatile}/speak same {volatile}/told"
        if directly
        else f"sha256sum -c --status {volatile}/sums && {NAMES} | cmp -s - {volatile}/names && "
        f"{_SHOW} | cmp -s - {volatile}/frr"
    )
    checks = f"[ -e {volatile}/{name} ] && [ ! -e {KEPT} ] && {same} && echo '{_CHECKED}'"
    arms = (
        f"umask 077 && echo '# cpe-manager {token}' >{kept}/undo && echo 'sh {KEPT}/way $1' >>{kept}/undo && "
        f"mv -T {kept} {KEPT} && sync {KEPT}/undo {KEPT} && "
        f"{at_boot(systemd)} && {timer(seconds, systemd)} && echo '{_ARMED}'"
    )
    told = f"perl {volatile}/speak tell {volatile}/changes" if directly else f"vtysh -f {volatile}/changes"
    return f"{checks} && {arms} && {told} && echo '{_APPLIED}'; {_END}; rm -rf {volatile}"


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
