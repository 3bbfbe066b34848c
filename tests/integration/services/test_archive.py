"""Database and keys into one file, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.keyfile import KeyFile
from backups.vault import Vault
from cpe_manager.adapters.clock import SystemClock, SystemIds
from cpe_manager.adapters.db.database import Database
from cpe_manager.domain.errors import Conflict, KeyringError, SealBroken
from cpe_manager.services.archive import ArchiveReport, read, write
from tests.fakes.sessions import Text
from tests.integration.services.world import World

PASSPHRASE = "correct horse battery"


async def archived(world: World) -> Path:
    """An archive of two versions of one device."""
    await world.add("a")
    world.sessions.plan("a", Text("snmp community Secret-1\nend\n"), Text("snmp community Secret-2\nend\n"))
    await world.run()
    await world.run()
    path = world.home / "all.archive"
    report = await write(path, PASSPHRASE, world.database.maintenance, world.keys, world.clock)
    assert report.rows
    return path


def keys_at(home: Path) -> KeyFile:
    return KeyFile(home / "keys" / "keyring.json", SystemIds(SystemClock()))


async def bring_back(path: Path, url: str, keys: KeyFile, *, passphrase: str = PASSPHRASE) -> ArchiveReport:
    async with await Database.open(url) as database:
        return await read(path, passphrase, database.maintenance, keys)


async def check(url: str, keys: KeyFile) -> None:
    async with await Database.open(url) as database:
        view = await database.inventory.device("a")
        versions = (await database.backups.versions(view.device.position_id)).items
        assert [version.number for version in versions] == [2, 1]
        assert view.status.current_backup_id == versions[0].id
        vault = Vault(keys)
        for version in versions:
            original = vault.open_original(await database.backups.sealed(version.id))
            assert original == f"snmp community Secret-{version.number}\nend\n"


async def test_an_archive_comes_back_into_an_empty_directory_and_every_original_opens(
    world: World, tmp_path: Path
) -> None:
    path = await archived(world)
    home = tmp_path / "new"
    home.mkdir()
    url, keys = f"sqlite:///{home / 'other.db'}", keys_at(home)
    report = await bring_back(path, url, keys)
    assert (report.ring_id, report.rows) == (world.keys.ring().ring_id, report.rows)
    await check(url, keys)


@pytest.mark.postgres
async def test_an_archive_from_sqlite_comes_back_on_postgresql_and_from_there_on_sqlite(
    world: World, tmp_path: Path, postgres_url: str
) -> None:
    path = await archived(world)
    await bring_back(path, postgres_url, keys_at(tmp_path / "one"))
    await check(postgres_url, keys_at(tmp_path / "one"))
    again = tmp_path / "again.archive"
    async with await Database.open(postgres_url) as database:
        await write(again, PASSPHRASE, database.maintenance, keys_at(tmp_path / "one"), world.clock)
    url = f"sqlite:///{tmp_path / 'back.db'}"
    await bring_back(again, url, keys_at(tmp_path / "two"))
    await check(url, keys_at(tmp_path / "two"))


async def test_a_wrong_passphrase_or_a_damaged_archive_changes_nothing(world: World, tmp_path: Path) -> None:
    path = await archived(world)
    url, keys = f"sqlite:///{tmp_path / 'other.db'}", keys_at(tmp_path)
    with pytest.raises(KeyringError):
        await bring_back(path, url, keys, passphrase="wrong")
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    with pytest.raises(SealBroken):
        await bring_back(path, url, keys)
    assert not keys.path.exists()
    async with await Database.open(url) as database:
        assert await database.maintenance.schema_version() is None


async def test_a_database_with_anything_in_it_is_refused_and_no_keys_are_left_beside_it(
    world: World, tmp_path: Path, sqlite_url: str
) -> None:
    path = await archived(world)
    keys = keys_at(tmp_path)
    with pytest.raises(Conflict, match="not empty"):
        await bring_back(path, sqlite_url, keys)
    assert not keys.path.exists()
    assert await world.versions("a") == [(2, "good"), (1, "good")]


async def test_the_keys_of_another_installation_are_never_replaced(world: World, tmp_path: Path) -> None:
    path = await archived(world)
    keys = keys_at(tmp_path)
    foreign = keys.create(world.clock.now())
    with pytest.raises(Conflict, match="another installation"):
        await bring_back(path, f"sqlite:///{tmp_path / 'other.db'}", keys)
    assert keys_at(tmp_path).ring().ring_id == foreign.ring_id


async def test_keys_alone_come_back_beside_the_database_that_lost_them(world: World) -> None:
    path = await archived(world)
    world.keys.path.unlink()
    keys = KeyFile(world.keys.path, world.ids)
    report = await read(path, PASSPHRASE, world.database.maintenance, keys, keys_only=True)
    assert report.rows is None
    sealed = await world.database.backups.sealed((await world.history.find("a", 1)).id)
    assert "Secret-1" in Vault(keys).open_original(sealed)


async def test_no_secret_lies_open_in_an_archive(world: World) -> None:
    path = await archived(world)
    content = path.read_bytes()
    assert b"Secret-1" not in content
    assert b"hostname" not in content
    assert path.stat().st_mode & 0o077 == 0
