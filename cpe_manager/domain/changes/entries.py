"""What an entry of the change catalogue is: a name and terms, which are data, and one small class.

The terms of an entry (title, section, components, whether it is a standard change, its fee) are read from
``config/change-catalogue.toml``. The class says what its parameters are, what is wrong with them for a device, what it
makes of a configuration and what has to hold afterwards. Nothing in here has a clock or does I/O.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from cpe_manager.domain.failover.lines import Barrier
from cpe_manager.domain.model.cpe_config import CpeConfig
from cpe_manager.domain.model.cpe_features import Feature
from cpe_manager.domain.push.checks import Finding
from cpe_manager.domain.push.lockout import Lockout
from cpe_manager.domain.push.probes import Probe
from cpe_manager.domain.subscription.catalogue import ServiceCatalogue
from cpe_manager.domain.subscription.subscriptions import Subscription

P_contra = TypeVar("P_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class EntryTerms:
    """``components``: every one of them has to be part of the subscription. ``standard``: see
    ``requests.ChangeRequest``. ``fee``: whether an intervention is billable at all (§5.2.2)."""

    type: str
    version: int
    title: str
    section: str
    components: tuple[str, ...]
    standard: bool = True
    fee: bool = True
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Setting:
    """What a change is judged against. ``management_port``: TCP port at which the box is managed, ``managed_at`` its
    address there, as the inventory has it. ``features``: what ``family`` can carry; None: left to its driver.
    ``barrier``: the ports of voice on this line; empty ones are none. ``section``: what the terms of the entry cite;
    refusals that have no section of their own cite it, too."""

    catalogue: ServiceCatalogue
    subscription: Subscription
    management_port: int = 22
    managed_at: str = ""
    family: str = ""
    features: frozenset[Feature] | None = None
    barrier: Barrier = field(default_factory=Barrier)
    section: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does: ``patch`` is a merge patch of the neutral model, ``reboot`` restarts the box. ``probes`` have
    to hold afterwards. ``managed_at``: the address at which the box is to be managed afterwards, where that changes.
    ``overrides``: predicted lock-outs that are what the change is about (another log-in, another gateway): the box
    takes it back when the line does not come up."""

    patch: Mapping[str, Any] = field(default_factory=dict, repr=False)
    probes: tuple[Probe, ...] = ()
    reboot: bool = False
    managed_at: str | None = None
    overrides: frozenset[Lockout] = frozenset()


class ChangeType(Protocol, Generic[P_contra]):
    """One class for each entry. ``parameters`` is a frozen dataclass: read strictly, described as a JSON schema."""

    name: ClassVar[str]
    parameters: ClassVar[type]

    def summary(self, wanted: P_contra, /) -> str:
        """In a few words, without secrets: ``open tcp 443 to 192.168.1.10``."""
        ...

    def check(self, wanted: P_contra, now: CpeConfig, setting: Setting, /) -> Iterator[Finding]:
        """What is wrong with it on this device, each with the conflict named. Raises nothing."""
        ...

    def effect(self, wanted: P_contra, now: CpeConfig, setting: Setting, /) -> Effect:
        """What it makes of what the device runs now. Raises ``InputError`` for what no box can mean."""
        ...
