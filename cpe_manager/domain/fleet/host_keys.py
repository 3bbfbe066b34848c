"""Host keys of devices, in OpenSSH public-key form: ``algorithm base64``."""

from __future__ import annotations

import base64
import binascii
import hashlib


def fingerprint(key: str) -> str:
    """``SHA256:...`` of a public key in OpenSSH form, as ``ssh-keygen -l`` prints it."""
    fields = key.split()
    try:
        blob = base64.b64decode(fields[1], validate=True)
    except (IndexError, binascii.Error):
        blob = key.encode()  # not of that form: still two different keys get two different fingerprints
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
