"""Where the daemon is and what token it wants: flags, environment, client file, in this order."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cpe_manager.domain.errors import InputError, Unauthorised

if TYPE_CHECKING:
    import typer

    from cpe_manager.client import Client

CLIENT_FILE = "client.toml"
CLIENT_TEXT = "# Where the command line finds the daemon. Keep it private: the token may do everything.\n"
DEFAULT_URL = "http://127.0.0.1:8640"


@dataclass(frozen=True, slots=True)
class State:
    """The options that stand before the command."""

    url: str | None = None
    token: str | None = None
    data_dir: Path | None = None

    def client(self) -> Client:
        """Raises ``InputError`` for a client file that cannot be read, ``Unauthorised`` when there is no token."""
        from cpe_manager.client import Client

        url, token = resolve(self)
        return Client(url, token)


def state_of(ctx: typer.Context) -> State:
    return ctx.obj if isinstance(ctx.obj, State) else State()


def default_data_dir() -> Path:
    """For a person trying it out; a service unit sets ``CPE_MANAGER_DATA_DIR``."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "cpe-manager"


def own_client_file() -> Path:
    """The calling person's."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "cpe-manager" / CLIENT_FILE


def client_files(data_dir: Path | None) -> tuple[Path, ...]:
    """Where a client file is looked for, the first found counts."""
    named = (data_dir / CLIENT_FILE,) if data_dir else ()
    return (*named, own_client_file(), default_data_dir() / CLIENT_FILE)


def resolve(state: State) -> tuple[str, str]:
    """URL and token."""
    filed: dict[str, Any] = {}
    if not (state.url and state.token):
        filed = next((_read(path) for path in client_files(state.data_dir) if path.exists()), {})
    token = state.token or filed.get("token")
    if not token:
        raise Unauthorised(
            "no token: pass --token, set CPE_MANAGER_TOKEN, or point CPE_MANAGER_DATA_DIR at an initialised directory"
        )
    return state.url or filed.get("url") or DEFAULT_URL, token


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read it: {error}", file=str(path)) from error


def write_client_files(data_dir: Path, url: str, token: str) -> list[Path]:
    """One in the data directory, and the calling person's own unless there is one (it may lead to another daemon)."""
    own = own_client_file()
    paths = [data_dir / CLIENT_FILE, *([] if own.exists() else [own])]
    for path in paths:
        _write_private(path, f'{CLIENT_TEXT}url = "{url}"\ntoken = "{token}"\n')
    return paths


def _write_private(path: Path, text: str) -> None:
    """Readable by the owner alone from the first moment; never seen half written."""
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        raise InputError(f"cannot write it: {error.strerror}", file=str(path)) from error
