"""Accounts at the command line: made, cut down, logged in to, taken away."""

from __future__ import annotations

from pathlib import Path

from tests.integration.api.live import Live
from tests.unit.cli.runner import Cli, ok, one_line, parsed

FIRST = "first words of ours"
OWN = "several words are good"


def test_a_programs_account_has_tokens_that_may_less_than_it_may(cli: Cli, bare: Cli, daemon: Live) -> None:
    ok(cli("account", "add", "tickets", "--service", "--role", "executor"))
    made = parsed(cli("token", "create", "ci", "--account", "tickets", "--may", "see-changes", "--days", "5", "--json"))
    here = {"CPE_MANAGER_URL": daemon.url, "CPE_MANAGER_TOKEN": made["text"]}
    me = parsed(bare("whoami", "--json", env=here))
    assert (me["name"], me["roles"], me["permissions"], me["token"]) == ("tickets", ["executor"], ["see-changes"], "ci")
    one_line(bare("devices", "list", env=here), "forbidden", "tickets", "see")
    listed = ok(cli("token", "list", "--account", "tickets"))
    assert "see-changes" in listed
    assert made["text"] not in listed
    ok(cli("token", "revoke", "ci", "--account", "tickets"))
    one_line(bare("whoami", env=here), "unauthorised", "token")
    one_line(cli("token", "create", "x"), "input", "--scope", "--account")
    one_line(cli("token", "revoke", "ci", "--account", "nobody"), "not_found", "nobody")


def test_a_person_logs_in_changes_a_given_password_and_works_under_their_own_name(
    cli: Cli, bare: Cli, daemon: Live, tmp_path: Path
) -> None:
    added = cli(
        "account", "add", "an", "--role", "operator", "--full-name", "An Peeters", "--password-stdin", stdin=FIRST
    )
    assert "an added (operator)" in ok(added)
    here = {"CPE_MANAGER_URL": daemon.url}
    one_line(bare("login", "an", "--password-stdin", env=here, stdin="wrong words\n"), "unauthorised", "wrong")
    told = bare("login", "an", "--password-stdin", "--new-password-stdin", env=here, stdin=f"{FIRST}\n{OWN}\n")
    assert "logged in as an" in ok(told)
    own = tmp_path / "config" / "cpe-manager" / "client.toml"
    assert own.stat().st_mode & 0o777 == 0o600
    assert OWN not in own.read_text()
    assert parsed(bare("whoami", "--json"))["name"] == "an"
    ok(bare("devices", "list"))
    one_line(bare("account", "list"), "forbidden", "administer")
    shown = ok(cli("account", "show", "an"))
    for word in ("An Peeters", "operator", "operate", "since"):
        assert word in shown
    assert "to be changed" not in shown
    assert "disabled" in ok(cli("account", "disable", "an", "--yes"))
    one_line(bare("whoami"), "unauthorised", "token")
    one_line(bare("login", "an", "--password-stdin", stdin=OWN, env=here), "unauthorised", "wrong")
    ok(cli("account", "enable", "an"))
    assert parsed(bare("whoami", "--json"))["name"] == "an"


def test_accounts_are_listed_changed_and_given_passwords(cli: Cli, daemon: Live) -> None:
    daemon.run(daemon.world.add_devices("gent", "brugge"))
    ok(cli("account", "add", "klant", "--role", "customer", "--site", "gent"))
    one_line(cli("account", "add", "wrong", "--role", "customer"), "input", "sites")
    one_line(cli("account", "add", "wrong", "--role", "customer", "--site", "nergens"), "not_found", "nergens")
    one_line(cli("account", "set", "klant"), "input", "--role")
    ok(cli("account", "set", "klant", "--site", "gent", "--site", "brugge", "--email", "k@example.com"))
    (listed,) = parsed(cli("account", "list", "--json"))["items"]
    assert (listed["sites"], listed["email"], listed["roles"]) == (["brugge", "gent"], "k@example.com", ["customer"])
    assert "brugge, gent" in ok(cli("account", "list"))
    given = parsed(cli("account", "password", "klant", "--json"))["password"]
    assert len(given) >= 16
    assert "to be changed" in ok(cli("account", "show", "klant"))
    one_line(cli("account", "password", "klant", "--password-stdin", stdin="short\n"), "input", "12")
    ok(cli("account", "unlock", "klant"))
    assert "0 sessions ended" in ok(cli("account", "end-sessions", "klant"))
    one_line(cli("account", "show", "nobody"), "not_found", "nobody")
