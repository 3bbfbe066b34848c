"""Boxes with SNMP."""

from __future__ import annotations

from tests.integration.snmp_boxes import snmp_box

__all__ = ["snmp_box"]
