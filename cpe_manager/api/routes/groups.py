"""Groups: named bundles of settings that devices inherit."""

from __future__ import annotations

from fastapi import APIRouter, Response

from cpe_manager.api.deps import Reader, ServicesDep, Writer
from cpe_manager.api.etags import TAG, IfMatch, IfNoneMatch, content_tag, require_tag, tagged
from cpe_manager.api.problems import documented
from cpe_manager.api.schemas.common import PageOf
from cpe_manager.api.schemas.devices import GroupBody, GroupView
from cpe_manager.domain.errors import NotFound
from cpe_manager.domain.fleet.inventory import Group

router = APIRouter(prefix="/groups", tags=["groups"], responses=documented())


@router.get("", operation_id="listGroups", summary="All groups")
async def listing(services: ServicesDep, _caller: Reader) -> PageOf[GroupView]:
    return PageOf(items=[GroupView.of(group) for group in await services.inventory.groups()])


@router.get(
    "/{name}",
    operation_id="getGroup",
    summary="A group with its own settings",
    responses=documented("not_found") | {200: {"headers": TAG}},
)
async def show(name: str, services: ServicesDep, _caller: Reader, response: Response) -> GroupView:
    found = next((group for group in await services.inventory.groups() if group.name == name), None)
    if found is None:
        raise NotFound(f"no such group: {name}")
    view = GroupView.of(found)
    tagged(response, content_tag(view))
    return view


@router.put(
    "/{name}",
    operation_id="putGroup",
    summary="Make a group, or replace its settings",
    responses=documented("precondition_failed") | {200: {"headers": TAG}},
)
async def put(
    name: str,
    body: GroupBody,
    services: ServicesDep,
    caller: Writer,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> GroupView:
    def over(known: Group | None) -> None:
        require_tag(None if known is None else content_tag(GroupView.of(known)), if_match, if_none_match)

    made = await services.inventory.put_group(Group(name, **body.model_dump()), by=caller.name, over=over)
    view = GroupView.of(made)
    tagged(response, content_tag(view))
    return view
