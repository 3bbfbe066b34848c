"""The log-in page: no script, style, font or image from elsewhere, and nothing that works without ``/api/v1``."""

from __future__ import annotations

from html import escape
from typing import Final

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>cpe-manager: log in</title>
<link rel="stylesheet" href="/login/style.css">
{head}
</head>
<body>
<main>
<h1>cpe-manager</h1>
{body}
</main>
</body>
</html>
"""

_FORM: Final = """<noscript><p role="alert">This page takes JavaScript; the command line does without:
<code>cpe-manager login NAME</code>.</p></noscript>
<form id="login" hidden>
<label>Name <input id="name" autocomplete="username" autocapitalize="none" required></label>
<label>Password <input id="password" type="password" autocomplete="current-password" required></label>
<button>Log in</button>
{sso}
</form>
<form id="change" hidden>
<p>This password was given to you. Choose your own: 12 characters or more, several words are good.</p>
<label>New password <input id="fresh" type="password" autocomplete="new-password" minlength="12" required></label>
<label>Once more <input id="again" type="password" autocomplete="new-password" minlength="12" required></label>
<button>Change</button>
</form>
<section id="inside" hidden>
<p>Logged in as <strong id="who"></strong>.</p>
<dl><dt>Roles</dt><dd id="roles"></dd><dt>Sites</dt><dd id="sites"></dd><dt>Until</dt><dd id="until"></dd></dl>
<button id="out" type="button">Log out</button>
</section>
<p id="told" role="alert"></p>
"""

SCRIPT: Final = """"use strict";
const at = (id) => document.getElementById(id);
let csrf = null, given = null;
const told = (text) => { at("told").textContent = text; };
function show(id) { for (const one of ["login", "change", "inside"]) at(one).hidden = one !== id; }
async function ask(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  if (csrf) headers["X-CSRF-Token"] = csrf;
  const init = { method, headers, credentials: "same-origin", body: body && JSON.stringify(body) };
  const answer = await fetch("/api/v1" + path, init);
  const read = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Error(read && read.detail || "HTTP " + answer.status);
  return read;
}
function enter(me) {
  csrf = me.session && me.session.csrf_token;
  if (me.must_change_password) { show(given ? "change" : "login"); return; }
  given = null;
  at("who").textContent = me.name;
  at("roles").textContent = me.roles.join(", ");
  at("sites").textContent = me.sites === null ? "all" : me.sites.join(", ") || "none";
  at("until").textContent = me.session ? new Date(me.session.expires_at).toLocaleString() : "";
  show("inside");
}
function on(id, event, work) {
  at(id).addEventListener(event, async (fired) => {
    fired.preventDefault();
    told("");
    try { await work(); } catch (error) { told(error.message); }
  });
}
on("login", "submit", async () => {
  csrf = null;
  given = at("password").value;
  at("password").value = "";
  enter(await ask("POST", "/session", { name: at("name").value, password: given }));
});
on("change", "submit", async () => {
  if (at("fresh").value !== at("again").value) throw new Error("these are two different passwords");
  await ask("POST", "/me/password", { old: given, new: at("fresh").value });
  at("fresh").value = at("again").value = "";
  enter(await ask("GET", "/me"));
});
on("out", "click", async () => { await ask("DELETE", "/session"); csrf = null; show("login"); });
ask("GET", "/me").then(enter, () => show("login"));
"""

STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { display: grid; place-items: center; min-height: 90vh; margin: 1rem; }
main { width: min(22rem, 100%); }
form, label { display: grid; gap: .5rem; }
form { gap: 1rem; }
[hidden] { display: none; }
input, button { font: inherit; padding: .5rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; }
dd { margin: 0; }
#told { color: light-dark(#a00, #f88); }
"""


def login_page(*, sso: bool) -> str:
    way = '<a href="/login/oidc">Log in by your organisation</a>' if sso else ""
    return _PAGE.format(head='<script src="/login/script.js" defer></script>', body=_FORM.format(sso=way))


def came_page() -> str:
    """After the provider: what follows begins here, so that the session's cookie goes with it."""
    return _PAGE.format(
        head='<meta http-equiv="refresh" content="0; url=/login">', body='<p>Logged in. <a href="/login">Go on</a>.</p>'
    )


def refused_page(reason: str) -> str:
    words = f'<p role="alert">{escape(reason)}</p><p><a href="/login">Back to the log-in</a></p>'
    return _PAGE.format(head="", body=words)
