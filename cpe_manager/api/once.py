"""Around every POST with an ``Idempotency-Key``: the same key with another body is a conflict, whatever the route."""

from __future__ import annotations

from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cpe_manager.api.problems import problem_response
from cpe_manager.domain.errors import CpeManagerError, StoreError
from cpe_manager.services.request_keys import RequestKeys, Used

log = structlog.get_logger()

HEADER: Final = "idempotency-key"
LONGEST: Final = 200


class Once:
    """Inside of ``Bodies``, which has read the body, and of ``Authentication``."""

    def __init__(self, app: ASGIApp, keys: RequestKeys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope.get("state", {})
        caller = state.get("caller")
        key = Headers(scope=scope).get(HEADER, "") if scope["type"] == "http" and scope["method"] == "POST" else ""
        if caller is None or not 0 < len(key) <= LONGEST:  # one that is too long is refused by the route
            await self._app(scope, receive, send)
            return
        try:
            used = await self._keys.use(key, caller.name, scope["path"], state.get("body", b""))
        except CpeManagerError as error:
            await problem_response(error, state.get("request_id", ""))(scope, receive, send)
            return
        await self._noted(used, (scope, receive, send))

    async def _noted(self, used: Used, request: tuple[Scope, Receive, Send]) -> None:
        scope, receive, send = request
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if used.fresh and not 200 <= status < 300:
                    await _forget(used)
            await send(message)

        await self._app(scope, receive, sending)


async def _forget(used: Used) -> None:
    try:
        await used.forget()
    except StoreError as error:
        # Then the key stays used for what was refused; whoever corrects that takes a new one.
        log.warning("http.key_not_forgotten", code=error.code, reason=str(error))
