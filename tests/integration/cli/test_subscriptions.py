"""The verbs of catalogues and subscriptions against a live daemon, and the check of a file without one."""

from __future__ import annotations

from pathlib import Path

from cpe_manager.adapters.catalogue_file import CHANGE_FILE, SERVICE_FILE, shipped_text
from tests.integration.api.live import Live
from tests.unit.cli.runner import Cli, ok, one_line, parsed

FIRST = ("customer=Bakkerij Peeters", "formula=pro-plus", "technology=copper")


def test_the_catalogue_is_shown_with_its_version(cli: Cli) -> None:
    shown = ok(cli("catalogue", "show"))
    assert shown.startswith("version 1, taken ")
    assert "from shipped" in shown.splitlines()[0]
    row = next(line.split() for line in shown.splitlines() if line.startswith("mobile-backup"))
    assert row == ["mobile-backup", "§3.8", "-", "-", "-", "OPT", "-"]
    speeds = next(line.split("  ") for line in shown.splitlines() if line.startswith("speed on fibre"))
    assert [one.strip() for one in speeds if one.strip()][2:] == [
        "110/10 350/50 500/100", "220/25 350/50 500/100", "350/50 500/100", "350/50 500/100", "350/50 500/100",
    ]  # fmt: skip
    assert "open a port" in shown
    assert parsed(cli("catalogue", "show", "--version", "1", "--json"))["free_days"] == 7
    assert parsed(cli("catalogue", "versions", "--json"))["items"][0]["number"] == 1
    assert ok(cli("catalogue", "versions")).splitlines()[1].split()[0] == "1"
    one_line(cli("catalogue", "show", "--version", "7"), "not_found", "no version 7")


def test_a_catalogue_file_is_checked_before_the_daemon_reads_it(bare: Cli, tmp_path: Path) -> None:
    assert "come with cpe-manager" in ok(bare("catalogue", "check", "--data-dir", str(tmp_path)))
    service, changes = tmp_path / SERVICE_FILE, tmp_path / CHANGE_FILE
    service.write_text(shipped_text(SERVICE_FILE))
    changes.write_text(shipped_text(CHANGE_FILE))
    said = ok(bare("catalogue", "check", "--data-dir", str(tmp_path)))
    assert "a service catalogue with 5 formulas and 23 components" in said
    assert "a change catalogue with 13 entries" in said
    changes.write_text(shipped_text(CHANGE_FILE).replace("fee = true", 'fee = "40 euro"', 1))
    one_line(
        bare("catalogue", "check", str(changes)), "input", f"{changes}:", "entries.open-port.fee: is true or false"
    )
    service.write_text(shipped_text(SERVICE_FILE).replace("free_days = 7", "free_days = x"))
    one_line(bare("catalogue", "check", str(service)), "input", f"{service}:", "not valid TOML")
    service.write_text(shipped_text(SERVICE_FILE).replace("= 7 ", "= 700 ").replace("rush_days = 2", "rush_days = 0"))
    wrong = bare("catalogue", "check", str(service))
    assert wrong.exit_code == 3
    assert [line.split(": ")[1] for line in wrong.stderr.splitlines()[:2]] == ["free_days", "rush_days"]


def test_a_subscription_is_written_changed_and_shown(cli: Cli, fleet: Live) -> None:
    del fleet
    assert "no site has a subscription" in cli("subscriptions", "list").stderr
    one_line(cli("subscriptions", "show", "r1"), "not_found", "r1")
    made = ok(cli("subscriptions", "set", "r1", *FIRST, "options=ip-pack,mobile-backup"))
    assert made == "r1: pro-plus on copper with ip-pack, mobile-backup, new\n"
    people = "representatives=An Peeters <an@bakkerij.example>; Bo <bo@bakkerij.example>"
    assert ok(cli("subscriptions", "set", "r1", people, "options=mobile-backup")).endswith("mobile-backup, changed\n")
    assert ok(cli("subscriptions", "set", "r1", "language=en")).endswith("unchanged\n")
    shown = ok(cli("subscriptions", "show", "r1"))
    assert "Internet Pro+ (pro-plus, copper)" in shown
    assert "An Peeters <an@bakkerij.example>" in shown
    said = {line.split()[0]: line.split()[1] for line in shown[shown.index("OPERATION") :].splitlines()[1:]}
    assert (said["failover"], said["ip-pack"], said["rush"], said["open-port"]) == ("yes", "no", "no", "yes")
    found = parsed(cli("subscriptions", "show", "r1", "--json"))
    assert found["subscription"]["revision"] == 2
    assert parsed(cli("subscriptions", "list", "--json"))["items"] == [found["subscription"]]
    assert ok(cli("subscriptions", "list", "--formula", "pro-plus")).splitlines()[1].split()[0] == "r1"
    one_line(cli("subscriptions", "set", "r1", "formula=pro"), "input", "mobile-backup cannot be had with Internet Pro")
    one_line(cli("subscriptions", "set", "r9", *FIRST), "input", "no such site")
    one_line(cli("subscriptions", "set", "r1", "nonsense"), "input", "name=value")


def test_many_come_from_a_table_and_a_bad_row_stops_no_other(cli: Cli, fleet: Live, tmp_path: Path) -> None:
    del fleet
    file = tmp_path / "subscriptions.csv"
    head = "site;customer;formula;technology;options;representatives\n"
    rows = [
        'r1;Bakkerij;pro-plus;copper;mobile-backup ip-pack;"An <an@x.example>; Bo <bo@x.example>"',
        "r2;Slager;dial-up;copper;;",
        "r9;Kapper;pro;fibre;;",
        "r1;Bakkerij;pro;copper;;",
    ]
    file.write_text(head + "\n".join(rows) + "\n")
    dry = cli("subscriptions", "import", str(file), "--dry-run")
    assert "would be: 1 new, 3 refused" in dry.stdout
    done = cli("subscriptions", "import", str(file))
    assert done.exit_code == 3
    assert "3 of 4 rows were refused" in done.stderr
    reasons = {line.split()[0]: line for line in done.stdout.splitlines()[1:4]}
    assert "there is no 'dial-up'" in reasons["3"]
    assert "no such site" in reasons["4"]
    assert "row 2 is of this site already" in reasons["5"]
    found = parsed(cli("subscriptions", "show", "r1", "--json"))["subscription"]
    assert (found["options"], len(found["representatives"])) == (["ip-pack", "mobile-backup"], 2)
    file.write_text("site,language\nr1,nl\n")
    assert ok(cli("subscriptions", "import", str(file))).strip() == "1 changed"
    assert ok(cli("subscriptions", "import", str(file))).strip() == "1 unchanged"
