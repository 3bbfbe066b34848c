"""What import-linter cannot say about the house: one importer for each library, empty packages, small files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("cpe_manager", "drivers", "backups")
IMPORTERS = {
    "aiosmtplib": ("cpe_manager/adapters/mail.py",),
    "aiosqlite": ("cpe_manager/adapters/db/",),
    "argon2": ("cpe_manager/adapters/passwords.py",),
    "alembic": ("cpe_manager/adapters/db/",),
    "apscheduler": ("cpe_manager/adapters/schedule.py",),
    "asyncssh": ("cpe_manager/adapters/ssh/",),
    "cryptography": ("backups/",),
    "dulwich": ("cpe_manager/adapters/git_export.py",),
    "fastapi": ("cpe_manager/api/",),
    "gufo": ("cpe_manager/adapters/snmp/",),
    "holidays": ("cpe_manager/adapters/holidays.py",),
    # The client speaks to the daemon, and the daemon to hooks, webhooks and a provider of log-ins.
    "httpx": ("cpe_manager/client_http.py", "cpe_manager/adapters/http_posts.py", "cpe_manager/adapters/oidc.py"),
    "jinja2": ("cpe_manager/adapters/templates/child.py",),
    "joserfc": ("cpe_manager/adapters/oidc.py",),
    "netmiko": ("cpe_manager/adapters/netmiko/",),
    "paramiko": ("cpe_manager/adapters/netmiko/",),
    "procrastinate": ("cpe_manager/adapters/engine/",),
    "prometheus_client": ("cpe_manager/runtime/",),
    "psycopg": ("cpe_manager/adapters/db/", "cpe_manager/adapters/engine/"),
    "pydantic": ("cpe_manager/api/", "cpe_manager/cli/", "cpe_manager/client_http.py", "cpe_manager/settings.py"),
    "pydantic_settings": ("cpe_manager/settings.py",),
    "pyasn1": ("cpe_manager/adapters/snmp/",),
    "pysnmp": ("cpe_manager/adapters/snmp/",),
    "rich": ("cpe_manager/cli/",),
    "sqlalchemy": ("cpe_manager/adapters/db/",),
    "starlette": ("cpe_manager/api/",),
    "telnetlib3": ("cpe_manager/adapters/telnet/",),
    "typer": ("cpe_manager/cli/",),
    "uvicorn": ("cpe_manager/daemon.py",),
    "uvloop": ("cpe_manager/cli/",),
    "yaml": ("cpe_manager/adapters/inventory/",),
    "zstandard": ("backups/",),
}
MOST_LINES = 400
MOST_LINES_OF_A_DRIVER = 800
"""A family is one file, so that a stranger finds all of it there: how it is read, understood and changed."""


def product_files() -> Iterator[Path]:
    for folder in PRODUCT:
        yield from (ROOT / folder).rglob("*.py")


@cache
def imported(path: Path) -> frozenset[str]:
    """The top-level names of what a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return frozenset(names)


@pytest.mark.parametrize("library", sorted(IMPORTERS))
def test_each_library_is_imported_in_its_one_place_and_used_there(library: str) -> None:
    users = [path.relative_to(ROOT).as_posix() for path in product_files() if library in imported(path)]
    strangers = [path for path in users if not path.startswith(IMPORTERS[library])]
    assert strangers == []
    # aiosqlite is named in database URLs only
    assert users or library == "aiosqlite"


def test_packages_hold_a_docstring_at_most() -> None:
    for path in product_files():
        if path.name == "__init__.py":
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert all(isinstance(node, ast.Expr) for node in body), path


def test_every_package_says_what_it_is() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in product_files()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_file_of_the_product_has_grown_out_of_hand() -> None:
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in product_files()}
    most = {path: MOST_LINES_OF_A_DRIVER if path.startswith("drivers/") else MOST_LINES for path in lengths}
    assert {path: length for path, length in lengths.items() if length > most[path]} == {}
