"""From a capture to a version, and back: examine, draft, open, check.

``examine`` is all that an unchanged night costs: log-in passwords out, volatile lines out, one keyed hash. Only what
changed is sealed and redacted by ``draft``.

A sealed payload is ``version (1) | rules (8) | fingerprint (32) | UTF-8 text``. The head binds a version's fingerprint
to its text under the seal, and ``rules`` says which volatile and secret rules made the fingerprint and the redacted
view: after a release with better rules, older versions still are checked for what can be checked.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from backups.compression import Compression
from backups.keyfile import Rings
from backups.sealing import Sealer
from cpe_manager.domain.backup.backups import Backup, Draft, FileDraft, FileInfo, SealedObject
from cpe_manager.domain.errors import SealBroken
from cpe_manager.kit.box_files import without_login
from cpe_manager.kit.redaction import canonical, redact, strip_login
from cpe_manager.ports.driver import SecretRule, Spec
from cpe_manager.ports.driver_reading import Artefact

NOTE: Final = "redacted view: secrets are masked, lines that change by themselves are left out; not for restoring"
_PAYLOAD_VERSION: Final = 1
_NOTE_VERSION: Final = 0x40
_FILE_VERSION: Final = 0x41
_RULES: Final = 8
_FINGERPRINT: Final = 32
_HEAD: Final = 1 + _RULES + _FINGERPRINT
_VIEW: Final = b"view 1"
"""Counts up whenever the same rules give another view or fingerprint than before."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A capture after the cheap step. ``text`` is restore-grade without log-in passwords; ``size`` in bytes."""

    text: str = field(repr=False)
    canonical: str = field(repr=False)
    fingerprint: str
    size: int
    lines: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A payload taken apart."""

    rules: bytes
    fingerprint: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a box that runs a version would be examined to. ``view`` is redacted."""

    fingerprint: str
    view: str = field(repr=False)


