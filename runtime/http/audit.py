"""What staff does by a request is written down: see runtime/audit.py."""

from typing import Final

from starlette.requests import Request

from domain.errors import Defect
from runtime.audit import write_act
from runtime.database import Connection
from runtime.http.caller import CALLER, Caller, Kind
from runtime.http.resources import EdgeResources
from runtime.http.scope import ACTS, request_id_of, traceparent_of
from schemas.audit import StaffActed

REASON_PURPOSE: Final = "audit.reason"


async def record_act(
    request: Request, connection: Connection, action: str, about: str, *, reason: str | None = None
) -> None:
    """Write down that the caller of this request does `action` to `about`, once a request.

    `action` is like `account.freeze`, `about` like `account:<id>`; `reason` is sealed. Call it in
    the transaction of the effect. Defect if the caller is no staff: a route's rule is wrong.
    """
    caller: Caller = request.scope[CALLER]
    if caller.kind is not Kind.ADMIN:
        raise Defect(f"{action} is an act of staff, and its route lets others in")
    resources: EdgeResources = request.app.state.resources
    sealed = None if reason is None else resources.vault.seal(reason, REASON_PURPOSE)
    act = StaffActed(
        request_id=resources.clock.random_id(),
        requested_at=resources.clock.now(),
        actor=caller.client_id,
        session_id=caller.session_id,
        action=action,
        about=about,
        reason_sealed=sealed,
        http_request_id=request_id_of(request.scope),
    )
    await write_act(connection, act, traceparent=traceparent_of(request.scope))
    request.scope[ACTS] = request.scope.get(ACTS, 0) + 1
