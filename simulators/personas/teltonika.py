"""Teltonika router with RutOS: OpenWrt's shell and UCI, the maker's modem tools and failover.

`mnf_info` tells what was written into the box when it was made, `gsmctl` asks the modem, `mwan3` tells which way out
is in use. The modem's answers depend on the box's seed, and its registration on whether the SIM's interface is on.
"""

from __future__ import annotations

import re

from simulators.dialects.shell import TMP, Call
from simulators.dialects.uci_box import Board, UciPersona, hostname
from simulators.dialects.uci_stage import UciStage
from simulators.generate import teltonika as generate
from simulators.generate.site import make_site
from simulators.personas.base import Reply, Traits
from simulators.state import DeviceState

_RELEASE = "RUTX_R_00.07.06.3"
_KERNEL = "5.10.199"
_NAMELESS = f"Teltonika-{generate.MODEL}"
_MOBILE = re.compile(r"mob[0-9]+s[0-9]+a[0-9]+")


def _banner(_state: DeviceState) -> str:
    rule = "-" * 41
    return (
        "\n\nBusyBox v1.34.1 (2024-02-09 08:15:22 UTC) built-in shell (ash)\n\n"
        f"{rule}\n   Simulated Teltonika RUTX series,\n   no vendor's software inside\n{rule}\n"
        f"   Device:     {generate.MODEL}\n   Kernel:     {_KERNEL}\n   Firmware:   {_RELEASE}\n{rule}\n"
    )


def _files(_state: DeviceState) -> dict[str, str]:
    return {
        "/etc/version": f"{_RELEASE}\n",
        "/etc/openwrt_release": "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='21.02-SNAPSHOT'\n"
        "DISTRIB_TARGET='ipq40xx/generic'\nDISTRIB_ARCH='arm_cortex-a7_neon-vfpv4'\n",
        f"{TMP}sysinfo/model": f"{generate.MODEL}\n",
        f"{TMP}sysinfo/board_name": "teltonika,rutx\n",
    }


def _system(state: DeviceState) -> dict[str, object]:
    return {
        "kernel": _KERNEL, "hostname": hostname(state, _NAMELESS), "system": "ARMv7 Processor rev 5 (v7l)",
        "model": generate.MODEL, "board_name": "teltonika,rutx",
        "release": {"distribution": "OpenWrt", "version": "21.02-SNAPSHOT", "revision": "r16279-5cc0535800",
                    "target": "ipq40xx/generic", "description": "OpenWrt 21.02-SNAPSHOT"},
    }  # fmt: skip


def _digits(state: DeviceState, purpose: str, length: int) -> str:
    rng = state.spec.rng(purpose)
    return "".join(str(rng.randrange(10)) for _ in range(length))


def _mnf_info(state: DeviceState, call: Call) -> Reply:
    site = make_site(state.spec)
    values = {
        "--name": f"{generate.MODEL}000000", "-n": f"{generate.MODEL}000000",
        "--sn": site.serial_digits, "-s": site.serial_digits,
        "--mac": site.mac.replace(":", ""), "-m": site.mac.replace(":", ""),
        "--hwver": "1201", "-H": "1201", "--batch": "0042", "-b": "0042",
    }  # fmt: skip
    if not call.words or any(word not in values for word in call.words):
        return Reply(error="Usage: mnf_info [--name] [--sn] [--mac] [--hwver] [--batch]\n", status=1)
    return Reply("".join(f"{values[word]}\n" for word in call.words))


def _ways_out(state: DeviceState) -> dict[str, bool]:
    """Interfaces that mwan3 watches, and whether traffic may go there."""
    stage = UciStage(state)
    network = {section.name: section for section in stage.package("network").sections}
    found = {}
    for section in stage.package("mwan3").sections:
        if section.kind == "interface":
            interface = network.get(section.name)
            off = interface is None or interface.options.get("disabled") == "1" or interface.options.get("auto") == "0"
            found[section.name] = section.options.get("enabled") == "1" and not off
    return found


def _span(seconds: float) -> str:
    """As mwan3 writes how long something lasts."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02d}h:{minutes % 60:02d}m:{rest:02d}s"


def _mwan3(state: DeviceState, call: Call) -> Reply:
    if call.words not in (["status"], ["interfaces"]):
        return Reply(error="Syntax: mwan3 [command]\n\nCommands:\n\tinterfaces\n\tstatus\n", status=1)
    ways = _ways_out(state)
    lasted = _span(state.uptime)
    lines = [
        f" interface {name} is online {lasted}, uptime {lasted} and tracking is active\n"
        if used
        else f" interface {name} is disabled and tracking is not enabled\n"
        for name, used in ways.items()
    ]
    first = next((name for name, used in ways.items() if used), "")
    policy = f"\nCurrent ipv4 policies:\nmwan_default:\n {first} (100%)\n" if first else ""
    return Reply("Interface status:\n" + "".join(lines) + (policy if call.words == ["status"] else ""))


def _gsmctl(state: DeviceState, call: Call) -> Reply:
    on = any(used for name, used in _ways_out(state).items() if _MOBILE.fullmatch(name))
    rssi = -60 - state.spec.rng("signal").randrange(40)
    answers = {
        "-q": f"RSSI: {rssi}\nRSRP: {rssi - 28}\nSINR: 14\nRSRQ: -9",
        "-o": "Operator" if on else "N/A", "-t": "LTE" if on else "No service",
        "-g": "Registered, home" if on else "Not registered", "-j": "Connected" if on else "Disconnected",
        "-i": _digits(state, "imei", 15), "-x": "206" + _digits(state, "imsi", 12),
        "-J": "8932" + _digits(state, "iccid", 15), "-m": "EG06", "-z": "READY", "-u": "OK",
    }  # fmt: skip
    if len(call.words) != 1 or call.words[0] not in answers:
        return Reply(error="Error: unknown option\n", status=1)
    return Reply(f"{answers[call.words[0]]}\n")


PERSONA = UciPersona(
    family="teltonika",
    summary="Teltonika router with RutOS: OpenWrt's shell and UCI, modem tools, failover with mwan3",
    board=Board(
        _NAMELESS,
        _KERNEL,
        "armv7l",
        _banner,
        _files,
        _system,
        tools={"mnf_info": _mnf_info, "mwan3": _mwan3, "gsmctl": _gsmctl},
    ),
    make=generate.factory_config,
    traits=Traits(noise="[ 8123.456789] ipqess-edma c080000.ethernet eth1: Link is Down", ssh_software="dropbear"),
)
