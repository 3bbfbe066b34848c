"""The reference pages are what the code says."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from cpe_manager.api.schemas.kinds import EVENT_KINDS
from cpe_manager.cli.main import app
from cpe_manager.settings import Settings
from scripts.docs import FOLDER, PAGES

ROOT = FOLDER.parent.parent


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "run make docs"


def emitted() -> Iterator[tuple[Path, str]]:
    """First literal argument of every call that makes an event."""
    for path in (ROOT / "cpe_manager").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in {"NewEvent", "event", "_event"}:
                given = [*node.args[:2], *(key.value for key in node.keywords if key.arg == "kind")]
                for one in given:
                    if isinstance(one, ast.Constant) and isinstance(one.value, str) and "." in one.value:
                        yield path, one.value


def test_every_kind_of_event_in_the_code_is_explained() -> None:
    found = list(emitted())
    assert len(found) > 15
    for path, kind in found:
        assert kind in EVENT_KINDS, path


# The sealed format's labels begin with the program's name too.
PROSE = [ROOT / "README.md", *(path for path in sorted((ROOT / "docs").glob("*/*.md")) if path.stem != "sealed-format")]
GROUPS = ("devices", "group", "backup", "schedule", "jobs", "token", "key")


def written_commands() -> Iterator[tuple[Path, str]]:
    """Every command in the documents: lines of blocks, and inline code, there also without the program's name."""
    for path in PROSE:
        text = path.read_text(encoding="utf-8")
        blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)
        indented = re.findall(r"^    (?! ).*$", text, flags=re.MULTILINE)
        for line in [*"".join(blocks).splitlines(), *indented]:
            if found := re.match(r" *(?:docker exec cpe-manager )?(cpe-manager [a-z-].*)", line):
                yield path, found[1]
        for code in re.findall(r"`([^`\n]+)`", text):
            words = code.split()
            if words[0] == "cpe-manager" and len(words) > 1:
                yield path, code
            elif len(words) > 1 and words[0] in GROUPS:
                yield path, f"cpe-manager {code}"


@cache
def command_tree() -> Any:
    """Making it of all the functions takes as long as looking at a hundred commands."""
    return typer.main.get_command(app)


@cache
def complaint(text: str) -> str:
    """What the command line has against a command; the arguments' values are not looked at."""
    words = shlex.split(text, comments=True)[1:]
    command = command_tree()
    while hasattr(command, "commands"):
        words = [word for word in words if word not in {"...", "COMMAND"}]
        if not words or words[0].startswith("-"):
            return ""
        if words[0] not in command.commands:
            return f"no command {words[0]}"
        command = command.commands[words[0]]
        words = words[1:]
    context = command.context_class(command, info_name="x")
    try:
        _, given, _ = command.make_parser(context).parse_args(words)
    except typer.TyperException as error:
        return error.format_message()
    return f"too many words: {given}" if given else ""


def test_every_command_in_the_documents_exists_with_its_options() -> None:
    found = list(written_commands())
    assert len(found) > 60
    assert [(path.name, text, why) for path, text in found if (why := complaint(text))] == []


def test_a_wrong_command_in_a_document_would_be_noticed() -> None:
    assert "--version" in complaint("cpe-manager backup show r1 --version 2")
    assert "lists" in complaint("cpe-manager devices lists")
    assert "too many" in complaint("cpe-manager status now")


def test_every_setting_is_explained_with_its_default() -> None:
    rows = dict(re.findall(r"^\| (`.+?`) \| (.+?) \|", (FOLDER / "settings.md").read_text(), flags=re.MULTILINE))
    told: dict[str, str] = {}
    for names, defaults in rows.items():
        values = defaults.split(", ")
        for index, name in enumerate(re.findall(r"`(\w+)`", names)):
            told[name] = values[min(index, len(values) - 1)].strip("`").strip('"')
    known = {name: field for name, field in Settings.model_fields.items() if name != "data_dir"}
    assert told.keys() == known.keys()
    derived = {
        *("database_url", "drill_command", "keyring_file", "credentials_file", "platforms_file", "git_export_dir"),
        *("service_catalogue_file", "change_catalogue_file"),
    }
    assert {name: told[name] for name in known if name not in derived} == {
        name: str(field.default) for name, field in known.items() if name not in derived
    }