class Vault:
    """Stateless but for the compression contexts; usable from several threads."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings
        self._compression = Compression()
        self._sealer = Sealer(rings, self._compression)

    def ring_id(self) -> str:
        """Public id of the key ring; to be compared with the one that was stored with the first backup."""
        return self._rings.ring().ring_id

    def keyed(self, data: bytes) -> str:
        """A digest for comparing: without the key ring nobody can try out what a short secret in it may be."""
        return hmac.digest(self._rings.ring().fingerprinting, b"keyed\0" + data, "sha256").hex()

    def examine(self, text: str, spec: Spec, secrets: Iterable[str] = ()) -> Examined:
        """``secrets`` are the device's log-in passwords. Raises ``KeyringError``."""
        kept = strip_login(text, spec.secrets, secrets)
        significant = canonical(kept, spec.volatile)
        size = len(kept) if kept.isascii() else len(kept.encode())
        return Examined(kept, significant, self._fingerprint(significant), size, _lines(kept))

    def draft(self, examined: Examined, spec: Spec, *, position_id: str, object_id: str) -> Draft:
        """Seal and redact. ``object_id`` names the sealed object; the same position gives the same secret tags."""
        head = bytes([_PAYLOAD_VERSION]) + _rules_digest(spec) + bytes.fromhex(examined.fingerprint)
        sealed = self._sealer.seal(object_id, head + examined.text.encode())
        view = self._view(examined.canonical, spec, position_id)
        return Draft(
            fingerprint=examined.fingerprint,
            size=examined.size,
            lines=examined.lines,
            family=spec.family,
            sealed=sealed,
            redacted=self._compression.compress(view.encode()),
        )

    def view(self, examined: Examined, spec: Spec, position_id: str) -> str:
        """The redacted view as ``draft`` would store it: comparable with those of the position's versions."""
        return self._view(examined.canonical, spec, position_id)

    def open_original(self, sealed: SealedObject) -> str:
        """The restore-grade text, with every secret but log-in passwords. Raises ``SealBroken``."""
        return self._open(sealed).text

    def seal_note(self, object_id: str, text: str) -> SealedObject:
        """Seal a text that is no configuration but holds secrets as one does. Raises ``KeyringError``."""
        return self._sealer.seal(object_id, bytes([_NOTE_VERSION]) + text.encode())

    def open_note(self, sealed: SealedObject) -> str:
        """What ``seal_note`` sealed. Raises ``SealBroken``."""
        payload = self._sealer.open(sealed)
        if not payload or payload[0] != _NOTE_VERSION:
            raise SealBroken(f"object {sealed.id} holds something other than a note")
        return _text(payload[1:])

    def draft_file(
        self, made: Artefact, spec: Spec, secrets: Iterable[str], *, backup_id: str, object_id: str
    ) -> FileDraft:
        """A box's own backup file for beside a version, its log-in taken out. Raises ``ValueError`` for what is no such
        file, ``KeyringError``."""
        content = without_login(made.content, spec.secrets, secrets)
        info = FileInfo(made.name, made.media_type, len(content), hashlib.sha256(content).hexdigest())
        return FileDraft(backup_id, info, self._sealer.seal(object_id, bytes([_FILE_VERSION]) + content))

    def open_file(self, info: FileInfo, sealed: SealedObject) -> bytes:
        """What ``draft_file`` sealed. Raises ``SealBroken`` when it is not that file, whole."""
        payload = self._sealer.open(sealed)
        if not payload or payload[0] != _FILE_VERSION:
            raise SealBroken(f"object {sealed.id} holds something other than a file")
        content = payload[1:]
        if (len(content), hashlib.sha256(content).hexdigest()) != (info.size, info.sha256):
            raise SealBroken(f"object {sealed.id} is not the file that was stored")
        return content

    def read_redacted(self, redacted: bytes) -> str:
        """Raises ``SealBroken`` when the stored view is damaged."""
        return _text(self._compression.decompress(redacted))

    def rewrap(self, sealed: SealedObject) -> tuple[str, bytes]:
        """(key id, wrapped key) under the active key. Raises ``SealBroken``."""
        return self._sealer.rewrap(sealed)

    def check(self, backup: Backup, sealed: SealedObject, redacted: bytes, spec: Spec | None) -> str | None:
        """None when everything about a version holds together, else what does not, in one line.

        Opens the original, hashes it again, compares fingerprint, size and lines with the version's row, and makes the
        redacted view again. Without ``spec``, or where the family's rules changed since, the last two hashes cannot be
        made; the fingerprint under the seal and a readable view then have to do. ``KeyringError`` when there is no key
        file: that is no statement about this version.
        """
        try:
            opened = self._open(sealed)
            view = self.read_redacted(redacted)
        except SealBroken as error:
            return str(error)
        size, lines = len(opened.text.encode()), _lines(opened.text)
        if (size, lines) != (backup.size, backup.lines):
            return f"original has {size} bytes, {lines} lines; stored were {backup.size} bytes, {backup.lines} lines"
        if opened.fingerprint != backup.fingerprint:
            return "fingerprint under the seal is not the version's"
        if spec is None or _rules_digest(spec) != opened.rules:
            return None
        significant = canonical(opened.text, spec.volatile)
        if self._fingerprint(significant) != opened.fingerprint:
            return "original does not hash to its fingerprint"
        if self._view(significant, spec, backup.position_id) != view:
            return "redacted view is not the one of the original"
        return None

    def expected(self, backup: Backup, sealed: SealedObject, redacted: bytes, spec: Spec) -> Expected:
        """What ``examine`` and ``view`` have to give of a box that runs this version: what was noted when it was
        stored, whatever the sealed text says now; made anew from it only where the family's rules changed since.

        Raises ``SealBroken``.
        """
        opened = self._open(sealed)
        if _rules_digest(spec) == opened.rules:
            return Expected(backup.fingerprint, self.read_redacted(redacted))
        examined = self.examine(opened.text, spec)
        return Expected(examined.fingerprint, self.view(examined, spec, position_id=backup.position_id))

    def _open(self, sealed: SealedObject) -> Opened:
        payload = self._sealer.open(sealed)
        if len(payload) < _HEAD or payload[0] != _PAYLOAD_VERSION:
            raise SealBroken(f"object {sealed.id} holds something other than a configuration")
        rules, fingerprint = payload[1 : 1 + _RULES], payload[1 + _RULES : _HEAD]
        return Opened(rules, fingerprint.hex(), _text(payload[_HEAD:]))

    def _fingerprint(self, significant: str) -> str:
        # HMAC-SHA256: without the key nobody can try out what a short secret may be, though it counts in.
        key = self._rings.ring().fingerprinting
        return hmac.digest(key, significant.encode(), "sha256").hex()

    def _view(self, significant: str, spec: Spec, position_id: str) -> str:
        key = self._rings.ring().tagging

        def tag(kind: str, secret: str) -> str:
            return hmac.digest(key, f"{position_id}\0{kind}\0{secret}".encode(), "sha256").hex()[:6]

        note = f"{spec.comment} {NOTE}\n" if spec.comment else ""
        return note + redact(significant, spec.secrets, tag)


def _lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n") and bool(text))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SealBroken("stored text is not UTF-8") from error


def _rules_digest(spec: Spec) -> bytes:
    return _digest(spec.comment, spec.volatile, spec.secrets)


@lru_cache(maxsize=64)
def _digest(comment: str, volatile: tuple[re.Pattern[str], ...], secrets: tuple[SecretRule, ...]) -> bytes:
    rules = [("volatile", pattern) for pattern in volatile] + [(rule.kind, rule.pattern) for rule in secrets]
    parts = [_VIEW, comment.encode(), *(repr((kind, p.pattern, int(p.flags))).encode() for kind, p in rules)]
    return hashlib.sha256(b"\0".join(parts)).digest()[:_RULES]
