"""What a device family is to the rest: a frozen SPEC and a few verbs over a shell."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from cpe_manager.domain.failover.lines import Carrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.push.probes import LineState
from cpe_manager.domain.replacement.interface_names import Interfaces
from cpe_manager.ports.line_oids import NET_SNMP, LineOids
from cpe_manager.ports.shell import Credential, Shell

RollbackStyle = Literal["none", "confirm-timer", "replace-timer", "safe-mode", "scheduled-script", "reload"]
"""How a family takes back what nobody confirms: its own commit-confirm (``confirm-timer``), a replacing of the whole
configuration with a timer, a session whose end undoes, a script that we leave behind on a timer, or a restart."""
Dialect = Literal["indented", "uci", "path", "set", "lines"]
"""The form of the text: blocks by indentation, UCI packages, RouterOS paths, ``set`` lines, or just lines."""
SecretKind = Literal["login", "snmp", "wifi", "ppp", "key", "other"]


@dataclass(frozen=True, slots=True)
class SecretRule:
    """A secret in a configuration line. The named group ``secret`` of ``pattern`` is the secret itself.

    ``kind == "login"`` is the device's own log-in password: it never enters a backup, sealed or not (§5.2.1.3).
    All other kinds stay in the sealed original and are masked in the redacted view. Patterns are compiled with
    ``re.MULTILINE`` and match within one line.
    """

    pattern: re.Pattern[str]
    kind: SecretKind


@dataclass(frozen=True, slots=True)
class Recognition:
    """What gives a family away, before and after log-in. Patterns are searched; an empty tuple tells nothing.

    ``sys_object_ids`` are prefixes of SNMP sysObjectID, dotted numbers without a leading dot, ending at a whole arc.
    ``banner`` is searched in the SSH identification string and in what is printed around log-in, ``prompt`` in the
    last line, ``sys_descr`` in SNMP sysDescr. How they are weighed is in ``domain.fleet.recognition``; what was
    recognised is asked ``Driver.facts`` before it is believed.
    """

    sys_object_ids: tuple[str, ...] = ()
    sys_descr: tuple[re.Pattern[str], ...] = ()
    ssh_version: tuple[re.Pattern[str], ...] = ()
    banner: tuple[re.Pattern[str], ...] = ()
    prompt: tuple[re.Pattern[str], ...] = ()
    priority: int = 0
    """Counts between a family and one that it is made from, nowhere else: the higher wins when both fit."""
    made_from: tuple[str, ...] = ()
    """Families whose marks this one carries beside its own, since its system is built upon theirs."""


@dataclass(frozen=True, slots=True)
class SnmpFacts:
    """Where a family's SNMP agent says what it is, beyond sysName and sysUpTime: object identifiers to be tried in
    order, before the chassis row of ENTITY-MIB (RFC 6933); and the named group ``release`` in sysDescr."""

    model: tuple[str, ...] = ()
    serial: tuple[str, ...] = ()
    os_release: tuple[str, ...] = ()
    descr: re.Pattern[str] | None = None
    line: LineOids = NET_SNMP
    """Where it tells how the box's two ways are."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A family, as data."""

    family: str
    title: str
    comment: str
    """What starts a comment line in this dialect, for the notes the redacted view carries."""
    volatile: tuple[re.Pattern[str], ...]
    """Whole lines (``re.MULTILINE``, anchored ``^...$``) that change by themselves; they never make a new version."""
    secrets: tuple[SecretRule, ...]
    maturity: Literal["proven", "lab"] = "lab"
    hostname: Callable[[str], str | None] = lambda _text: None
    """Reads the device's own name out of a configuration; None when the dialect does not carry it."""
    recognition: Recognition = field(default_factory=Recognition)
    snmp: SnmpFacts = field(default_factory=SnmpFacts)
    dialect: Dialect = "lines"
    evidence: str = ""
    """What proves that a text is whole and this device's own, in a sentence for people."""
    features: frozenset[Feature] = frozenset()
    """Parts of the neutral model that this family can carry; see ``domain.model.cpe_features``."""
    rollback: RollbackStyle = "none"
    keeps_at_once: bool = False
    """What ``apply`` brings into effect survives a restart without ``save``: the family's daemons read nothing but the
    files that are on flash. A restart is then no way back."""


@dataclass(frozen=True, slots=True)
class Capture:
    """A complete configuration as the device gave it: accepted evidence seen, prompt or exit status came back."""

    text: str
    """``\\n`` line ends, ends with one newline, valid UTF-8 text."""
    hostname: str
    """The name the device called itself; empty when unknown."""
    counted: bool = False
    """The device itself said how long the text is, or what its checksum is, and that held. What nobody counted is read
    a second time before it becomes a version."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the box says of itself; empty strings when it does not say."""

    hostname: str = ""
    model: str = ""
    serial: str = ""
    os_release: str = ""
    uptime: int | None = None
    """Seconds since the box started."""


