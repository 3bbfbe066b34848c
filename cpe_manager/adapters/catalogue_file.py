"""The catalogues' files: the operator's own in the data directory, else those that come with the product."""

from __future__ import annotations

import sysconfig
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cpe_manager.adapters.catalogue_reading import read_entries, read_service
from cpe_manager.domain.errors import InputError
from cpe_manager.ports.catalogue import SHIPPED, CatalogueFound

SERVICE_FILE: Final = "service-catalogue.toml"
CHANGE_FILE: Final = "change-catalogue.toml"
_MAX_BYTES: Final = 512 * 1024
_INSTALLED: Final = Path("share", "cpe-manager", "config")


def shipped(name: str) -> Path:
    """Where a file of ``config/`` lies: beside the packages in a source tree, else where the wheel's data went.

    Raises ``InputError`` when it is in neither.
    """
    beside = Path(__file__).resolve().parents[2] / "config"
    schemes = {sysconfig.get_path("data"), sysconfig.get_path("data", sysconfig.get_preferred_scheme("user"))}
    for folder in (beside, *(Path(root) / _INSTALLED for root in sorted(schemes))):
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{name} is neither in {beside} nor in {_INSTALLED} of this Python: the installation is not whole")


def shipped_text(name: str) -> str:
    """Raises ``InputError``."""
    return _text(shipped(name))


@dataclass(frozen=True, slots=True)
class _Stamp:
    """Of the two files: where each was found, and what tells a changed one from the one before."""

    files: tuple[tuple[str, int, int, int], ...]


class CatalogueFiles:
    """``ports.catalogue.CatalogueSource`` over two files. ``types``: changes that there is a class for.

    Each file is the operator's where there is one, else the one that comes along.
    """

    def __init__(self, service: Path, changes: Path, types: Collection[str]) -> None:
        self._service, self._changes, self._types = service, changes, frozenset(types)
        self._seen: _Stamp | None = None

    def changed(self) -> bool:
        """Whether there is something to be read: another file, or another content than when `read` was called last."""
        return self._seen is None or self._stamp() != self._seen

    def read(self) -> CatalogueFound:
        self._seen = self._stamp()  # before the text: what is written meanwhile is seen the next time
        service, changes = self._places()
        return CatalogueFound(
            service=read_service(_text(service), str(service)),
            entries=read_entries(_text(changes), str(changes), self._types),
            service_source=str(service) if service == self._service else SHIPPED,
            changes_source=str(changes) if changes == self._changes else SHIPPED,
        )

    def _places(self) -> tuple[Path, Path]:
        return (
            self._service if self._service.exists() else shipped(SERVICE_FILE),
            self._changes if self._changes.exists() else shipped(CHANGE_FILE),
        )

    def _stamp(self) -> _Stamp | None:
        found = []
        try:
            for path in self._places():
                seen = path.stat()
                found.append((str(path), seen.st_mtime_ns, seen.st_size, seen.st_ino))
        except (OSError, InputError):
            return None  # told when it is read
        return _Stamp(tuple(found))


def _text(path: Path) -> str:
    """Raises ``InputError``."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError("larger than 512 kB", file=str(path))
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError("is not UTF-8 text", file=str(path), line=line) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", file=str(path)) from error
