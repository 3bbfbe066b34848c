"""``cpe-manager account``: people and programs, and what they may do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cpe_manager.cli.connection import state_of
from cpe_manager.cli.options import Json, Yes, confirmed
from cpe_manager.cli.render import err, fields, out, show_json, show_json_items, table, when
from cpe_manager.domain.access.access import Role
from cpe_manager.domain.access.accounts import AccountKind
from cpe_manager.domain.errors import InputError

if TYPE_CHECKING:
    from cpe_manager.api.schemas.accounts import AccountView

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

NONE = "there are no accounts; cpe-manager account add NAME --role operator"

Name = Annotated[str, typer.Argument(help="The account's name or id.", metavar="ACCOUNT")]
Roles = Annotated[list[Role] | None, typer.Option("--role", help="What it may do; may be repeated.")]
Sites = Annotated[list[str] | None, typer.Option("--site", help="Of a customer: a site that is theirs; repeatable.")]
Originals = Annotated[
    bool | None, typer.Option("--originals/--no-originals", help="May open sealed originals, secrets included.")
]
FullName = Annotated[str | None, typer.Option(help="What the person is called.")]
Email = Annotated[str | None, typer.Option(help="Where it is written to.")]
Subject = Annotated[
    str | None, typer.Option(help="Who it is at the provider of log-ins: issuer and subject, a space between.")
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
]


@app.command("list")
def listing(ctx: typer.Context, as_json: Json = False) -> None:
    """List accounts."""
    with state_of(ctx).client() as client:
        found = list(client.accounts())
    if as_json:
        show_json_items(found)
        return
    rows = [(one.name, one.kind, ",".join(one.roles), _sites(one), _standing(one), one.last_login_at) for one in found]
    table(("name", "kind", "roles", "sites", "state", "last log-in"), rows, none=NONE)


@app.command()
def add(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="What they log in with, or what the program is called.")],
    role: Annotated[list[Role], typer.Option("--role", help="What it may do; may be repeated.")],
    service: Annotated[bool, typer.Option("--service", help="A program: no password, tokens alone.")] = False,
    site: Sites = None,
    originals: Originals = None,
    full_name: FullName = None,
    email: Email = None,
    subject: Subject = None,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Make an account. Without --password-stdin a person gets a password by cpe-manager account password."""
    body: dict[str, Any] = {
        "name": name,
        "kind": AccountKind.SERVICE if service else AccountKind.USER,
        "roles": role,
        "sites": site,
        "originals": bool(originals),
        "full_name": full_name or "",
        "email": email or "",
        "subject": subject,
        "password": from_stdin() if password_stdin else None,
    }
    with state_of(ctx).client() as client:
        made = client.add_account(body)
    if as_json:
        show_json(made)
        return
    out(f"{made.name} added ({', '.join(made.roles)})")
    if made.kind is AccountKind.SERVICE:
        err(f"A token for it: cpe-manager token create --account {made.name} NAME")
    elif not made.has_password and made.subject is None:
        err(f"A first password for them: cpe-manager account password {made.name}")


@app.command()
def show(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show an account."""
    with state_of(ctx).client() as client:
        found = client.account(name)
    if as_json:
        show_json(found)
        return
    password = None
    if found.has_password:
        password = f"since {when(found.password_at)}{', to be changed' if found.temporary else ''}"
    fields(
        (
            ("name", found.name),
            ("id", found.id),
            ("kind", found.kind),
            ("full name", found.full_name or None),
            ("e-mail", found.email or None),
            ("state", _standing(found)),
            ("roles", ", ".join(found.roles)),
            ("sites", _sites(found)),
            ("may", ", ".join(found.permissions)),
            ("password", password),
            ("provider", found.subject),
            ("last log-in", f"{when(found.last_login_at)} {found.last_login_from}".strip()),
            ("failed log-ins", found.failed_logins),
            ("added", f"{when(found.created_at)} by {found.created_by}"),
        )
    )


@app.command("set")
def change(  # noqa: PLR0913, PLR0917 - options of the command
    ctx: typer.Context,
    name: Name,
    role: Roles = None,
    site: Sites = None,
    originals: Originals = None,
    full_name: FullName = None,
    email: Email = None,
    subject: Subject = None,
) -> None:
    """Change an account. --role and --site say all of them; what is left out stays as it is."""
    body = {
        "roles": role or None, "sites": site or None, "originals": originals, "full_name": full_name, "email": email,
        "subject": subject,
    }  # fmt: skip
    given = {field: value for field, value in body.items() if value is not None}
    if not given:
        raise InputError("say what is to change: --role, --site, --originals, --full-name, --email, --subject")
    with state_of(ctx).client() as client:
        out(f"{client.change_account(name, given).name} changed")


@app.command()
def disable(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Disable an account: its sessions end, its tokens are refused, at once. It stays, with its history."""
    confirmed(f"Disable {name}?", yes=yes)
    with state_of(ctx).client() as client:
        out(f"{client.change_account(name, {'disabled': True}).name} disabled")


@app.command()
def enable(ctx: typer.Context, name: Name) -> None:
    """Enable a disabled account again, with the tokens it has."""
    with state_of(ctx).client() as client:
        out(f"{client.change_account(name, {'disabled': False}).name} enabled")


@app.command()
def password(
    ctx: typer.Context, name: Name, password_stdin: PasswordStdin = False, as_json: Json = False
) -> None:  # fmt: skip
    """Give a person a password, to be changed at the first log-in; one is made unless --password-stdin gives it."""
    given = from_stdin() if password_stdin else None
    with state_of(ctx).client() as client:
        made = client.give_password(name, given)
    if as_json:
        show_json(made)
    elif made.password is None:
        out(f"{name} has that password until the first log-in")
    else:
        err(f"Give this password to {name}; it is not shown again:")
        out(made.password)


@app.command()
def unlock(ctx: typer.Context, name: Name) -> None:
    """Forget the failed log-ins of an account, so that the next one is looked at."""
    with state_of(ctx).client() as client:
        out(f"{client.unlock_account(name).name} unlocked")


@app.command("end-sessions")
def end_sessions(ctx: typer.Context, name: Name) -> None:
    """End every session of a person; tokens stay."""
    with state_of(ctx).client() as client:
        out(f"{client.end_sessions(name).sessions} sessions ended")


def from_stdin() -> str:
    text = typer.get_text_stream("stdin").readline().rstrip("\r\n")
    if not text:
        raise InputError("--password-stdin: nothing came on standard input")
    return text


def asked(words: str, *, confirm: bool = False) -> str:
    """A password, from the person at the terminal. Raises ``InputError`` when there is none."""
    if not sys.stdin.isatty():
        raise InputError("no password: use --password-stdin")
    return str(typer.prompt(words, hide_input=True, confirmation_prompt=confirm, err=True))


def _sites(account: AccountView) -> str:
    if account.sites is None:
        return "all"
    shown = ", ".join(account.sites[:5])
    return f"{shown} and {len(account.sites) - 5} more" if len(account.sites) > 5 else shown or "none"


def _standing(account: AccountView) -> str:
    if account.disabled:
        return "disabled"
    if account.held_until is not None and account.failed_logins:
        return f"held: {account.failed_logins} failed log-ins"
    return "active"
