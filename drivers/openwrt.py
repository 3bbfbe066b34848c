"""OpenWrt: UCI over exec channels, as ``_uci_shell`` speaks it, with the modem drivers of its own interfaces."""

from __future__ import annotations

import re
from typing import Final

from cpe_manager.domain.model.cpe_mobile import Mobile
from cpe_manager.kit.uci import firewall as uci_firewall
from cpe_manager.kit.uci import mobile as uci_mobile
from cpe_manager.kit.uci.language import Edit, Section, Uci
from cpe_manager.kit.uci.model import MobileWay
from cpe_manager.ports.driver import Facts, Recognition, SnmpFacts
from cpe_manager.ports.shell import Shell
from drivers import _uci_shell

# Drivers of modems on OpenWrt, each a protocol of an interface.
_MODEMS: Final = ("qmi", "mbim", "modemmanager", "ncm", "3g", "wwan")
# Above what any WAN has: the route stands by.
_STANDBY_METRIC: Final = "200"


def _mobile_section(box: Uci) -> Section | None:
    return next((s for s in box.all("network", "interface") if s.text("proto") in _MODEMS), None)


def _read_mobile(box: Uci) -> Mobile | None:
    section = _mobile_section(box)
    if section is None:
        return None
    active = section.on("auto", True) and section.on("defaultroute", True) and not section.on("disabled")
    return uci_mobile.whole(box, section, active, (section.text("username"), section.text("password")))


def _write_mobile(edit: Edit, wanted: Mobile | None) -> None:
    if _read_mobile(edit.box) != wanted:
        _write_interface(edit, wanted)
        uci_mobile.write(edit, wanted, _mobile_section)


def _write_interface(edit: Edit, wanted: Mobile | None) -> None:
    section = _mobile_section(edit.box)
    if wanted is None:
        if section is not None:
            # The interface stays: what modem is in the box is no matter of configuration. Without an APN it is idle.
            for option in ("apn", "auth", "username", "password"):
                edit.put(section, option, None)
            edit.put(section, "disabled", "1")
        return
    if section is None:
        device = "/dev/cdc-wdm0"
        section = edit.add("network", "interface", "mobile", proto="qmi", device=device, metric=_STANDBY_METRIC)
    edit.put(section, "apn", wanted.apn)
    edit.put(section, "username", wanted.username)
    edit.put(section, "password", wanted.password)
    if bool(wanted.username) != (section.text("auth", "none") != "none"):
        edit.put(section, "auth", "both" if wanted.username else None)
    if wanted.active:
        if not uci_mobile.preferred(edit.box, section):
            edit.put(section, "metric", section.text("metric", _STANDBY_METRIC))
        for option in ("auto", "defaultroute", "disabled"):
            edit.put(section, option, None)
    else:
        # `auto` off would do too, but netifd does not bring an interface up when it is on again.
        edit.put(section, "disabled", "1")
    uci_firewall.zone_takes(edit, section.name, True)


SPEC: Final = _uci_shell.uci_spec(
    "openwrt",
    "OpenWrt",
    # Its SNMP agent is net-snmp as on any Linux: sysObjectID 1.3.6.1.4.1.8072.3.2.10 tells nothing.
    Recognition(
        sys_descr=(re.compile(r"\b(?:OpenWrt|LEDE)\b"),),
        ssh_version=(re.compile(r"^SSH-2\.0-dropbear"),),
        banner=(re.compile(r"\b(?:OpenWrt|LEDE)\b"), re.compile(r"BusyBox v[0-9.]+ .*built-in shell \(ash\)")),
        prompt=(re.compile(r"^root@[\w.-]+:[~/][^\n]*# ?$"),),
    ),
    SnmpFacts(descr=re.compile(r"\b(?:OpenWrt|LEDE) (?P<release>\S+)")),
)


class OpenWrt(_uci_shell.UciDriver):
    """Implements ``ports.driver.FullDriver`` and ``Archiving``."""

    async def facts(self, shell: Shell) -> Facts:
        board = await _uci_shell.board(shell)
        release = board.get("release")
        return Facts(
            hostname=str(board.get("hostname", "")),
            model=str(board.get("model", "")),
            # Boards without one in their device tree have no serial number that software could read.
            serial=await _uci_shell.value(shell, "cat /proc/device-tree/serial-number"),
            os_release=str(release.get("version", "")) if isinstance(release, dict) else "",
            uptime=await _uci_shell.uptime(shell),
        )


DRIVER: Final = OpenWrt(SPEC, MobileWay(_read_mobile, _write_mobile, _mobile_section))
