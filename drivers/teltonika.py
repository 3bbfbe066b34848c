"""Teltonika's RutOS: OpenWrt's UCI over exec channels (``_uci_shell``), with the maker's modem and failover sections.

Different from OpenWrt are the mobile interface, named by modem, SIM and APN (``mob1s1a1``), the failover between WANs,
which is mwan3's, and where the box tells what it is: ``mnf_info`` for the maker's data and ``/etc/version`` for the
release.
"""

from __future__ import annotations

import re
from typing import Final

from cpe_manager.domain.model.cpe_mobile import Mobile
from cpe_manager.kit.uci import firewall as uci_firewall
from cpe_manager.kit.uci import mobile as uci_mobile
from cpe_manager.kit.uci.language import Edit, Section, Uci
from cpe_manager.kit.uci.model import MobileWay
from cpe_manager.ports.driver import Facts, Recognition, SnmpFacts
from cpe_manager.ports.line_oids import TELTONIKA
from cpe_manager.ports.shell import Shell
from drivers import _uci_shell

_MOBILE_INTERFACE: Final = "mob1s1a1"
_RELEASE: Final = re.compile(r"(?:RUT|TRB|TCR|OTD|DAP|TSW|ATRM)\w*_R_[0-9.]+\w*")


def _failover(box: Uci, name: str) -> Section | None:
    return box.named("mwan3", name, "interface")


def _mobile_section(box: Uci) -> Section | None:
    found = [s for s in box.all("network", "interface") if re.fullmatch(r"mob[0-9]+s[0-9]+a[0-9]+", s.name)]
    return next((section for section in found if section.name == _MOBILE_INTERFACE), found[0] if found else None)


def _read_mobile(box: Uci) -> Mobile | None:
    """Active when the interface has a default route and mwan3, where it decides, may lead traffic there."""
    section = _mobile_section(box)
    if section is None:
        return None
    failover = _failover(box, section.name)
    led = not uci_mobile.decides(box) or (failover is not None and failover.on("enabled"))
    up = section.on("auto", True) and section.on("defaultroute", True) and not section.on("disabled")
    log_in = ("", "") if section.text("auth") == "none" else (section.text("username"), section.text("password"))
    return uci_mobile.whole(box, section, led and up, log_in)


def _write_mobile(edit: Edit, wanted: Mobile | None) -> None:
    if _read_mobile(edit.box) != wanted:
        _write_interface(edit, wanted)
        uci_mobile.write(edit, wanted, _mobile_section)


def _write_interface(edit: Edit, wanted: Mobile | None) -> None:
    section = _mobile_section(edit.box)
    if wanted is None:
        if section is not None:
            # The section stays: it names the modem and the SIM. Without an APN of its own and switched off it is idle.
            for option in ("apn", "username", "password"):
                edit.put(section, option, None)
            _switch_off(edit, section)
        return
    if section is None:
        section = edit.add("network", "interface", _MOBILE_INTERFACE, proto="wwan", modem="3-1", sim="1", metric="4")
    edit.put(section, "apn", wanted.apn)
    if section.on("auto_apn"):
        # A guess by the SIM's operator would go before what is written here.
        edit.put(section, "auto_apn", "0")
    edit.put(section, "username", wanted.username)
    edit.put(section, "password", wanted.password)
    if bool(wanted.username) != (section.text("auth", "none") != "none"):
        edit.put(section, "auth", "chap" if wanted.username else "none")
    if wanted.active:
        _switch_on(edit, section)
    else:
        _switch_off(edit, section)
    uci_firewall.zone_takes(edit, section.name, True)


def _switch_off(edit: Edit, section: Section) -> None:
    edit.put(section, "disabled", "1")
    failover = _failover(edit.box, section.name)
    if failover is not None and failover.on("enabled"):
        edit.put(failover, "enabled", "0")


def _switch_on(edit: Edit, section: Section) -> None:
    for option, plain in (("disabled", "0"), ("auto", "1"), ("defaultroute", "1")):
        if option in section.options:
            edit.put(section, option, plain)
    if not uci_mobile.decides(edit.box):
        # To watch the mobile line alone would lead all traffic there.
        return
    failover = _failover(edit.box, section.name)
    if failover is not None:
        edit.put(failover, "enabled", "1")
        return
    edit.add("mwan3", "interface", section.name, enabled="1", family="ipv4", interval="3")
    member = edit.add("mwan3", "member", f"{section.name}_member", interface=section.name, metric="2")
    policy = edit.box.named("mwan3", "mwan_default", "policy") or edit.add("mwan3", "policy", "mwan_default")
    edit.put(policy, "use_member", [*policy.words("use_member"), member.name])


SPEC: Final = _uci_shell.uci_spec(
    "teltonika",
    "Teltonika RutOS",
    Recognition(
        sys_object_ids=("1.3.6.1.4.1.48690",),
        sys_descr=(re.compile(r"(?i)\bteltonika\b|\bRUTOS\b"), _RELEASE),
        ssh_version=(re.compile(r"^SSH-2\.0-dropbear"),),
        banner=(re.compile(r"(?i)\bteltonika\b|\brutos\b"), _RELEASE),
        prompt=(re.compile(r"^root@(?:Teltonika|RUT)[\w.-]*:[~/][^\n]*# ?$"),),
        # It is an OpenWrt in all that an OpenWrt is known by.
        priority=10,
        made_from=("openwrt",),
    ),
    # TELTONIKA-MIB: productCode, serial, fwVersion.
    SnmpFacts(
        model=("1.3.6.1.4.1.48690.1.3.0",),
        serial=("1.3.6.1.4.1.48690.1.1.0",),
        os_release=("1.3.6.1.4.1.48690.1.6.0",),
        descr=re.compile(r"\b(?P<release>[A-Z0-9]+_R_\d[\w.]*)"),
        line=TELTONIKA,
    ),
)


class Teltonika(_uci_shell.UciDriver):
    """Implements ``ports.driver.FullDriver`` and ``Archiving``."""

    async def facts(self, shell: Shell) -> Facts:
        board = await _uci_shell.board(shell)
        version = _RELEASE.search(await _uci_shell.value(shell, "cat /etc/version"))
        return Facts(
            hostname=str(board.get("hostname", "")),
            model=await _uci_shell.value(shell, "mnf_info --name") or str(board.get("model", "")),
            serial=await _uci_shell.value(shell, "mnf_info --sn"),
            os_release=version.group() if version else "",
            uptime=await _uci_shell.uptime(shell),
        )


DRIVER: Final = Teltonika(SPEC, MobileWay(_read_mobile, _write_mobile, _mobile_section))
