"""One request body for each operation that has one, as somebody would really send it: for readers of the description,
and for whoever generates a client or tests from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_FINGERPRINT: Final = "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"
_DEVICE: Final = "GENT-01"
_PLAN: Final = {"device": _DEVICE, "change": {"wifi": {"enabled": False}}, "probes": ["tcp:192.0.2.10:22"]}
_ROLLOUT: Final = {
    "name": "ntp-2027",
    "select": {"group": "shops"},
    "change": {"ntp": {"servers": ["192.0.2.123"]}},
    "canary": 2,
    "waves": ["10%"],
    "budget": 1,
}

REQUESTS: Final[Mapping[str, Any]] = {
    "addDevice": {"name": _DEVICE, "address": "192.0.2.10", "family": "frr_linux", "group": "shops", "backup": True},
    "replaceDevice": {"serial": "FCZ2110A0BC", "backup": True},
    "acceptHostKey": {"fingerprint": _FINGERPRINT},
    "detectFamily": {"address": "192.0.2.10", "credential": "lab"},
    "refreshDeviceFacts": {"way": "both"},
    "putGroup": {"family": "frr_linux", "credential": "lab", "settings": {"max_attempts": 3}},
    "importInventory": {
        "files": [{"name": "shops.csv", "text": "name,address,family\nGENT-01,192.0.2.10,frr_linux\n"}],
        "dry_run": True,
    },
    "runBackup": {"names": [_DEVICE]},
    "runDrill": {"family": "frr_linux", "sample": 5},
    "planPush": _PLAN,
    "push": {**_PLAN, "guard_seconds": 120},
    "pushAgain": {"now": False},
    "settlePush": {"settled_as": "before", "note": "looked at the console: it runs what it ran"},
    "planRollout": _ROLLOUT,
    "startRollout": {**_ROLLOUT, "hold": True},
    "cancelRollout": {"give_up": False},
    "lookAtDrift": {"context": 3},
    "adoptDrift": {"basis": "9f2c0f6a7a0d4d1f"},
    "remediateDrift": {"guard_seconds": 120},
    "orderReplacement": {"device": _DEVICE, "serial": "FCZ2110A0BD", "host_key": _FINGERPRINT},
    "acceptReplacement": {"host_key": _FINGERPRINT},
    "setUpLine": {
        "formula": "pro-plus",
        "ordered": True,
        "line_address": "192.0.2.10",
        "mobile_address": "198.51.100.10",
        "platform": "edge1",
        "fixed_ipv4": "203.0.113.7",
        "policy": {"misses": 5},
    },
    "orderLine": {"what": "switch", "reason": "the provider works on the node"},
    "retryMails": {"id": "019acb2e5d7f7c3a8e1b2f4d6a908172"},
    "checkCoverage": {"verdict": "passed", "reason": "measured on site: -71 dBm"},
    "importLines": {
        "rows": [{"number": 2, "device": _DEVICE, "values": {"line_address": "192.0.2.10"}}],
        "dry_run": True,
    },
    "putSubscription": {
        "customer": "Bakkerij Peeters",
        "formula": "pro-plus",
        "technology": "fibre",
        "options": ["mobile-backup"],
        "representatives": [{"name": "An Peeters", "email": "an.peeters@customer.example"}],
    },
    "importSubscriptions": {
        "rows": [{"number": 2, "site": "GENT-01", "values": {"formula": "pro", "technology": "copper"}}],
        "dry_run": True,
    },
    "submitChange": {
        "type": "open-port",
        "site": "GENT-01",
        "parameters": {"ports": [{"protocol": "tcp", "port": 443, "inside": "192.168.1.10"}]},
        "note": "for the new web shop",
    },
    "approveChange": {"digest": "5b2e4f0c9a7d", "words": "agreed by phone with An Peeters"},
    "declineChange": {"reason": "not before the new cabling is there"},
    "withdrawChange": {"reason": "asked for twice"},
    "importChanges": {"csv": "type,site,enabled\nmobile-backup,GENT-01,true\n", "dry_run": True},
    "orderActivation": {
        "device": _DEVICE,
        "formula": "pro-plus",
        "technology": "fibre",
        "wan": {"mode": "static", "address": "203.0.113.2/30", "gateway": "203.0.113.1"},
        "lan": {"address": "192.168.1.1/24"},
        "ready_for_service": "2026-12-21",
    },
    "answerRush": {"feasible": False, "reason": "no technician is free on that day"},
    "addAccount": {"name": "service-desk", "kind": "service", "roles": ["executor"]},
    "changeAccount": {"roles": ["executor", "viewer"], "disabled": False},
    "giveAccountPassword": {"password": "correct horse battery staple"},
    "createAccountToken": {"name": "tickets", "permissions": ["submit-changes", "see-changes"], "days": 90},
    "createOwnToken": {"name": "laptop", "days": 30},
    "changeOwnPassword": {"old": "correct horse battery staple", "new": "wrong donkey charger paperclip"},
    "logIn": {"name": "an.peeters", "password": "correct horse battery staple"},
    "addSchedule": {"name": "nightly", "cron": "0 1 * * *", "timezone": "Europe/Brussels", "window_minutes": 240},
    "createToken": {"name": "monitoring", "scopes": ["read"], "days": 365},
    "createWebhook": {
        "name": "service-desk",
        "url": "https://desk.example/hooks/cpe-manager",
        "kinds": ["line.*", "incident.*"],
    },
    "createOwnWebhook": {"name": "desk", "url": "https://desk.example/hooks/changes", "kinds": ["change.*"]},
    "replayOwnWebhook": {"since": "2026-11-29T00:00:00Z"},
    "replayWebhook": {"since": "2026-11-29T00:00:00Z"},
}
"""By operation id; what is not here has no example of its own."""
