"""The log-in dialogue: what to answer to which question, from bytes, without any I/O.

Telnet has no log-in of its own. The device prints questions, and what it prints afterwards tells whether the answers
were to its liking. Each answer is given once.
"""

from __future__ import annotations

import re
from typing import Final

from cpe_manager.domain.errors import AuthFailed
from cpe_manager.kit.terminal_text import clean
from cpe_manager.ports.shell import Credential

_USER: Final = re.compile(r"(?:\buser ?name|\buser|\blogin|\baccount|\blog-?in name)[ ]?:\s*\Z", re.IGNORECASE)
_PASSWORD: Final = re.compile(r"\bpass(?:word|code|wd)?\b[^\n:]{0,60}:\s*\Z", re.IGNORECASE)
_REFUSED: Final = re.compile(
    r"login (?:invalid|incorrect|failed)|log-?in failure|(?:authentication|authorization|password) (?:failed|failure)"
    r"|access denied|permission denied|bad (?:passwords?|secrets)|(?:invalid|wrong|incorrect) (?:login|user|pass)",
    re.IGNORECASE,
)
# Whatever waits for a command: no question, and not the end of a sentence.
_PROMPT: Final = re.compile(r"\S[^\n]{0,120}?[#>$%\]][ ]?\Z|[#>$%][ ]?\Z")


class LogIn:
    """One dialogue. ``seen`` is what came since the last answer: the terminal begins with it."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential
        self._user_given = self._password_given = False
        self.seen = b""

    @property
    def at_prompt(self) -> bool:
        """Whether what came last looks like the prompt of a shell; it is one when nothing follows."""
        line = self._last_line()
        return bool(_PROMPT.search(line)) and not (_USER.search(line) or _PASSWORD.search(line))

    @property
    def secret_given(self) -> bool:
        return self._password_given

    def feed(self, data: bytes) -> str | None:
        """Take a piece; the answer to give now, without its line end. Raises ``AuthFailed``."""
        self.seen += data
        if self._password_given and _REFUSED.search(clean(self.seen)):
            raise AuthFailed("the log-in was refused")
        line = self._last_line()
        if _PASSWORD.search(line):
            return self._password()
        if _USER.search(line):
            return self._user()
        return None

    def _user(self) -> str:
        if self._user_given:
            raise AuthFailed("the log-in was refused: the user's name is asked for again")
        self._user_given = True
        return self._answer(self._credential.username)

    def _password(self) -> str:
        if self._password_given:
            raise AuthFailed("the log-in was refused: the password is asked for again")
        if not self._credential.password:
            raise AuthFailed("the device asks for a password, and the credential has none")
        self._password_given = True
        return self._answer(self._credential.password)

    def _answer(self, text: str) -> str:
        self.seen = b""
        return text

    def _last_line(self) -> str:
        return clean(self.seen[-1024:]).rpartition("\n")[2].strip("\x00\x07")
