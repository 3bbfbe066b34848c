"""IOS router: user and enable mode, pager, configuration mode, files, archive and timed rollback."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from simulators.dialects import ios_files
from simulators.dialects.ios_dialogue import IosDialogue
from simulators.dialects.ios_editor import IosEditor, Refusal
from simulators.dialects.ios_show import hostname_of, running_text, shrink
from simulators.generate import cisco_ios as generate
from simulators.generate.site import MOBILE_OPTION, make_site
from simulators.personas.base import Reply, Traits
from simulators.reach.lines import ios
from simulators.reach.view import Surroundings, View
from simulators.spec import DeviceSpec
from simulators.state import DeviceState

_ERASE = "\b" * 10


class CiscoIos:
    """The family `cisco_ios`."""

    family = "cisco_ios"
    summary = "IOS router: user and enable mode, pager, configure terminal, archive, configure replace, reload, SCP"
    options: Mapping[str, str] = MappingProxyType(
        {
            "mobile": MOBILE_OPTION,
            "software": "ios|iosxe: a router with wifi, or a later one without",
            "login": "user|privileged: the mode after login",
            "password_encryption": "no|yes: readable secrets are kept as type 7",
            "width": "wide|narrow|stuck: a terminal of 80 columns that scrolls, and whether it can be told to be wider",
            "banner": "tricky|plain: whether the banner has a line like a prompt",
        }
    )
    traits = Traits(
        exec_newline="\r\n",
        more=" --More-- ",
        wipe=f"{_ERASE}{' ' * 10}{_ERASE}",
        noise="*Nov 23 02:31:07.123: %LINK-3-UPDOWN: Interface GigabitEthernet0/1, changed state to down",
        quiet_without_pty=False,
        telnet_greeting="\n\nUser Access Verification\n\n",
        telnet_user="Username: ",
        telnet_refused="% Login invalid\n\n",
        ssh_software="Cisco-1.25",
    )

    def factory_config(self, spec: DeviceSpec) -> str:
        return generate.factory_config(spec)

    def running_text(self, state: DeviceState) -> str:
        return running_text(state)

    def hostname(self, state: DeviceState) -> str:
        return hostname_of(state)

    def config_prompt(self, state: DeviceState) -> str:
        return f"{hostname_of(state)}#"

    def dialogue(self, state: DeviceState) -> IosDialogue:
        return IosDialogue(state, privileged=state.spec.options.get("login", "user") == "privileged")

    def execute(self, state: DeviceState, command: str, _stdin: str) -> Reply:
        # One command leaves no room for `enable`: an exec channel runs at the user's own level, 15 here.
        return IosDialogue(state, privileged=True).feed(command)

    def takes_files(self, state: DeviceState) -> bool:
        return "\nip scp server enable\n" in state.running

    def put_file(self, state: DeviceState, path: str, content: str) -> str:
        if not ios_files.is_file(path):
            return f"%Error opening {path} (Invalid argument)"
        ios_files.write(state, path, content)
        return ""

    def get_file(self, state: DeviceState, path: str) -> str | None:
        return ios_files.content(state, path)

    def reads_stdin(self, _command: str) -> bool:
        return False

    def change(self, state: DeviceState, text: str) -> None:
        editor = IosEditor(state.running)
        for line in text.splitlines():
            if line.strip() in ("exit", "end"):
                editor.leave()
            elif line.strip() and isinstance(problem := editor.enter(line), Refusal):
                raise ValueError(f"{self.family} does not take {line!r}: {problem}")
        state.replace_running(editor.text(), state.operator or "console")

    def sample_change(self, spec: DeviceSpec, number: int) -> str:
        rng = spec.rng(f"change {number}")
        host, port = rng.randrange(10, 250), 10000 + number
        return f"ip nat inside source static tcp {make_site(spec).lan_net}.{host} {port} interface Dialer1 {port}"

    def refusal(self, _command: str) -> Reply:
        return Reply("^\n% Invalid input detected at '^' marker.\n\n", status=1)

    def shrink(self, text: str) -> str:
        return shrink(text)

    def plant(self, body: str, line: str) -> str:
        return body.replace("banner motd ^C\n", f"banner motd ^C\n{line}\n", 1)

    def view(self, state: DeviceState, at: Surroundings) -> View:
        return ios(state, at)

    def login_forms(self, spec: DeviceSpec) -> tuple[str, ...]:
        return (generate.user_secret(spec), generate.enable_secret(spec), generate.line_password(spec))


PERSONA = CiscoIos()
