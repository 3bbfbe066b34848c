"""What happens before a daemon runs: init, the checks at opening, archive and unarchive by settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from cpe_manager import bootstrap
from cpe_manager.domain.access.tokens import Scope
from cpe_manager.domain.errors import Conflict, KeyringError, SettingsError
from cpe_manager.domain.jobs import JobState
from cpe_manager.settings import Settings, load


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("CPE_MANAGER_DATABASE_URL", "CPE_MANAGER_ENGINE"):
        monkeypatch.delenv(name, raising=False)
    return load(tmp_path / "data")


async def test_init_makes_everything_that_a_daemon_needs_readable_by_its_owner_alone(settings: Settings) -> None:
    made = await bootstrap.init(settings)
    assert {path.name for path in made.created} == {
        "cpe-manager.toml", "credentials.toml", "keyring.json", "platforms.toml", "service-catalogue.toml",
        "change-catalogue.toml",
    }  # fmt: skip
    assert all(path.stat().st_mode & 0o077 == 0 for path in settings.data_dir.rglob("*"))
    async with bootstrap.opened(settings) as parts:
        token = await parts.services.tokens.authenticate(made.token or "")
        assert token.scopes == frozenset(Scope)
        (nightly,) = await parts.services.scheduling.list()
        assert (nightly.schedule.name, nightly.schedule.timezone) == ("nightly", "Europe/Brussels")


async def test_init_again_changes_nothing_and_never_replaces_keys(settings: Settings) -> None:
    await bootstrap.init(settings)
    files = {path: path.read_bytes() for path in (settings.keyring, settings.credentials)}
    again = await bootstrap.init(settings)
    assert (again.token, again.created) == (None, ())
    assert {path: path.read_bytes() for path in files} == files
    async with bootstrap.opened(settings) as parts:
        assert len(await parts.services.tokens.list()) == 1
        assert len(await parts.services.scheduling.list()) == 1


async def test_init_makes_no_new_keys_beside_a_database_that_was_sealed_with_others(settings: Settings) -> None:
    await bootstrap.init(settings)
    settings.keyring.unlink()
    with pytest.raises(KeyringError, match="unarchive"):
        await bootstrap.init(settings)
    assert not settings.keyring.exists()


async def test_a_database_is_not_opened_with_the_keys_of_another_installation(
    settings: Settings, tmp_path: Path
) -> None:
    await bootstrap.init(settings)
    other = load(tmp_path / "other")
    await bootstrap.init(other)
    settings.keyring.write_bytes(other.keyring.read_bytes())
    with pytest.raises(KeyringError, match="another installation"):
        async with bootstrap.opened(settings):
            pass


async def test_a_directory_without_an_installation_is_not_opened_and_stays_empty(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="init"):
        async with bootstrap.opened(settings):
            pass
    assert not settings.data_dir.exists()


async def test_two_daemons_never_share_a_data_directory(settings: Settings) -> None:
    with bootstrap.only_daemon(settings), pytest.raises(Conflict, match="another daemon"):  # noqa: SIM117 - in order
        with bootstrap.only_daemon(settings):
            pass
    with bootstrap.only_daemon(settings):
        pass


async def test_an_archive_of_one_installation_is_another_one(settings: Settings, tmp_path: Path) -> None:
    token = (await bootstrap.init(settings)).token or ""
    path = tmp_path / "all.archive"
    written = await bootstrap.archive(settings, path, "passphrase")
    other = load(tmp_path / "other")
    report = await bootstrap.unarchive(other, path, "passphrase")
    assert report.rows == written.rows
    async with bootstrap.opened(other) as parts:
        assert (await parts.services.tokens.authenticate(token)).name == "admin"
        assert (await parts.services.jobs.list(state=JobState.OPEN)).items == ()


async def test_an_archive_is_not_brought_back_into_an_installation_in_use(settings: Settings, tmp_path: Path) -> None:
    await bootstrap.init(settings)
    path = tmp_path / "all.archive"
    await bootstrap.archive(settings, path, "passphrase")
    with pytest.raises(Conflict, match="not empty"):
        await bootstrap.unarchive(settings, path, "passphrase")
    with bootstrap.only_daemon(settings), pytest.raises(Conflict, match="another daemon"):
        await bootstrap.unarchive(settings, path, "passphrase")


async def test_lost_keys_come_back_from_an_archive(settings: Settings, tmp_path: Path) -> None:
    await bootstrap.init(settings)
    path = tmp_path / "all.archive"
    await bootstrap.archive(settings, path, "passphrase")
    before = settings.keyring.read_bytes()
    settings.keyring.unlink()
    await bootstrap.unarchive(settings, path, "passphrase", keys_only=True)
    assert settings.keyring.read_bytes() == before
    async with bootstrap.opened(settings) as parts:
        assert await parts.services.ready() is None


async def test_the_ticket_engine_of_postgresql_is_refused_on_sqlite(tmp_path: Path) -> None:
    settings = load(tmp_path / "data", engine="procrastinate")
    with pytest.raises(SettingsError, match="PostgreSQL"):
        await bootstrap.init(settings)
