"""The backup file that a box makes itself, a gzipped tar, made fit for keeping: the device's log-in is taken out."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Sequence
from typing import Final

from cpe_manager.kit.redaction import SecretRule, strip_login

LOGIN_FILES: Final = frozenset({"etc/shadow", "etc/shadow-", "etc/gshadow", "etc/gshadow-"})
"""What restoring leaves as it is on the box, when the file does not have it."""


def without_login(content: bytes, rules: Sequence[SecretRule], secrets: Iterable[str]) -> bytes:
    """The file without password hashes, and every text in it without log-in passwords (§5.2.1.3).

    Everything else stays as it is, with owners, modes, times and order. The same content gives the same bytes. Raises
    ``ValueError`` for what is no such file.
    """
    known = tuple(secrets)
    made = io.BytesIO()
    try:
        with (
            tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as old,
            gzip.GzipFile(fileobj=made, mode="wb", mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as new,
        ):
            for member in old:
                if member.name.removeprefix("./") in LOGIN_FILES:
                    continue
                file = old.extractfile(member) if member.isreg() else None
                data = b"" if file is None else _clean(file.read(), rules, known)
                member.size = len(data)
                new.addfile(member, io.BytesIO(data))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"no gzipped tar file: {error}") from error
    return made.getvalue()


def _clean(data: bytes, rules: Sequence[SecretRule], secrets: Sequence[str]) -> bytes:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data  # a key or a database: there a password is no line of text
    return strip_login(text, rules, secrets).encode()
