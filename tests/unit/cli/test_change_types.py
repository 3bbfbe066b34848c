"""What can be asked for, as the command line tells it: every parameter, those inside lists as well."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest

from cpe_manager.api.schemas.changes import ChangeTypeView
from cpe_manager.cli.change_types import describe_type, example_line, parameter_rows
from cpe_manager.cli.options import pairs
from cpe_manager.cli.reading import put
from cpe_manager.domain.changes.catalogue import CHANGE_TYPES, read, schema
from cpe_manager.domain.changes.entries import EntryTerms
from cpe_manager.domain.changes.reading import TOLD
from tests.support.change_scenes import CATALOGUE


def places(kind: Any, place: str = "") -> Iterator[str]:
    """Every field of parameters, worked out from the dataclasses and not from the schema."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        yield f"{place}{field.name}"
        for inner in (
            each for option in (hints[field.name], *get_args(hints[field.name])) for each in get_args(option)
        ):
            if any(TOLD in one.metadata for one in getattr(inner, "__dataclass_fields__", {}).values()):
                yield from places(inner, f"{place}{field.name}[].")


@pytest.mark.parametrize("name", CHANGE_TYPES)
def test_every_parameter_of_every_type_is_told_with_what_it_holds(name: str) -> None:
    rows = list(parameter_rows(schema(name, CATALOGUE)))
    assert [row[0] for row in rows] == list(dict.fromkeys(places(CHANGE_TYPES[name].parameters)))
    for place, kind, _, what in rows:
        assert kind not in {"", "string", "array", "object"}, place
        assert what, place


@pytest.mark.parametrize("name", CHANGE_TYPES)
def test_the_line_that_is_offered_is_one_that_is_taken(name: str) -> None:
    words = shlex.split(example_line(name, schema(name, CATALOGUE)))
    assert words[:5] == ["changes", "submit", name, "--site", "SITE"]
    read(name, put({}, pairs(words[5:], "parameter")))


def test_what_is_inside_a_list_is_told_with_limits_and_what_cannot_be_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terms = EntryTerms("open-port", 1, "open a port", "§5.2.2.1", ("ports",))
    describe_type(ChangeTypeView.of(terms, schema("open-port", CATALOGUE)))
    printed = capsys.readouterr().out
    lines = {line.split()[0]: " ".join(line.split()) for line in printed.splitlines() if line.startswith("ports")}
    assert lines["ports"] == "ports list, 1 to 100 yes What is opened, all of it or nothing"
    assert lines["ports[].inside"].startswith("ports[].inside IPv4 address in each Address of the host inside")
    assert "ports[].port port or range, 1 to 65535 - Port on the outside" in lines["ports[].port"]
    assert "tcp | udp | both - What is let in; unless given: tcp" in lines["ports[].protocol"]
    assert "whole number, 1 to 65535" in lines["ports[].inside_port"]
    assert "ftp | mail | news | ssh | web" in lines["ports[].preset"]
    asked = [{"inside": "192.168.1.10", "port": 443}]
    assert f"Such as: cpe-manager changes submit open-port --site SITE ports='{json.dumps(asked)}'" in printed
