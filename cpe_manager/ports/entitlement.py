"""Whether a customer has ordered what a change brings into use (§2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cpe_manager.domain.fleet.inventory import Device
from cpe_manager.domain.push.checks import Finding
from cpe_manager.domain.subscription.entitlement import Component
from cpe_manager.domain.subscription.subscriptions import Operation


class Entitlement(Protocol):
    async def judge(
        self, device: Device, components: Sequence[Component], operation: Operation = Operation.CONFIGURE
    ) -> Sequence[Finding]:
        """A refusing finding of check ``ENTITLEMENT`` for an ``operation`` that is no part of the subscription (any, on
        a box that the operator does not configure), and for what was not ordered of what it brings into use; what
        cannot be judged is told as a finding that does not refuse, never passed over."""
        ...
