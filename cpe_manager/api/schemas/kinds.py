"""The kinds of events, for whoever follows the stream; the reference page is made of this table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EVENT_KINDS: Final[Mapping[str, str]] = {
    "device.added": "A device came into the inventory",
    "device.changed": "Fields of a device changed; `data` says which",
    "device.facts_changed": "A device says that it has another model, serial number or release than before",
    "device.suspended": "A device is no longer visited for the time being",
    "device.resumed": "A suspended device is in service again",
    "device.decommissioned": "A device left service for good; its history stays",
    "device.replaced": "Other hardware took over a position; the history goes on",
    "group.changed": "A group was made, or its settings were replaced",
    "hostkey.first_contact": "The first session pinned the host key that the device showed",
    "hostkey.changed": "A device showed another host key than the pinned one; it waits for a person",
    "hostkey.accepted": "A person accepted the offered host key, or had the keys forgotten",
    "backup.stored": "A new version was stored",
    "backup.quarantined": "A capture is suspicious and waits for a person; the last good version stays current",
    "backup.accepted": "A person took a quarantined version into the history",
    "backup.refused": "A person refused a quarantined version",
    "backup.failed": "The last attempt of a run at a device failed",
    "push.requested": "Somebody asked for a change of a device",
    "push.withdrawing": "Somebody gave a push up; what it did to the device is being taken back",
    "push.confirmed": "A change was made, looked at over a new session, and kept",
    "push.reverted": "A change was taken back; the device runs what it ran before",
    "push.stuck": (
        "A change could neither be kept nor taken back for sure; somebody has to look at the device, "
        "and `data` has what that takes"
    ),
    "push.withdrawn": "A push ended before it had any effect on the device; `data.code` says why",
    "push.settled": "What a stuck push left on its device is known; `data.settled_as` says what",
    "job.started": "A job was made",
    "job.finished": "A job ended, done or failed; `data` has the counts",
    "job.cancelled": "A job was cancelled",
    "alarm.raised": "A condition holds that needs somebody, such as an overdue backup",
    "alarm.cleared": "The condition is over",
    "key.rotated": "A new sealing key is active",
    "key.retired": "An unused sealing key was taken out of the key file",
    "original.opened": "Somebody opened a sealed original, secrets included",
    "token.created": "An API token was made",
    "token.revoked": "An API token was revoked",
    "schedule.skipped": "An occurrence was missed and its window has passed",
    "trap.link_down": "A device's interface lost its link; `data` has its name, number and states",
    "trap.link_up": "A device's interface has its link again",
    "trap.cold_start": "A device restarted, and its configuration may be another one",
    "trap.warm_start": "A device's SNMP agent restarted",
    "trap.authentication_failure": "Somebody asked a device over SNMP with a wrong community or key",
    "trap.storm": "A device sent more traps than are kept; what is beyond is only counted",
    "trap.received": "Any other trap of a device; `data` has its object identifier and values",
    "verify.broken": "Verification found versions that do not open or do not re-hash",
}
