"""The file that a box makes itself is kept beside each version, and no backup fails for it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from cpe_manager.domain.errors import NotFound
from tests.contract.drivers.roster import DriverCase
from tests.integration.faults.pipeline import pipeline
from tests.support.beside import executed_beside


@pytest.mark.parametrize("family", ["openwrt", "teltonika"])
async def test_each_version_has_the_file_of_its_time_without_the_log_in(
    family: str, tmp_path: Path, sqlite_url: str
) -> None:
    async with pipeline(tmp_path, sqlite_url, DriverCase(family), ["A-1"]) as made:
        history = made.parts.services.history
        await made.run()
        first = await history.find("A-1")
        info, content = await history.open_file(first, by="op")
        assert info.name == f"{family}-sysupgrade.tar.gz"
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            names = archive.getnames()
            network = archive.extractfile("etc/config/network")
            assert network is not None
            assert "config interface" in network.read().decode()
        assert "etc/shadow" not in names
        assert made.fleet.devices[0].spec.secrets.login.encode() not in content
        connections = made.fleet.devices[0].stats.connections
        await made.run()
        assert made.fleet.devices[0].stats.connections == connections + 1, "an unchanged night fetches no file again"
        made.fleet.devices[0].change()
        await made.run()
        second = await history.find("A-1")
        assert second.number == first.number + 1
        assert (await history.open_file(second, by="op"))[0].sha256 != info.sha256


async def test_a_family_that_makes_none_has_none(tmp_path: Path, sqlite_url: str) -> None:
    async with pipeline(tmp_path, sqlite_url, DriverCase("vyos"), ["A-1"]) as made:
        history = made.parts.services.history
        await made.run()
        version = await history.find("A-1")
        assert await history.file(version) is None
        with pytest.raises(NotFound, match="A-1's own making"):
            await history.open_file(version, by="op")


async def test_a_file_that_is_missing_comes_with_the_next_night(tmp_path: Path, sqlite_url: str) -> None:
    async with pipeline(tmp_path, sqlite_url, DriverCase("openwrt"), ["A-1"]) as made:
        history = made.parts.services.history
        await made.run()
        await executed_beside(sqlite_url, "DELETE FROM backup_file")
        version = await history.find("A-1")
        assert await history.file(version) is None
        await made.run()
        assert await history.find("A-1") == version
        assert await history.file(version) is not None


async def test_verify_finds_a_file_that_was_tampered_with(tmp_path: Path, sqlite_url: str) -> None:
    async with pipeline(tmp_path, sqlite_url, DriverCase("openwrt"), ["A-1"]) as made:
        await made.run()
        await executed_beside(sqlite_url, "UPDATE backup_file SET size = size + 1")
        found = await made.verified()
        assert found["broken"] == 1
        assert "openwrt-sysupgrade.tar.gz" in str(found["which"])
