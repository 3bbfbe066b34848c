"""What is looked at before a push has any effect, for the plan that people see and for the push itself alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import IPv4Network

from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.push.checks import ACCEPTABLE, Check, Finding, Held, Refused, findings, newly_held
from cpe_manager.domain.push.lockout import Lockout, ManagementPath
from cpe_manager.domain.push.pushes import Order, PushKind
from cpe_manager.domain.subscription.entitlement import Component, newly_used
from cpe_manager.domain.subscription.subscriptions import Operation
from cpe_manager.ports.addresses import AddressStore
from cpe_manager.ports.entitlement import Entitlement
from cpe_manager.services.fleet.targets import address_of
from cpe_manager.services.push.push_plan import Plan


class NotJudged:
    """``ports.entitlement.Entitlement`` where no subscriptions are known: it says so."""

    async def judge(
        self,
        device: Device,
        components: Sequence[Component],
        operation: Operation = Operation.CONFIGURE,  # noqa: ARG002 - the port's
    ) -> Sequence[Finding]:
        return [
            Finding(Check.NOT_JUDGED, f"no subscription of {device.site} is known: {one} is not judged", refuses=False)
            for one in components
        ]


class Checks:
    """Judges plans. Without ``addresses`` the rest of the fleet is not looked at."""

    def __init__(self, addresses: AddressStore | None = None, entitlement: Entitlement | None = None) -> None:
        self._addresses, self._entitlement = addresses, entitlement or NotJudged()

    async def judge(self, device: Device, plan: Plan, path: ManagementPath) -> tuple[Finding, ...]:
        """All that is to be said of a plan, besides lock-outs. Of lines in the device's language nothing can be, but
        whether the box is the operator's to configure."""
        if plan.after is None:
            return tuple(await self._entitlement.judge(device, ()))
        if plan.order.kind is PushKind.REBOOT:
            lost = ", ".join(plan.unsaved)
            found = list(await self._entitlement.judge(device, ()))
            if lost:
                found.append(Finding(Check.UNSAVED, f"what was not saved is lost with the restart: {lost}"))
            return tuple(found)
        found = list(findings(plan.before, plan.after, path.port if path.service == "ssh" else 22))
        if any(one.kind is Lockout.PORT_MAPPING for one in plan.lockouts(path)):
            # Said there already, in stronger words and with an override of its own.
            found = [one for one in found if one.check is not Check.MANAGEMENT_PORT]
        found += await self._in_fleet(device, plan)
        found += await self._entitlement.judge(device, newly_used(plan.before, plan.after), _operation(plan.order))
        return tuple(found)

    async def _in_fleet(self, device: Device, plan: Plan) -> list[Finding]:
        if self._addresses is None or plan.after is None:
            return []
        wanted = list(newly_held(plan.before, plan.after))
        own = None if plan.managed_at is None else address_of(plan.managed_at)
        if own is not None and not any(own in one.network for one in wanted if one.version == 4):
            wanted.append(Held(IPv4Network(own)))
        return [
            Finding(Check.FLEET, f"{one.network} belongs to {one.device}{', by its address' if one.managed else ''}")
            for one in await self._addresses.holders(device.id, wanted)
        ]


def _operation(order: Order) -> Operation:
    """A version of other hardware is judged where the replacement is ordered."""
    restores = order.kind is PushKind.RESTORE and order.names is None and not order.as_change
    return Operation.RESTORE if restores else Operation.CONFIGURE


def refused(found: Sequence[Finding], accepted: Collection[str]) -> Refused | None:
    """The refusal that findings amount to; None when they amount to none."""
    bad = [one for one in found if one.refuses and one.check not in accepted]
    return Refused("; ".join(one.reason for one in bad), bad[0].check) if bad else None


def ok_of(found: Finding, accepted: Collection[str]) -> bool | None:
    """As it is noted: False refuses, None is told and goes on."""
    return False if found.refuses and found.check not in accepted else None


def acceptable(codes: Collection[str]) -> frozenset[str]:
    """Raises ``InputError`` for a code that nobody can accept."""
    if strange := sorted(set(codes) - set(ACCEPTABLE)):
        raise InputError(f"{', '.join(strange)} cannot be accepted; what can: {', '.join(sorted(ACCEPTABLE))}")
    return frozenset(codes)
