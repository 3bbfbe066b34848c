"""Whatever a file holds, the answer is a document or an ``InputError``; nothing else comes out."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cpe_manager.adapters.inventory.formats import InventoryFormats
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_plan import Existing, PlanOptions, plan
from cpe_manager.domain.fleet.inventory import InventoryDocument
from cpe_manager.ports.inventory_source import SourceFile
from tests.unit.inventory.world import KNOWN

NAMES = ("csv", "router_db", "nornir", "netbox")
SNIPPETS = (
    "name", "address", ",", ";", ":", "\n", "\r", '"', "#", "r1", "10.0.0.1", "::1", "up", "ios", "- ", "  ", "{", "}",
    "[", "]", "&a ", "*a", "<<: ", "hostname: ", "groups: ", "data: ", "settings.", "\ufeff", "\x00", "\ud800", "null",
)  # fmt: skip
texts = st.text(max_size=60) | st.lists(st.sampled_from(SNIPPETS), max_size=30).map("".join)

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
KEYS = (
    "name", "device_type", "role", "platform", "serial", "site", "status", "primary_ip4", "tags", "custom_fields",
    "address", "value", "slug",
)  # fmt: skip
inner_devices = st.dictionaries(st.sampled_from((*KEYS, "port")), values, max_size=3)
devices = st.dictionaries(st.sampled_from(KEYS), values | inner_devices)
BODY_KEYS = ("hostname", "port", "platform", "groups", "data", "username", "connection_options", "settings", "options")
inner_bodies = st.dictionaries(st.sampled_from(BODY_KEYS), values, max_size=2)
bodies = st.dictionaries(
    st.sampled_from(BODY_KEYS),
    values | st.dictionaries(st.sampled_from(BODY_KEYS), values | inner_bodies, max_size=3),
    max_size=4,
)


few = settings(max_examples=50, deadline=None)


def swallow(name: str, *files: SourceFile, **options: str) -> None:
    with suppress(InputError):
        document = InventoryFormats().parse(name, files, options)
        assert isinstance(document, InventoryDocument)
        plan(Existing((), ()), document, KNOWN, PlanOptions(make_groups=True))


@pytest.mark.parametrize("name", NAMES)
@few
@given(text=texts)
@example(text="")
@example(text="\ufeff")
def test_any_text_gives_a_document_or_an_input_error(name: str, text: str) -> None:
    swallow(name, SourceFile("hosts", text))


@few
@given(text=texts)
def test_telling_the_format_of_any_text_gives_a_name_or_an_input_error(text: str) -> None:
    with suppress(InputError):
        assert InventoryFormats().detect("file", text) in NAMES


@few
@given(found=st.lists(devices | values, max_size=3), group_from=st.sampled_from(["role", "tag", "site"]))
def test_any_json_gives_a_document_or_an_input_error(found: list[object], group_from: str) -> None:
    text = json.dumps({"results": found})
    swallow("netbox", SourceFile("f", text), group_from=group_from)
    swallow("netbox", SourceFile("f", text), skip_incomplete="yes", site_from="tenant")


@few
@given(
    hosts=st.dictionaries(st.text(max_size=3), bodies, max_size=2),
    groups=st.dictionaries(st.sampled_from(["a", "b"]), bodies),
    defaults=bodies,
)
def test_any_nornir_mappings_give_a_document_or_an_input_error(hosts: object, groups: object, defaults: object) -> None:
    files = {"hosts": hosts, "groups": groups, "defaults": defaults}
    swallow("nornir", *(SourceFile(name, json.dumps(value)) for name, value in files.items()))
