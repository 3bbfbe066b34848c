"""Where the daemon is and what token it wants: flags, environment, client file, in this order."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Raises ``InputError`` for a client file that cannot be read, ``Unauthorised`` without a valid token."""
        from cpe_manager.client import Client

        found = resolve(self)
        with Client(found.url, found.token) as client:
            try:
                yield client
            except Unauthorised as error:
                raise Unauthorised(f"{client.url} does not accept the token from {found.source}") from error


@dataclass(frozen=True, slots=True)
class Found:
    """``source``: where the token was found, for a person who wonders which one was used."""

    url: str
    token: str
    source: str


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
    """Where a client file is looked for, the first found counts.

    For a data directory that is named only its own does: any other might lead to another daemon.
    """
    return (data_dir / CLIENT_FILE,) if data_dir else (own_client_file(), default_data_dir() / CLIENT_FILE)


def resolve(state: State) -> Found:
    """Flags and environment first, the rest from a client file. Raises ``InputError``, ``Unauthorised``."""
    path: Path | None = None
    filed: dict[str, Any] = {}
    if not (state.url and state.token):
        path, filed = _first_file(client_files(state.data_dir))
    token = state.token or filed.get("token")
    if not token:
        raise Unauthorised(_where_to_put_one(state, path))
    source = "--token or CPE_MANAGER_TOKEN" if state.token else str(path)
    return Found(state.url or filed.get("url") or DEFAULT_URL, token, source)


def place_of(state: State) -> str:
    """Where the daemon answers, for whoever has no token yet. Raises ``InputError``."""
    return state.url or _first_file(client_files(state.data_dir))[1].get("url") or DEFAULT_URL


def written(url: str, token: str) -> bytes:
    """A client file's text."""
    return f'{CLIENT_TEXT}url = "{url}"\ntoken = "{token}"\n'.encode()


def _where_to_put_one(state: State, path: Path | None) -> str:
    if path is not None:
        return f"no token in {path}; a new one is made by: cpe-manager init --new-token"
    if state.data_dir is not None:
        missing = f"no token: there is no {state.data_dir / CLIENT_FILE}; "
        return f"{missing}pass --token, or make one with: cpe-manager init --new-token --data-dir {state.data_dir}"
    return "no token: pass --token, set CPE_MANAGER_TOKEN, or point CPE_MANAGER_DATA_DIR at an initialised directory"


def _first_file(paths: Sequence[Path]) -> tuple[Path | None, dict[str, Any]]:
    for path in paths:
        try:
            return path, tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read it: {error}", file=str(path)) from error
    return None, {}


def leads_elsewhere(data_dir: Path) -> bool:
    """Whether the calling person's own client file is for another daemon than this data directory's."""
    try:
        _, own = _first_file((own_client_file(),))
        _, ours = _first_file((data_dir / CLIENT_FILE,))
    except InputError:  # whoever's it is, it is not written over
        return True
    return bool(own) and own != ours


def write_client_files(data_dir: Path, url: str, token: str) -> list[Path]:
    """One in the data directory, and the calling person's own unless there is one for another daemon."""
    own = own_client_file()
    paths = [data_dir / CLIENT_FILE, *([] if leads_elsewhere(data_dir) else [own])]
    for path in paths:
        write_private(path, written(url, token))
    return paths


def write_private(path: Path, content: bytes) -> None:
    """Readable by the owner alone from the first moment; never seen half written."""
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        fresh.replace(path)
    except OSError as error:
        raise InputError(f"cannot write it: {error.strerror}", file=str(path)) from error
