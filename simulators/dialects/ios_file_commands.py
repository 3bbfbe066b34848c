"""The commands of a virtual IOS router that move files and configurations, with the questions that they ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from simulators.dialects import ios_files, ios_rollback
from simulators.personas.base import Reply
from simulators.state import DeviceState

_SAVED = "Building configuration...\n[OK]\n"
_SURE = (
    "This will apply all necessary additions and deletions\nto replace the current running configuration with the\n"
    "contents of the specified configuration file, which is\nassumed to be a complete configuration, not a partial\n"
    "configuration. Enter Y if you are sure you want to proceed. ? [no]: "
)
_OVERWRITE = "%Warning:There is a file already existing with this name\n"


@dataclass(frozen=True, slots=True)
class Question:
    """What the box waits for besides a command."""

    prompt: str
    answer: Callable[[str], Reply]
    echo: bool = True
    single_key: bool = False


class FileCommands:
    """The half of a session that is about files; what waits for an answer is in ``_question``."""

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self._question: Question | None = None

    def _ask(self, prompt: str, answer: Callable[[str], Reply], lead: str = "", *, single: bool = False) -> Reply:
        *before, last = prompt.split("\n")
        self._question = Question(last, answer, single_key=single)
        return Reply(lead + "".join(f"{text}\n" for text in before))

    def _confirm(self, prompt: str, act: Callable[[], Reply], lead: str = "") -> Reply:
        """Enter and `y` confirm, any other key does not."""
        return self._ask(prompt, lambda key: act() if key.lower() in ("", "y") else Reply("\n"), lead, single=True)

    # Files

    @property
    def _quiet(self) -> bool:
        return "\nfile prompt quiet\n" in self._state.running

    def _save(self) -> Reply:
        self._state.save()
        ios_rollback.saved(self._state)
        return Reply(_SAVED)

    def _copy(self, rest: tuple[str, ...]) -> Reply:
        words = [word for word in rest if not word.startswith("/")]
        if len(words) < 2:
            return Reply("% Incomplete command.\n\n")
        source, target = words[0], words[1]
        for name in (source, target):
            if not ios_files.place(name) and name not in ("flash:", "flash:/"):
                return Reply(f"%Error opening {name} (Invalid URL)\n")
        usual = ios_files.place(target) or ios_files.place(source)
        if self._quiet:
            return self._copied(source, target if ios_files.place(target) else f"flash:{usual}")

        def named(answer: str) -> Reply:
            name = answer or usual
            full = name if ":" in name or not ios_files.is_file(target) else f"flash:{name}"
            return self._copied(source, full if ios_files.place(target) else f"flash:{name}", ask=True)

        return self._ask(f"Destination filename [{usual}]? ", named)

    def _copied(self, source: str, target: str, *, ask: bool = False) -> Reply:
        state = self._state
        text = ios_files.content(state, source)
        if text is None:
            return Reply(ios_files.missing(source))
        where = ios_files.place(target)
        if where == ios_files.STARTUP:
            if ios_files.place(source) == ios_files.RUNNING:
                return self._save()
            state.startup = "".join(f"{line}\n" for line in ios_rollback.meaningful(text))
            return Reply(f"[OK]\n{ios_files.copied(text)}")
        if where == ios_files.RUNNING:
            body, said = ios_rollback.merged(state, text)
            state.replace_running(body, state.spec.username)
            return Reply(said + ios_files.copied(text))

        def write() -> Reply:
            ios_files.write(state, target, text)
            return Reply(f"{'!' * (len(text) // 8192 + 1)}\n{ios_files.copied(text)}")

        if ask and where in state.flash:
            return self._confirm("Do you want to over write? [confirm]", write, _OVERWRITE)
        return write()

    def _more(self, rest: tuple[str, ...]) -> Reply:
        text = ios_files.content(self._state, rest[-1]) if rest else None
        return Reply(ios_files.missing(rest[-1] if rest else "")) if text is None else Reply(text)

    def _delete(self, rest: tuple[str, ...]) -> Reply:
        names = [word for word in rest if not word.startswith("/")]
        if not names:
            return Reply("% Incomplete command.\n\n")

        def act() -> Reply:
            return Reply("" if ios_files.delete(self._state, names[0]) else ios_files.missing(names[0]))

        if "/force" in rest or self._quiet:
            return act()
        file = ios_files.place(names[0])
        return self._ask(
            f"Delete filename [{file}]? ", lambda _: self._confirm(f"Delete flash:/{file}? [confirm]", act)
        )

    # Rollback

    def _replace(self, rest: tuple[str, ...]) -> Reply:
        text = ios_files.content(self._state, rest[0]) if rest else None
        if not rest or text is None:
            return Reply("% Incomplete command.\n\n" if not rest else ios_files.missing(rest[0]))
        options, timer = rest[1:], 0
        for word, following in pairwise(options):
            if word in ("timer", "time") and following.isdecimal():
                timer = int(following)
        if ("revert" in options or timer) and not ios_rollback.enabled(self._state):
            return Reply(ios_rollback.OFF)
        if not ios_rollback.is_whole(text):
            return Reply("%Rollback aborted: the file is not a valid config file\n")

        def act() -> Reply:
            return self._replaced(text, timer, atomic="error" in options)

        if "force" in options or self._quiet:
            return act()
        return self._ask(
            _SURE, lambda answer: act() if answer.lower().startswith("y") else Reply("\nRollback aborted\n")
        )

    def _replaced(self, text: str, timer: int, *, atomic: bool) -> Reply:
        state = self._state
        body, refused = ios_rollback.replaced(state, text)
        if refused:
            lines = "".join(f"{line}\n" for line in refused)
            said = f"\nThe following commands are failed to apply to the IOS image.\n********\n\n{lines}\n********\n"
            if atomic:
                said += (
                    "\nRollback aborted after 5 passes\nThe original configuration has been successfully restored.\n"
                )
                return Reply(said)
            state.replace_running(body, state.spec.username)
            return Reply(f"{said}\nTotal number of passes: 5\nRollback aborted after 5 passes\n")
        armed = ios_rollback.arm(state, state.running, timer) if timer else ""
        state.replace_running(body, state.spec.username)
        return Reply(f"{armed}\nTotal number of passes: 1\nRollback Done\n\n")

    def _postpone(self, rest: tuple[str, ...]) -> Reply:
        if not rest or not rest[-1].isdecimal():
            return Reply("% Incomplete command.\n\n")
        return Reply(ios_rollback.postpone(self._state, int(rest[-1])))

    def _revert_now(self) -> str:
        if not ios_rollback.pending(self._state):
            return ios_rollback.NONE_PENDING
        ios_rollback.revert(self._state)
        return "\nTotal number of passes: 1\nRollback Done\n\n"

    def _differences(self, rest: tuple[str, ...]) -> Reply:
        names = (*rest, "running-config")[:2] if rest else ("startup-config", "running-config")
        texts = [ios_files.content(self._state, name) for name in names]
        for name, text in zip(names, texts, strict=True):
            if text is None:
                return Reply(ios_files.missing(name))
        return Reply(ios_rollback.differences(texts[0] or "", texts[1] or ""))

    def _incremental(self, rest: tuple[str, ...]) -> Reply:
        text = ios_files.content(self._state, rest[0]) if rest else None
        if text is None:
            return Reply(ios_files.missing(rest[0] if rest else ""))
        if text.split() and text.split()[-1] != "end":
            return Reply("%Error: the file returned error code 5\n")
        return Reply(ios_rollback.incremental(self._state, text))
