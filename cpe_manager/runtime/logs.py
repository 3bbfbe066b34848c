"""Logs: one JSON object a line, ours and the libraries' alike, with secrets taken out on the way."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from cpe_manager.domain.errors import CpeManagerError
from cpe_manager.kit.log_redaction import Redactor

LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
QUIET = ("alembic", "apscheduler", "asyncio", "asyncssh", "httpcore", "httpx", "procrastinate", "psycopg", "sqlalchemy")
"""Libraries that are heard from ``warning`` on: what they say below that, our own lines say better."""


def configure(level: str = "info", stream: TextIO | None = None, *, redactor: Redactor | None = None) -> None:
    """Send everything to ``stream`` (standard error by default).

    ``redactor`` is the process's own, which knows the literal secrets; without one, names and phrases alone tell.
    """
    target = stream if stream is not None else sys.stderr
    threshold = LEVELS[level]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    last: list[Processor] = [
        (redactor or Redactor()).processor,
        structlog.processors.JSONRenderer(sort_keys=False, default=str, ensure_ascii=False),
    ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=False,
    )
    _route_libraries(target, threshold, [*shared, structlog.stdlib.add_logger_name], last)


def _route_libraries(target: TextIO, threshold: int, first: Sequence[Processor], last: Sequence[Processor]) -> None:
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=list(first),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(max(threshold, logging.WARNING))
    # Each request has one canonical line of ours, with the route and the token's name in it.
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False
    logging.captureWarnings(capture=True)


@contextmanager
def operation(event: str, monotonic: Callable[[], float], **fields: Any) -> Iterator[dict[str, Any]]:
    """One canonical line at the end of an operation: what was gathered in the yielded dict, ``ms`` and ``outcome``.

    ``outcome`` is ``ok``, the error's code, or ``cancelled``; the exception goes on.
    """
    gathered: dict[str, Any] = dict(fields)
    log = structlog.get_logger()
    started = monotonic()
    outcome, error = "cancelled", None
    try:
        yield gathered
        outcome = "ok"
    except CpeManagerError as failure:
        outcome, error = failure.code, str(failure)
        raise
    except Exception as failure:
        outcome, error = "internal", repr(failure)
        raise
    finally:
        write = log.info if outcome in {"ok", "cancelled"} else log.error
        extra = {"error": error} if error is not None else {}
        write(event, **gathered, outcome=outcome, ms=round((monotonic() - started) * 1000, 1), **extra)
