"""The verbs of the audit log, against a live daemon and without one."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.integration.api.live import Live
from tests.unit.cli.runner import Cli, ok, one_line, parsed


def test_the_log_is_listed_shown_verified_and_exported(cli: Cli, daemon: Live, tmp_path: Path) -> None:
    assert "no such entry" in cli("audit", "list").stderr
    for name in ("a", "b", "c"):
        ok(cli("token", "create", name, "--scope", "read"))
    where = ("--action", "create*", "--since", "2020-01-01T00:00:00Z", "--json")
    listed = parsed(cli("audit", "list", *where))["items"]
    assert [one["number"] for one in listed] == [3, 2, 1]
    assert "createToken" in ok(cli("audit", "list"))
    assert listed[2]["digest"] in ok(cli("audit", "show", "1"))
    assert parsed(cli("audit", "show", "1", "--json")) == listed[2]
    one_line(cli("audit", "show", "99"), "not_found", "99")
    end = f"3:{listed[0]['digest']}"
    verified = ok(cli("audit", "verify"))
    assert verified.splitlines() == ["3 entries, all whole", f"it ends with {end}"]
    ok(cli("audit", "verify", "--seen", end))
    wrong = cli("audit", "verify", "--seen", f"3:{'0' * 64}")
    assert (wrong.exit_code, "forked" in wrong.stdout) == (1, True)
    one_line(cli("audit", "verify", "--seen", "3"), "input", "NUMBER:DIGEST")
    file = tmp_path / "audit.jsonl"
    assert "3 entries" in cli("audit", "export", str(file)).stderr
    assert [json.loads(line)["number"] for line in file.read_text().splitlines()] == [1, 2, 3]
    assert ok(cli("audit", "export")) == file.read_text()
    one_line(cli("audit", "export", str(file)), "input", "exists")


def test_without_a_daemon_the_database_and_an_export_are_looked_at_with_the_key_file(bare: Cli, tmp_path: Path) -> None:
    data = tmp_path / "data"
    ok(bare("init", "--data-dir", str(data)))
    where = {"CPE_MANAGER_DATA_DIR": str(data)}
    assert ok(bare("audit", "verify", "--offline", env=where)).startswith("0 entries")
    import asyncio

    asyncio.run(_write(data))
    assert ok(bare("audit", "verify", "--offline", env=where)).startswith("3 entries")
    lines = asyncio.run(_exported(data))
    file = tmp_path / "audit.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines[1:]))
    assert ok(bare("audit", "verify", "--file", str(file), env=where)).startswith("2 entries")
    file.write_text("".join(f"{line}\n" for line in lines).replace("anna", "eve "))
    edited = bare("audit", "verify", "--file", str(file), env=where)
    assert (edited.exit_code, edited.stdout.split(":")[0]) == (1, "entry 1 is wrong (edited)")
    file.write_text("{}\n")
    one_line(bare("audit", "verify", "--file", str(file), env=where), "input", "no entry")
    database = sqlite3.connect(data / "cpe-manager.sqlite3", timeout=100)
    database.execute("DROP TRIGGER audit_entry_no_delete")
    database.execute("DELETE FROM audit_entry WHERE number = 2")
    database.commit()
    database.close()
    cut = bare("audit", "verify", "--offline", "--json", env=where)
    assert cut.exit_code == 1
    assert json.loads(cut.stdout)["fault"] == {"number": 2, "what": "missing", "detail": "entry 2 is not there"}


async def _write(data: Path) -> None:
    from cpe_manager import bootstrap, settings
    from cpe_manager.domain.access.audit import NewAuditEntry

    async with bootstrap.opened(settings.load(data)) as parts:
        now = parts.clock.now()
        await parts.services.audit.note([NewAuditEntry(now, "anna", "a", f"n{n}", data={"ü": 1.5}) for n in range(3)])


async def _exported(data: Path) -> list[str]:
    from cpe_manager import bootstrap, settings
    from cpe_manager.api.schemas.audit import AuditEntryView
    from cpe_manager.ports.audit import AuditFilter

    async with bootstrap.opened(settings.load(data)) as parts:
        page = await parts.services.audit.list(AuditFilter(), oldest=True)
        return [AuditEntryView.of(one).model_dump_json() for one in page.items]
