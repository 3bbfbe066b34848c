"""How far the audit log went, in a small file beside the settings: outside the database, so that a database that is
exchanged for an older copy shows."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

import structlog

from cpe_manager.domain.access.audit import Seen

log = structlog.get_logger()

_DIGEST: Final = re.compile("[0-9a-f]{64}")


class WitnessFile:
    """``AuditWitness`` over a file of one line; replaced as a whole, so that it is never seen half written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def seen(self) -> Seen | None:
        try:
            found = json.loads(self._path.read_text(encoding="ascii"))
            number, digest = found["number"], found["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        fits = isinstance(number, int) and number > 0 and isinstance(digest, str) and _DIGEST.fullmatch(digest)
        return Seen(number, digest) if fits else None

    def saw(self, seen: Seen) -> None:
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            fresh.write_text(json.dumps({"number": seen.number, "digest": seen.digest}) + "\n", encoding="ascii")
            fresh.replace(self._path)
        except OSError as error:
            log.warning("audit.witness_not_written", path=str(self._path), reason=error.strerror)
