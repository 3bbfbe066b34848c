"""The process in which templates are rendered. It is started as a file, reads one request and writes the answers.

On standard input: ``{"template": text, "sets": [variables, ...], "limits": {...}, "html": true or false}``; with
``html`` every value that is written is escaped. On standard output, a line of JSON for each set: ``{"text": ...}`` or
``{"error": ..., "line": ...}``; or one line ``{"fatal": ..., "line": ...}``.
It imports nothing of the product: it is run with whatever else is installed out of reach.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any, Final, NoReturn

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

FILE: Final = "<template>"
"""As Jinja2 calls a template without a file; frames of it in a traceback tell the line."""
NOT_REPEATABLE: Final = ("random",)
"""Filters that give another answer when they are asked again."""


class Missing(StrictUndefined):
    """Says which variable it is about in the words of the template."""

    @property
    def _undefined_message(self) -> str:
        name = self._undefined_name
        if isinstance(self._undefined_obj, Named):
            return f"{self._undefined_obj.label}.{name} is not set"
        return f"{name} is not set" if name is not None else "a value is not set"


class Named(dict[str, Any]):
    """A mapping that knows what the template calls it."""

    label = ""


class TooMuch(Exception):
    """A limit of one rendering was reached."""


class Environment(ImmutableSandboxedEnvironment):
    """No files, no attributes that lead out of it, and numbers that stay numbers."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Powers, repetition and padding are where a few characters make a huge value."""
        if operator == "%" and isinstance(left, str):
            raise SecurityError("texts are put together with ~ or the filter format")
        if operator == "*" and not (_is_number(left) and _is_number(right)):
            raise SecurityError("only numbers can be multiplied")
        if operator == "**" and (not _is_number(right) or abs(right) > 64 or abs(left) > 2**32):
            raise SecurityError("the power is too large")
        return super().call_binop(context, operator, left, right)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def written(value: Any) -> Any:
    """Whatever stands between the markers comes by here. What is nothing, or no text or number, is not written."""
    if isinstance(value, Undefined):
        return str(value)  # raises, and says which one
    if value is None:
        raise UndefinedError("what is to be written here is not set")
    if isinstance(value, bool):
        raise UndefinedError("true and false are no text; say what is to be written, as in {{ 'on' if x else 'off' }}")
    if not isinstance(value, (str, int, float)):
        raise UndefinedError("a list or a set of names is no text; use a loop, the filter join, or tojson")
    return value


def environment(*, html: bool) -> Environment:
    made = Environment(
        undefined=Missing, finalize=written, trim_blocks=True, lstrip_blocks=True, autoescape=html, loader=None
    )
    for name in NOT_REPEATABLE:
        made.filters.pop(name, None)
    made.globals.pop("lipsum", None)
    return made


def named(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables, with the name that the template has for each group of them."""
    found: dict[str, Any] = {}
    for name, value in variables.items():
        found[name] = value
        if isinstance(value, dict):
            found[name] = Named(value)
            found[name].label = name
    return found


def one(chunks: Callable[[], Iterable[str]], most: int, seconds: float) -> dict[str, Any]:
    """One rendering, cut off at ``most`` characters and after ``seconds``."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return {"text": "".join(_bounded(chunks(), most))}
    except TemplateError as error:
        return {"error": _said(error), "line": _line(error)}
    except TooMuch as error:
        return {"error": str(error), "line": _line(error)}
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        # Its text may repeat a value, and the value may be a secret.
        return {"error": f"it cannot be worked out ({type(error).__name__})", "line": _line(error)}
    except MemoryError:
        return {"error": "it takes too much memory", "line": None}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _bounded(chunks: Iterable[str], most: int) -> Iterator[str]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise TooMuch(f"it writes more than {most} characters")
        yield chunk


def _said(error: TemplateError) -> str:
    return (error.message or str(error) or type(error).__name__)[:300]


def _line(error: BaseException) -> int | None:
    """The template's line that was at work; the last frame of it, where macros call each other."""
    if isinstance(error, TemplateSyntaxError):
        return error.lineno
    found, step = None, error.__traceback__
    while isinstance(step, TracebackType):
        if step.tb_frame.f_code.co_filename == FILE:
            found = step.tb_lineno
        step = step.tb_next
    return found


def _late(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise TooMuch("it takes too long")


def limit(limits: Mapping[str, float]) -> None:
    """For good, and before anything of the template is looked at."""
    cpu, memory = int(limits["cpu_seconds"]), int(limits["memory"])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    signal.signal(signal.SIGALRM, _late)


def answers(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    limits = request["limits"]
    limit(limits)
    try:
        template = environment(html=request["html"]).from_string(request["template"])
    except (TemplateError, RecursionError, MemoryError) as error:
        reason = _said(error) if isinstance(error, TemplateError) else "it is nested too deeply"
        yield {"fatal": reason, "line": _line(error)}
        return
    for variables in request["sets"]:
        given = named(variables)
        yield one(lambda given=given: template.generate(given), int(limits["characters"]), limits["seconds"])  # type: ignore[misc]


def main() -> None:
    for answer in answers(json.load(sys.stdin)):
        sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
