"""What an IOS router's show commands print."""

from __future__ import annotations

import re
from datetime import datetime

from simulators.generate.site import make_site
from simulators.state import DeviceState

_CLOCK_PERIOD = 17179860


def _stamp(moment: datetime) -> str:
    return moment.strftime("%H:%M:%S UTC %a %b ") + f"{moment.day} {moment.year}"


def hostname_of(state: DeviceState) -> str:
    found = re.search(r"^hostname (\S+)", state.running, re.MULTILINE)
    return found.group(1) if found else "Router"


def banner_of(state: DeviceState) -> str:
    """The message of the day, which is printed at login."""
    found = re.search(r"^banner motd \^C\n(.*?)^\^C$", state.running, re.MULTILINE | re.DOTALL)
    return found.group(1) if found else ""


def is_xe(state: DeviceState) -> bool:
    """Whether the box runs IOS XE."""
    return state.spec.options.get("software", "ios") == "iosxe"


def _with_end(state: DeviceState, body: str, displays: int) -> str:
    """What a display makes of a body. IOS tells how its clock drifts, another figure each time; IOS XE counts the
    entries of its access lists."""
    if is_xe(state):
        return f"{_counted(body)}end\n\n"
    return f"{body}ntp clock-period {_CLOCK_PERIOD + displays % 37}\n!\nend\n\n"


def _counted(body: str) -> str:
    lines, number = [], 0
    for line in body.splitlines(keepends=True):
        if line.startswith("ip access-list "):
            number = 10
        elif not line.startswith(" "):
            number = 0
        elif number:
            line, number = f" {number}{line}", number + 10  # noqa: PLW2901
        lines.append(line)
    return "".join(lines)


def running_text(state: DeviceState) -> str:
    state.displays += 1
    body = _with_end(state, state.running, state.displays)
    return (
        f"Building configuration...\n\nCurrent configuration : {len(body)} bytes\n!\n"
        f"! Last configuration change at {_stamp(state.changed_at)} by {state.changed_by}\n!\n{body}"
    )


def startup_body(state: DeviceState) -> str:
    return _with_end(state, state.startup, 0)


def startup_text(state: DeviceState) -> str:
    if not state.startup:
        return "startup-config is not present\n"
    body = startup_body(state)
    return f"Using {len(body)} out of 262136 bytes\n!\n{body}"


def _uptime(state: DeviceState) -> str:
    minutes = int(state.uptime) // 60
    return f"{minutes // 1440} days, {minutes // 60 % 24} hours, {minutes % 60} minutes"


def version_text(state: DeviceState) -> str:
    site = make_site(state.spec)
    name = hostname_of(state)
    if is_xe(state):
        return (
            "Cisco IOS XE Software, Version 17.03.04a\n"
            "Cisco IOS Software [Amsterdam], ISR Software (ARMV8EL_LINUX_IOSD-UNIVERSALK9-M), Version 17.3.4a, "
            "RELEASE SOFTWARE (fc3)\nSimulated box, no vendor's software inside\n\n"
            f"{name} uptime is {_uptime(state)}\nUptime for this control processor is {_uptime(state)}\n"
            f"System returned to ROM by {'power-on' if state.boots == 1 else 'Reload Command'}\n"
            'System image file is "bootflash:c1100-universalk9.17.03.04a.SPA.bin"\n\n'
            "cisco C1111-4PLTEEA (1RU) processor with 1443779K/6147K bytes of memory.\n"
            f"Processor board ID {site.serial}\n1 Cellular interface\n2 Gigabit Ethernet interfaces\n"
            "32768K bytes of non-volatile configuration memory.\n\n"
            "Configuration register is 0x2102\n\n"
        )
    return (
        "Cisco IOS Software, C800 Software (C800-UNIVERSALK9-M), Version 15.7(3)M8, RELEASE SOFTWARE (fc1)\n"
        "Simulated box, no vendor's software inside\n\n"
        f"ROM: System Bootstrap, Version 15.7(3r)M, RELEASE SOFTWARE\n\n{name} uptime is {_uptime(state)}\n"
        f"System returned to ROM by {'power-on' if state.boots == 1 else 'reload'}\n"
        'System image file is "flash:c800-universalk9-mz.SPA.157-3.M8.bin"\n\n'
        f"Cisco C891F-K9 (revision 1.0) with 491520K/32768K bytes of memory.\nProcessor board ID {site.serial}\n\n"
        "1 Cellular interface\n8 FastEthernet interfaces\n2 Gigabit Ethernet interfaces\n"
        "255K bytes of non-volatile configuration memory.\n\nConfiguration register is 0x2102\n\n"
    )


def inventory_text(state: DeviceState) -> str:
    serial, model = make_site(state.spec).serial, "C1111-4PLTEEA" if is_xe(state) else "C891F-K9"
    return (
        f'NAME: "{model}", DESCR: "{model} chassis, Hw Serial#: {serial}, Hw Revision: 1.0"\n'
        f"PID: {model:<18}, VID: V01, SN: {serial}\n\n"
    )


def clock_text(state: DeviceState) -> str:
    now = state.clock()
    return (
        f"*{now.strftime('%H:%M:%S')}.{now.microsecond // 1000:03d} UTC {now.strftime('%a %b')} {now.day} {now.year}\n"
    )


def filtered(text: str, words: tuple[str, ...]) -> str | None:
    """Output behind `| include|exclude|begin|section WORDS`. None: not understood."""
    if len(words) < 2:
        return None
    verb, pattern = words[0], _pattern(" ".join(words[1:]))
    lines = text.splitlines(keepends=True)
    if "include".startswith(verb):
        return "".join(line for line in lines if pattern.search(line))
    if "exclude".startswith(verb):
        return "".join(line for line in lines if not pattern.search(line))
    if "begin".startswith(verb):
        first = next((index for index, line in enumerate(lines) if pattern.search(line)), len(lines))
        return "".join(lines[first:])
    return section(text, " ".join(words[1:])) if "section".startswith(verb) else None


def _pattern(words: str) -> re.Pattern[str]:
    """The box takes regular expressions; what is none is looked for as it stands."""
    try:
        return re.compile(words)
    except re.error:
        return re.compile(re.escape(words))


def section(text: str, header: str) -> str:
    """The blocks whose header begins so, upper and lower case alike."""
    found = re.finditer(rf"^{re.escape(header)}.*\n(?: .*\n)*", text, re.MULTILINE | re.IGNORECASE)
    return "".join(block.group(0) for block in found)


def shrink(text: str) -> str:
    """Keep the head, the hostname and the terminal lines; the byte count is that of what is left."""
    head, _, body = text.partition("version ")
    hostname = re.search(r"^hostname .*$", body, re.MULTILINE)
    tail = body[body.rfind("line con 0") :]
    kept = f"version 15.7\n!\n{hostname.group(0) if hostname else ''}\n!\n{tail}"
    return re.sub(r"(Current configuration : )\d+", rf"\g<1>{len(kept)}", head) + kept