class Driver(Protocol):
    """One file under ``drivers/``; instances hold no state."""

    @property
    def spec(self) -> Spec: ...

    async def fetch(self, shell: Shell) -> Capture:
        """The whole running configuration, or a ``DeviceError``; never a part of it."""
        ...

    async def facts(self, shell: Shell) -> Facts: ...


@dataclass(frozen=True, slots=True)
class Script:
    """Commands in the device's own language, one a line as it is typed; ``repr`` hides them: they hold secrets.

    ``\\n`` never occurs within a command.
    """

    commands: tuple[str, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.commands)


@runtime_checkable
class Modelled(Protocol):
    """A driver that reads and writes the neutral model. Both verbs are pure."""

    def parse(self, text: str) -> CpeConfig:
        """The neutral model of a whole configuration as ``fetch`` gave it.

        Total over what the family's boxes print: what is not understood is left to the text and no error. Raises
        ``InputError`` for a text that contradicts itself, with its line.
        """
        ...

    def render(self, current: str, wanted: CpeConfig) -> Script:
        """What turns ``current`` (a whole text) into a configuration with ``parse(...) == wanted``.

        Touches only lines that carry the model; empty when nothing differs. Raises ``InputError`` for what the family
        cannot carry, naming it; checks before any command is made.
        """
        ...


@dataclass(frozen=True, slots=True)
class Guard:
    """The device's promise to take a change back by itself. ``token`` names it on the device: lower-case letters and
    digits, new for each push. ``seconds``: when it takes effect, counted from arming (or, where a family arms with its
    own commit, from ``apply``); a family that counts whole minutes rounds up."""

    token: str
    seconds: int


@runtime_checkable
class Writing(Protocol):
    """A driver that changes a device. The commit path is the only caller."""

    async def apply(self, shell: Shell, script: Script, guard: Guard | None = None) -> None:
        """Run a script; it takes effect in the running configuration and is not yet kept over a restart.

        Every answer of the device is looked at. Raises ``CommandRefused`` at the first command that was refused;
        ``device_state`` of the error says ``untouched`` or ``changed``; on a lost session ``unknown``. ``guard``: the
        promise that was made with ``Guarded.arm``; a family that promises in its own commit does so here.
        """
        ...

    async def save(self, shell: Shell) -> None:
        """Keep the running configuration over a restart. Raises a ``DeviceError``."""
        ...


@runtime_checkable
class Guarded(Protocol):
    """A driver whose device takes back by itself what nobody confirms: with the manager gone, with the path cut, and
    over a restart. The commit path is the only caller.

    Order: ``arm``, ``apply`` with the same guard, then ``confirm`` or ``revert``. Every verb is right to do twice.
    """

    async def arm(self, shell: Shell, guard: Guard) -> None:
        """Make the promise: the configuration of this moment is what the device goes back to.

        Raises ``CommandRefused`` when the device cannot promise (no room, no archive, another promise is open), and
        has left nothing behind then.
        """
        ...

    async def armed(self, shell: Shell) -> str | None:
        """The token of the promise that is open; None when there is none, empty when it is not one of ours."""
        ...

    async def confirm(self, shell: Shell, guard: Guard) -> None:
        """Take the promise back: what runs now stays. Raises ``CommandRefused`` when the open promise is another's."""
        ...

    async def revert(self, shell: Shell, guard: Guard) -> None:
        """Have the device do now what it promised. Returns when it has been told, which may end the session; what came
        of it has to be read. Raises ``CommandRefused`` when no promise of this token is open."""
        ...


@runtime_checkable
class Replacing(Protocol):
    """A driver that brings a whole configuration back onto a device of its family (§5.1.2.4)."""

    async def replace(self, shell: Shell, text: str, guard: Guard | None = None) -> None:
        """Make ``text``, as ``fetch`` gave it, the running configuration; what it does not hold is gone afterwards.

        What ``fetch`` never gives (the device's own log-in, §5.2.1.3) stays as it is on the device. Raises as
        ``Writing.apply`` does.
        """
        ...


@runtime_checkable
class Wired(Protocol):
    """A driver that knows the names of its hardware's interfaces, so that a text of one model comes back onto another
    (§5.1.3). Both verbs are pure."""

    def interfaces(self, text: str) -> Interfaces:
        """The interfaces of the hardware that a whole configuration speaks of; bridges and dialled links are none."""
        ...

    def adopted(self, text: str, present: str, names: Mapping[str, str]) -> str:
        """``text`` of other hardware, for the box that runs ``present``: interfaces called as in ``names``, all at once
        (two may change places), and what belongs to the hardware itself, such as MAC addresses, as it has it."""
        ...


@runtime_checkable
class LogInSetting(Protocol):
    """A driver whose device can be given one more log-in by lines of its own language. Pure."""

    def log_in(self, credential: Credential) -> Script:
        """What lets the box be managed with a credential, beside what it answers to already. Raises ``InputError`` for
        a name or a password that the family cannot write."""
        ...


