"""OpenWrt over exec channels: UCI, with a checksum that the device computes itself.

One command line exports the configuration, exports it again into ``sha256sum``, and prints the device's name and the
status of it all. A text is taken when the last line carries status 0, the checksum is the text's own and the name in
the text is the device's. Nothing is written on the device.

Which ``option password`` is a log-in's (rpcd) and which a customer's (PPP) is told by its section and not by its line.
So the log-in passwords of rpcd are taken out here, where sections are known; line rules do the rest (§5.2.1.3).
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Final

from cpe_manager.domain.errors import CommandRefused, FetchIncomplete, ForeignText
from cpe_manager.kit.config_text import checked, last_lines
from cpe_manager.kit.redaction import REMOVED
from cpe_manager.kit.secret_rules import QUOTED, patterns
from cpe_manager.ports.driver import Capture, Facts, SecretRule, Spec
from cpe_manager.ports.shell import ExecResult, Shell

# Somebody may change the configuration between the two exports, or the kernel write into the output.
_ATTEMPTS: Final = 3
_NAME: Final = "system.@system[0].hostname"
_COMMAND: Final = f'uci export && uci export | sha256sum && uci get {_NAME}; echo "cpe-manager $?"'
_MARK: Final = "cpe-manager "
_DIGEST: Final = re.compile(r"([0-9a-f]{64}) +-")
_HASH: Final = r"\$(?:[0-9][a-z]?|y|gy|sha1)\$"  # crypt(3)
_LOGIN_SECTION: Final = re.compile(r"\nconfig login\b.*\n(?:(?!config |package ).*\n)*")
# `$p$name` refers to an account of /etc/shadow and is no password.
_LOGIN_PASSWORD: Final = re.compile(r"(\n[ \t]+option password )'(?!\$p\$)(?:[^'\n]|'\\'')*'")
_NAME_OPTION: Final = re.compile(r"\n[ \t]+option hostname '([^'\n]*)'\n")


def _hostname(text: str) -> str | None:
    start = 0 if text.startswith("package system\n") else text.find("\npackage system\n")
    if start < 0:
        return None
    end = text.find("\npackage ", start + 1)
    found = _NAME_OPTION.search(text, start, len(text) if end < 0 else end)
    return found.group(1) if found else None


def _option(*names: str) -> str:
    return rf"^[ \t]+(?:option|list) (?:{'|'.join(names)}) {QUOTED}"


SPEC: Final = Spec(
    family="openwrt",
    title="OpenWrt",
    comment="#",
    volatile=(),
    secrets=(
        *(
            SecretRule(pattern, "login")
            for pattern in patterns(
                rf"^[ \t]+option password '(?P<secret>{_HASH}[^'\n]+)'",
                _option("root_password", "admin_password", "http_password", "httpauth"),
            )
        ),
        *(
            SecretRule(pattern, "snmp")
            for pattern in patterns(
                _option("community", "rocommunity6?", "rwcommunity6?", "trapcommunity", "AuthPass", "PrivPass")
            )
        ),
        *(
            SecretRule(pattern, "wifi")
            for pattern in patterns(
                # WEP names its key by number, 1 to 4, and keeps them in key1 to key4.
                rf"^[ \t]+option key (?!'[1-4]'){QUOTED}",
                _option("key[1-4]", "sae_password", "wpa_psk", "wpakey", "ft_psk"),
            )
        ),
        *(
            SecretRule(pattern, "ppp")
            for pattern in patterns(_option("pincode", "ppp_password", "pap_password", "chap_password", "chap_secret"))
        ),
        *(
            SecretRule(pattern, "key")
            for pattern in patterns(
                _option(
                    *("private_key", "preshared_key", "pre_shared_key", "psk", "secret", "shared_secret", "tlspsk"),
                    *("auth_secret", "acct_secret", "dae_secret", "radius_secret", "r0kh", "r1kh", "nas_secret"),
                    *("ikey", "okey", "auth_key", "authkey", "authkeys", "tls_auth_key", "enc_key", "wps_pin"),
                    *("priv_key_pwd2?", "private_key_passwd", "identity_key"),
                ),
            )
        ),
        *(
            SecretRule(pattern, "other")
            for pattern in patterns(
                # One word for PPP, dynamic DNS, EAP and rpcd: which of them it is, its line does not tell.
                rf"^[ \t]+(?:option|list) (?:(?:auth_|user)?pass|passwd|password)[0-9]? (?!'(?:{_HASH}|\$p\$)){QUOTED}",
                _option("token", "api_?key", "apikey", "access_key", "access_secret", "secret_key", "credentials"),
                _option("smtp_pass(?:word)?", "mqtt_pass(?:word)?", "proxy_pass(?:word)?", "auth_pass", "kadpassword"),
                r"\b[a-z]+://[^\s:/@']+:(?P<secret>[^\s@']+)@",
            )
        ),
    ),
    maturity="lab",
    hostname=_hostname,
)


class OpenWrt:
    """Implements ``ports.driver.Driver``."""

    @property
    def spec(self) -> Spec:
        return SPEC

    async def fetch(self, shell: Shell) -> Capture:
        problem = FetchIncomplete("never asked")
        for _ in range(_ATTEMPTS):
            try:
                return _accepted(await shell.execute(_COMMAND))
            except FetchIncomplete as error:
                problem = error
        raise problem

    async def facts(self, shell: Shell) -> Facts:
        result = await shell.execute("ubus call system board")
        try:
            board = json.loads(result.stdout)
        except ValueError as error:
            raise FetchIncomplete("the board's description is no JSON") from error
        if not isinstance(board, dict):
            raise FetchIncomplete("the board's description is no JSON object")
        release = board.get("release")
        return Facts(
            hostname=str(board.get("hostname", "")),
            model=str(board.get("model", "")),
            os_release=str(release.get("version", "")) if isinstance(release, dict) else "",
        )


def _accepted(result: ExecResult) -> Capture:
    """The configuration out of a reply. Raises ``CommandRefused``, ``FetchIncomplete`` or ``ForeignText``."""
    mark, *before = last_lines(result.stdout, 3)
    status = mark[len(_MARK) :] if mark.startswith(_MARK) else ""
    if status not in ("", "0") or result.exit_status not in (0, None):
        reason = result.stderr.strip().partition("\n")[0] or "no reason given"
        raise CommandRefused(f"`uci export` ended with status {status or result.exit_status}: {reason}")
    digest = _DIGEST.fullmatch(before[1]) if len(before) == 2 else None
    if status != "0" or digest is None or result.exit_status is None:
        raise FetchIncomplete("the end mark behind the configuration is missing")
    exported = result.stdout[: result.stdout.rindex(digest.group())]
    text, name = checked(exported), before[0]
    written = _hostname(text)
    if written is not None and written != name:
        raise ForeignText(f"the configuration is of {written}, not of {name}")
    if hashlib.sha256(exported.encode()).hexdigest() != digest.group(1):
        raise FetchIncomplete("the checksum is not the one that the device computed")
    return Capture(_without_logins(text), name, counted=True)


def _without_logins(text: str) -> str:
    if "\nconfig login" not in text:
        return text
    return _LOGIN_SECTION.sub(lambda section: _LOGIN_PASSWORD.sub(rf"\1'{REMOVED}'", section.group()), text)


DRIVER: Final = OpenWrt()
