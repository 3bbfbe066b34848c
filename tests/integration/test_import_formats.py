"""Inventory files through the registry: telling formats apart, several files, and the examples that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpe_manager.adapters.inventory.families import ALIASES
from cpe_manager.adapters.inventory.formats import InventoryFormats
from cpe_manager.adapters.secrets import CredentialFile
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.fleet.import_plan import Existing, PlanOptions, plan
from cpe_manager.domain.fleet.import_rules import ImportErrors, Known
from cpe_manager.ports.inventory_source import SourceFile

EXAMPLES = Path(__file__).parents[2] / "config" / "examples" / "inventory"


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("a.csv", "name;address\n", "csv"),
        ("export.txt", "\n name\taddress\n", "csv"),
        ("-", "site,name,address\n", "csv"),
        ("router.db", "r1:ios:g\n", "router_db"),
        ("-", "# mine\nr1;ios;up\n", "router_db"),
        ("hosts.yml", "{}", "nornir"),
        ("-", '\ufeff {"results": []}', "netbox"),
        ("dump.json", "", "netbox"),
    ],
)
def test_the_format_is_told_from_the_name_or_the_text(file: str, text: str, name: str) -> None:
    assert InventoryFormats().detect(file, text) == name


def test_a_format_that_cannot_be_told_or_is_not_there_lists_the_known_ones() -> None:
    formats = InventoryFormats()
    with pytest.raises(InputError, match="x: cannot tell the format; name it: csv, router_db, nornir, netbox"):
        formats.detect("x", "hello\n")
    with pytest.raises(InputError, match="'xml' is unknown; known: csv"):
        formats.get("xml")


def test_several_files_are_joined_and_their_problems_reported_together() -> None:
    good, bad = "name,address\nr1,10.0.0.1\n", "name,address\nr2\n"
    formats = InventoryFormats()
    files = [SourceFile("a.csv", good), SourceFile("b.csv", good.replace("r1", "r2"))]
    assert [(d.file, d.name) for d in formats.parse("csv", files, {}).devices] == [("a.csv", "r1"), ("b.csv", "r2")]
    with pytest.raises(ImportErrors) as caught:
        formats.parse("csv", [SourceFile("a.csv", bad), SourceFile("b.csv", "x\n")], {})
    assert {problem.file for problem in caught.value.problems} == {"a.csv", "b.csv"}


def test_a_default_group_goes_to_devices_without_one() -> None:
    file = SourceFile("a.csv", "name,address,group\nr1,10.0.0.1,\nr2,10.0.0.2,g\n")
    document = InventoryFormats().parse("csv", [file], {"default_group": "shops"})
    assert [d.group for d in document.devices] == ["shops", "g"]


def test_what_is_too_big_or_nothing_at_all_is_refused() -> None:
    formats = InventoryFormats()
    with pytest.raises(InputError, match="64 MB"):
        formats.parse("csv", [SourceFile("a", "x" * (64 * 2**20 + 1))], {})
    with pytest.raises(InputError, match="no file"):
        formats.parse("csv", [], {})


@pytest.mark.parametrize(
    ("names", "options", "devices"),
    [
        (["devices.example.csv"], {}, ["bakery-1", "bakery-2", "notary-1"]),
        (["oxidized.example.db"], {"map": "name:0,ip:1,model:2,group:3"}, ["bakery-1", "bakery-2", "notary-1"]),
        (["rancid.example.db"], {}, ["bakery-1.cpe.example.net", "bakery-2.cpe.example.net", "2001:db8:20::1"]),
        (["hosts.example.yaml", "groups.example.yaml", "defaults.example.yaml"], {}, ["bakery-1", "notary-1"]),
        (["netbox-devices.example.json"], {}, ["bakery-1"]),
    ],
)
def test_a_shipped_example_is_recognised_and_imports_into_an_empty_inventory(
    names: list[str], options: dict[str, str], devices: list[str]
) -> None:
    files = [SourceFile(name, (EXAMPLES / name).read_text(encoding="utf-8")) for name in names]
    formats = InventoryFormats()
    document = formats.parse(formats.detect(files[0].name, files[0].text), files, options)
    known = Known(frozenset(ALIASES.values()), frozenset({"core-ios", "edge-openwrt", "edge-frr"}))
    planned = plan(Existing((), ()), document, known, PlanOptions(make_groups=True))
    assert [device.name for device in planned.added] == devices


def test_the_reference_lists_every_alias_of_a_family() -> None:
    reference = (EXAMPLES.parents[2] / "docs" / "reference" / "import-formats.md").read_text(encoding="utf-8")
    assert [alias for alias in ALIASES if f"`{alias}`" not in reference] == []


def test_the_shipped_credentials_are_valid_and_name_what_the_inventories_use(tmp_path: Path) -> None:
    copy = tmp_path / "credentials.toml"
    copy.write_bytes((EXAMPLES.parent / "credentials.example.toml").read_bytes())
    copy.chmod(0o600)
    assert CredentialFile(copy, {}).names() == ("core-ios", "edge-frr", "edge-openwrt")
