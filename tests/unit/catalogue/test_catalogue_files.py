"""Where the catalogues are found, and when they are read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpe_manager.adapters.catalogue_file import CHANGE_FILE, SERVICE_FILE, CatalogueFiles, shipped, shipped_text
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.subscription.entitlement import NEEDS
from cpe_manager.ports.catalogue import SHIPPED
from tests.support.catalogues import CONFIG, shipped_catalogue, shipped_entries


def files(folder: Path) -> CatalogueFiles:
    return CatalogueFiles(folder / SERVICE_FILE, folder / CHANGE_FILE, NEEDS)


def write(path: Path, text: str) -> None:
    """As an editor does it: another file under the same name."""
    made = path.with_suffix(".new")
    made.write_text(text, encoding="utf-8")
    made.replace(path)


def test_without_files_of_the_operator_the_shipped_ones_are_found(tmp_path: Path) -> None:
    source = files(tmp_path)
    assert source.changed()
    found = source.read()
    assert not source.changed()
    assert (found.service_source, found.changes_source) == (SHIPPED, SHIPPED)
    assert found.service.formulas == shipped_catalogue().formulas
    assert found.entries == shipped_entries()
    assert found.service.version == 0
    assert shipped(SERVICE_FILE) == CONFIG / SERVICE_FILE


def test_a_file_of_the_operator_goes_before_the_shipped_one_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    source = files(tmp_path)
    source.read()
    own = tmp_path / SERVICE_FILE
    write(own, shipped_text(SERVICE_FILE).replace("free_days = 7", "free_days = 9"))
    assert source.changed()
    found = source.read()
    assert (found.service_source, found.changes_source) == (str(own), SHIPPED)
    assert found.service.free_days == 9
    assert not source.changed()
    write(own, shipped_text(SERVICE_FILE).replace("free_days = 7", "free_days = 8"))
    assert source.changed()
    assert source.read().service.free_days == 8
    own.unlink()
    assert source.changed()
    assert source.read().service_source == SHIPPED


def test_what_cannot_be_read_is_told_with_its_file_and_not_read_again_until_it_changes(tmp_path: Path) -> None:
    source = files(tmp_path)
    own = tmp_path / SERVICE_FILE
    write(own, "free_days = ")
    with pytest.raises(InputError) as caught:
        source.read()
    assert caught.value.file == str(own)
    assert not source.changed()
    own.write_bytes(b"# one\nfree_days = 7 # \xff\n")
    with pytest.raises(InputError, match="UTF-8") as caught:
        source.read()
    assert caught.value.line == 2
    own.write_bytes(b"#" * 600_000)
    with pytest.raises(InputError, match="larger"):
        source.read()
    own.unlink()
    own.mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        source.read()


def test_a_file_that_the_product_does_not_bring_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not whole"):
        shipped("pigeons.toml")
