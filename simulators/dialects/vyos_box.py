"""What a VyOS box remembers and does, whoever asks: running and saved configuration, revisions, commit-confirm."""

from __future__ import annotations

import functools
from datetime import timedelta

from simulators.dialects.vyos_config import Tree, boot_text, compared, exists, parse_set_lines, set_lines, value
from simulators.dialects.vyos_schema import Schema, schema_of
from simulators.dialects.vyos_verify import complaints
from simulators.state import Alarm, DeviceState

ARCHIVE = "/config/archive/"
BOOT = "/config/config.boot"
LOCK = "/opt/vyatta/config/.lock"
"""As long as this exists in the box's scratch space, somebody else's commit is in progress."""
CONFIRM = "commit-confirm"
REBOOT = "reboot"
_LOG = f"{ARCHIVE}commits"
_VERSIONS = (
    "bgp@5:broadcast-relay@1:cluster@2:config-management@1:conntrack@5:conntrack-sync@2:dhcp-relay@2:dhcp-server@{dhcp}:"
    "dns-forwarding@4:firewall@15:https@6:interfaces@32:ipsec@13:nat@8:ntp@3:pppoe-server@10:quagga@11:snmp@3:ssh@2:"
    "system@27:vrrp@4"
)
_FULL = {"1.4": "1.4.0", "1.5": "1.5-rolling-202410210007"}


def release(state: DeviceState) -> str:
    """`1.4` or `1.5`."""
    return state.spec.options.get("release", "1.4")


def full_release(state: DeviceState) -> str:
    return _FULL[release(state)]


def schema(state: DeviceState) -> Schema:
    return schema_of(release(state))


def running(state: DeviceState) -> Tree:
    return parse_set_lines(state.running)


def hostname(state: DeviceState) -> str:
    head = "set system host-name '"
    place = state.running.find(head)
    if place < 0:
        return "vyos"
    return state.running[place + len(head) : state.running.index("'", place + len(head))]


def boot_file(state: DeviceState, lines: str) -> str:
    """A configuration, given as set lines, as a file on the box: curly form and the footer with all versions."""
    versions = _VERSIONS.format(dhcp=8 if release(state) == "1.4" else 11)
    return (
        f"{boot_text(parse_set_lines(lines), schema(state))}\n"
        f"// Warning: Do not remove the following line.\n"
        f'// vyos-config-version: "{versions}"\n'
        f"// Release version: {full_release(state)}\n"
    )


def commit(state: DeviceState, new: Tree, *, who: str, comment: str = "commit", archive: bool = True) -> str:
    """Make a configuration the running one, as far as the parts' owners take it. Returns what the box prints: nothing
    when all of it was taken."""
    old = running(state)
    said: list[str] = []
    refused: dict[str, str] = {}
    for path, why in complaints(new, release(state)):
        refused.setdefault(path, why)
    for path, why in refused.items():
        said.append(f"{why}\n\n[[{path}]] failed\n")
        new = _with_part_of(old, new, path.split())
    if said:
        said.append("Commit failed\n")
    text = set_lines(new)
    if text != state.running:
        state.replace_running(text, who)
        if archive:
            keep_revision(state, who, comment)
    return "".join(said)


def _with_part_of(old: Tree, new: Tree, path: list[str]) -> Tree:
    """`new`, but below `path` as `old` is."""
    head, *rest = path
    kept = dict(new)
    left, right = old.get(head), new.get(head)
    if rest:
        below = _with_part_of(left if isinstance(left, dict) else {}, right if isinstance(right, dict) else {}, rest)
        kept[head] = below
        if not below:
            del kept[head]
    elif left is None:
        kept.pop(head, None)
    else:
        kept[head] = left
    return kept


def keep_revision(state: DeviceState, who: str, comment: str) -> None:
    """Number 0 is the newest; as many are kept as `commit-revisions` says."""
    most = int(value(running(state), "system config-management commit-revisions") or 0)
    old = [revision(state, number) for number in range(revisions(state))]
    for number, text in enumerate([state.running, *old][:most]):
        state.flash[f"{ARCHIVE}config.boot.{number}.gz"] = text
    stamp = state.clock().strftime("%Y-%m-%d %H:%M:%S")
    log = ["|".join((stamp, who, "cli", comment.replace("|", "%%"))), *state.flash.get(_LOG, "").splitlines()]
    state.flash[_LOG] = "".join(f"{line}\n" for line in log[:most])


def revisions(state: DeviceState) -> int:
    return sum(path.startswith(f"{ARCHIVE}config.boot.") for path in state.flash)


def revision(state: DeviceState, number: int) -> str:
    """The set lines of a revision. Raises KeyError when there is none of that number."""
    return state.flash[f"{ARCHIVE}config.boot.{number}.gz"]


def commit_log(state: DeviceState) -> str:
    """A table without lines: number, time, `by` whom, `via` what; a comment of one's own in a row below."""
    rows: list[tuple[str, ...]] = []
    for number, line in enumerate(state.flash.get(_LOG, "").splitlines()):
        stamp, who, via, comment = line.split("|")
        rows.append((str(number), stamp, f"by {who}", f"via {via}"))
        if comment != "commit":
            rows.append(("", comment.replace("%%", "|"), "", ""))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    return "".join(
        f"{row[0]:>{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]}".rstrip() + "\n" for row in rows
    )


def differs_from_saved(state: DeviceState) -> str:
    """What `compare saved` prints for the running configuration; empty when it is the saved one."""
    return compared(parse_set_lines(state.startup), running(state), schema(state))


def reloads(state: DeviceState) -> bool:
    """Whether what nobody confirms is undone by a reload, not by a restart: 1.5, if it is configured so."""
    return value(running(state), "system config-management commit-confirm") == "reload"


def start_confirm(state: DeviceState, minutes: int) -> None:
    """Start the timer that undoes what nobody confirms."""
    if reloads(state):
        act = functools.partial(_reload, lines=state.running)
        alarm = Alarm(state.clock() + timedelta(minutes=minutes), act)
    else:
        alarm = Alarm(state.clock() + timedelta(minutes=minutes), _nothing, restart=True)
    state.set_alarm(CONFIRM, alarm)


def _nothing(_state: DeviceState) -> None:
    """A restart brings the saved configuration back by itself."""


def _reload(state: DeviceState, lines: str) -> None:
    state.replace_running(lines, "root")


def restart_in(state: DeviceState, minutes: int) -> None:
    state.set_alarm(REBOOT, Alarm(state.clock() + timedelta(minutes=minutes), _nothing, restart=True))


def has(state: DeviceState, path: str) -> bool:
    return exists(running(state), path.split())
