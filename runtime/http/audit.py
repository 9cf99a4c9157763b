"""What staff does is written down, once, in the transaction of its effect: a row and an event.

The row is for whoever asks, the event for whoever must not be able to take it back: the database's
role can only add rows, and the log is not the database.
"""

from typing import Final

from starlette.requests import Request

from domain.errors import Defect
from runtime.database import Connection
from runtime.http.caller import CALLER, Caller, Kind
from runtime.http.resources import EdgeResources
from runtime.http.scope import ACTS, request_id_of, traceparent_of
from runtime.outbox import put
from schemas.audit import StaffActed
from schemas.wire import first_message

SOURCE: Final = "titan/runtime/audit"
REASON_PURPOSE: Final = "audit.reason"

_INSERT: Final = """
    INSERT INTO audit_acts
        (act_id, acted_at, actor, session_id, action, object, reason_sealed, request_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


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
    act_id, now = resources.clock.random_id(), resources.clock.now()
    request_id = request_id_of(request.scope)
    sealed = None if reason is None else resources.vault.seal(reason, REASON_PURPOSE)
    await connection.execute(
        _INSERT,
        *(act_id, now, caller.client_id, caller.session_id),
        *(action, about, sealed, request_id),
    )
    event = StaffActed(
        request_id=act_id,
        requested_at=now,
        actor=caller.client_id,
        session_id=caller.session_id,
        action=action,
        about=about,
        reason_sealed=sealed,
        http_request_id=request_id,
    )
    message = first_message(
        event, event_id=act_id, source=SOURCE, now=now, traceparent=traceparent_of(request.scope)
    )
    await put(connection, [message])
    request.scope[ACTS] = request.scope.get(ACTS, 0) + 1
