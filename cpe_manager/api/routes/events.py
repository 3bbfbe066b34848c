"""Events, as pages and as a stream, and the alarms that hold now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse

from cpe_manager.api.deps import MOST_EVENTS, Cursor, Follower, Limit, Seer, ServicesDep
from cpe_manager.api.feed import EventFeed
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf
from cpe_manager.api.schemas.system import AlarmView, EventView
from cpe_manager.domain.access.access import Permission, require, sight
from cpe_manager.domain.errors import InputError
from cpe_manager.domain.events import EventFilter

router = APIRouter(tags=["events"], responses=documented("not_found"))

EventId = Annotated[int, Query(ge=0, le=MOST_EVENTS, description="Only events with a greater id")]
StreamAfter = Annotated[int | None, Query(ge=0, le=MOST_EVENTS, description="For clients that cannot set the header")]


Kinds = Annotated[
    list[str] | None,
    Query(alias="kind", max_length=20, description="Only these kinds; `line.*` is all that begin so; repeatable"),
]
OfDevice = Annotated[str | None, Query(max_length=255, description="Only those of this device, by name or id")]
OfLine = Annotated[str | None, Query(max_length=255, description="Only those of this line: id, device or reference")]


async def _wanted(
    services: ServicesDep, caller: Follower, kind: Kinds = None, device: OfDevice = None, line: OfLine = None
) -> EventFilter:
    if device is not None or line is not None:
        # Whether there is such a device is an answer too.
        require(caller, Permission.SEE)
    device_id = None if device is None else (await services.inventory.show(device)).device.id
    line_id = None if line is None else (await services.lines.line(line)).line.id
    return EventFilter(tuple(kind or ()), device_id, line_id, sight(caller))


Wanted = Annotated[EventFilter, Depends(_wanted)]


@router.get("/events", operation_id="listEvents", summary="Events of what one may see, oldest first")
async def listing(
    services: ServicesDep,
    _caller: Follower,
    where: Wanted,
    after: EventId = 0,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> PageOf[EventView]:
    first = after if cursor is None else _id_in(cursor)
    found = await services.events.after(first, limit=limit, where=where)
    following = str(found[-1].id) if len(found) == limit else None
    return PageOf(items=[EventView.of(event) for event in found], next_cursor=following)


def _id_in(cursor: str) -> int:
    """The cursor of this list is the id of the last event on the page."""
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < len(str(MOST_EVENTS))):
        raise InputError("not a cursor of this list")
    return int(cursor)


@router.get(
    "/events/stream",
    operation_id="streamEvents",
    summary="Events as they happen (server-sent events); resumes after Last-Event-ID, else begins now",
    response_class=StreamingResponse,
    responses={200: {"description": "One SSE message for each event", "content": {"text/event-stream": {}}}},
)
async def stream(
    request: Request,
    _caller: Follower,
    where: Wanted,
    after: StreamAfter = None,
    last_event_id: Annotated[int | None, Header(ge=0, le=MOST_EVENTS)] = None,
) -> StreamingResponse:
    feed: EventFeed = request.app.state.feed
    first = await feed.start_id(last_event_id if last_event_id is not None else after)
    return StreamingResponse(
        feed.frames(first, where),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/alarms", operation_id="listAlarms", summary="Conditions that hold now, such as an overdue backup")
async def alarms(services: ServicesDep, _caller: Seer) -> PageOf[AlarmView]:
    return PageOf(items=[AlarmView.of(alarm) for alarm in await services.events.alarms()])
