"""A table that stays up to date: drawn anew when something happened, and every few seconds for what counts down."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from cpe_manager.cli.render import boxed, out, show_json_line, tame
from cpe_manager.domain.errors import CpeManagerError

if TYPE_CHECKING:
    from cpe_manager.api.schemas.system import EventView
    from cpe_manager.client import Client

KINDS: Final = ("line.*", "incident.*")
"""What happens to lines."""
_SETTLE: Final = 0.5
"""Seconds between two drawings at least: five hundred lines may fail at once."""
_COUNT_DOWN: Final = 5.0

Rows = tuple[Sequence[str], Sequence[Sequence[Any]], str]
"""Columns, rows and a line above them."""


def follow(client: Client, rows: Callable[[], Rows], *, as_json: bool = False, **where: Any) -> None:
    """Until Ctrl-C. On a terminal the table of ``rows``; elsewhere, and with ``as_json``, the events one a line.
    ``where``: ``line`` or ``device``."""
    start = client.system().last_event_id
    events = client.follow_events(start, kind=list(KINDS), **where)
    if as_json or not sys.stdout.isatty():
        for event in events:
            if as_json:
                show_json_line(event)
            else:
                _tell(event)
            sys.stdout.flush()
        return
    news, failed = threading.Event(), list[CpeManagerError]()

    def listen() -> None:
        try:
            for _ in events:
                news.set()
        except CpeManagerError as error:  # handed to the thread that draws, which raises it
            failed.append(error)
            news.set()

    threading.Thread(target=listen, name="events", daemon=True).start()
    _draw(rows, news, failed)


def _draw(rows: Callable[[], Rows], news: threading.Event, failed: Sequence[CpeManagerError]) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    console = Console()
    pause = threading.Event()
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while not failed:
            news.clear()
            columns, found, above = rows()
            live.update(Group(Text(tame(above)), boxed(columns, found, "", console)), refresh=True)
            news.wait(_COUNT_DOWN)
            pause.wait(_SETTLE)
    raise failed[0]


def _tell(event: EventView) -> None:
    mark = {"warning": "!", "error": "!!"}.get(event.severity, "")
    out(f"{event.at.astimezone():%Y-%m-%d %H:%M:%S}  {mark:2}  {event.kind:18}  {tame(event.message)}")
