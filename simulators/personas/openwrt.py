"""OpenWrt router: BusyBox shell, UCI with staged changes, ubus."""

from __future__ import annotations

import json

from simulators.dialects.shell import TMP
from simulators.dialects.uci_box import Board, UciPersona, hostname
from simulators.generate import openwrt as generate
from simulators.personas.base import Traits
from simulators.state import DeviceState

_RELEASE = "23.05.5"
_KERNEL = "5.15.167"
_MODEL = "GL.iNet GL-MT3000"
_BOARD = "glinet,gl-mt3000"
_BANNER = (
    "\n\nBusyBox v1.36.1 (2024-09-23 12:34:46 UTC) built-in shell (ash)\n\n"
    "  -----------------------------------------------------\n"
    f"   Simulated OpenWrt {_RELEASE}, no vendor's software inside\n"
    "  -----------------------------------------------------\n"
)


def _banner(_state: DeviceState) -> str:
    return _BANNER


def _files(_state: DeviceState) -> dict[str, str]:
    return {
        "/etc/openwrt_release": f"DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='{_RELEASE}'\n"
        "DISTRIB_TARGET='mediatek/filogic'\nDISTRIB_ARCH='aarch64_cortex-a53'\n",
        "/etc/os-release": f'NAME="OpenWrt"\nVERSION="{_RELEASE}"\nID="openwrt"\n'
        f'PRETTY_NAME="OpenWrt {_RELEASE}"\nOPENWRT_BOARD="mediatek/filogic"\n',
        "/etc/board.json": json.dumps({"model": {"id": _BOARD, "name": _MODEL}}, indent="\t") + "\n",
        f"{TMP}sysinfo/model": f"{_MODEL}\n",
        f"{TMP}sysinfo/board_name": f"{_BOARD}\n",
    }


def _system(state: DeviceState) -> dict[str, object]:
    return {
        "kernel": _KERNEL, "hostname": hostname(state, "OpenWrt"), "system": "ARMv8 Processor rev 4", "model": _MODEL,
        "board_name": _BOARD, "rootfs_type": "squashfs",
        "release": {"distribution": "OpenWrt", "version": _RELEASE, "revision": "r24106-10cc5fcd00",
                    "target": "mediatek/filogic", "description": f"OpenWrt {_RELEASE}"},
    }  # fmt: skip


def _has_base64(state: DeviceState) -> bool:
    return state.spec.options.get("base64", "no") == "yes"


PERSONA = UciPersona(
    family="openwrt",
    summary="OpenWrt router: BusyBox ash, UCI with staged changes, ubus",
    board=Board("OpenWrt", _KERNEL, "aarch64", _banner, _files, _system, has_base64=_has_base64),
    make=generate.factory_config,
    options={"base64": "no|yes: whether BusyBox was built with base64; OpenWrt's own builds have it not"},
    traits=Traits(noise="[ 8123.456789] mtk_soc_eth 15100000.ethernet eth1: Link is Down", ssh_software="dropbear"),
)