@runtime_checkable
class Resettable(Protocol):
    """A driver whose device goes back to factory settings when it is told to; only with the customer's consent
    (§5.1.2.4)."""

    async def factory_reset(self, shell: Shell) -> None:
        """Returns when the device has taken the order, which ends the session. Raises a ``DeviceError`` when it has
        not. What it answers to afterwards is the maker's business: nobody here reaches it as a matter of course."""
        ...


@runtime_checkable
class Choosing(Protocol):
    """A ``Replacing`` driver that reads some of its boxes only in part, and brings nothing back from such a part."""

    def unrestorable(self, text: str) -> str:
        """Why this text, as ``fetch`` gave it, cannot be brought back, in one line; empty when it can. Pure."""
        ...


@runtime_checkable
class Probing(Protocol):
    """A driver that asks a device how its internet side is. Both verbs only look."""

    async def line(self, shell: Shell, text: str) -> LineState:
        """The WAN at this moment, as the device says. ``text``: what it runs, which tells the WAN's native name.
        Raises a ``DeviceError``."""
        ...

    async def ping(self, shell: Shell, target: str) -> bool:
        """Whether an echo comes back to the device; ``target`` is an IPv4 or IPv6 address. Raises a ``DeviceError``."""
        ...


@runtime_checkable
class Carrying(Protocol):
    """A driver that asks a device which way its customer's traffic takes."""

    async def carrying(self, shell: Shell, text: str) -> Carrier | None:
        """Over what the device's own IPv4 default route goes at this moment, as its kernel or routing table says, not
        its configuration; None when there is none, or it leads neither way. ``text``: what it runs, which tells the
        interfaces of both. Only looks. Raises a ``DeviceError``."""
        ...


@runtime_checkable
class Swift(Protocol):
    """A ``Guarded`` driver that makes a change, which was prepared while all was well, in one round trip (§3.8: a
    fail-over is measured in tenths of a second). The commit path is the only caller.

    After ``strike`` the device stands as after ``arm`` and ``apply`` with the same guard: ``armed`` gives its token,
    ``confirm`` and ``revert`` go on from there.
    """

    async def prepare(self, shell: Shell, script: Script, guard: Guard) -> str:
        """Lay down on the device all that the change and the way back need. Changes nothing that runs, promises nothing
        yet, and survives no restart; what was prepared before gives way.

        ``script``: as ``Modelled.render`` made it for what the device runs at this moment. The result is for ``strike``
        and for nobody else; it holds no secret. Raises ``CommandRefused`` when the device has no room for it, when it
        has an open promise, or when this script cannot be prepared (it is then for the ordinary path)."""
        ...

    async def strike(self, shell: Shell, prepared: str, guard: Guard) -> None:
        """Arm, then apply what was prepared: one exchange on a session that is open. ``guard``: token and seconds of
        this change, whatever those at ``prepare`` were.

        Raises ``CommandRefused`` with ``device_state`` ``untouched`` when the device no longer runs what it was
        prepared for, has restarted since, or has an open promise of another; otherwise as ``Guarded.arm`` and
        ``Writing.apply`` do. What was struck is not prepared any more: a second time with the same token is refused,
        with ``device_state`` ``changed``."""
        ...


@runtime_checkable
class Moving(Protocol):
    """A driver whose device works a script off by itself, to its end, whatever becomes of the session that brought it:
    for a change behind which the device is managed at another address. The commit path is the only caller."""

    async def apply_apart(self, shell: Shell, script: Script, guard: Guard) -> None:
        """As ``Writing.apply``, for a device that was armed with ``guard``. Returns when the device has taken the
        order, or when it is done; a ``SessionDropped``, ``DeviceTimeout`` or ``PromptLost`` may just as well mean that
        it has moved. What came of it has to be read. ``CommandRefused``: it did not take the order."""
        ...


@runtime_checkable
class Restarting(Protocol):
    """A driver whose device restarts when it is told to. The commit path is the only caller."""

    async def reboot(self, shell: Shell) -> None:
        """Returns when the device has taken the order, which ends the session: at once, or by a ``SessionDropped``,
        ``DeviceTimeout`` or ``PromptLost``. What was not saved is lost. Raises ``CommandRefused`` when it will not."""
        ...


class FullDriver(Driver, Modelled, Writing, Protocol):
    """What each of the native families is."""


class Drivers(Protocol):
    """The drivers that exist, by family."""

    def get(self, family: str) -> Driver:
        """Raises ``UnknownFamily`` with the names that exist."""
        ...

    def families(self) -> tuple[str, ...]:
        """The native ones."""
        ...

    def platforms(self) -> tuple[str, ...]:
        """Those of the long tail (``netmiko:...``), which a library logs in to; hundreds, or none."""
        ...
