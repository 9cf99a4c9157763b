"""Acts: what staff or an operator did is written down, once, in the transaction of its effect.

The row is for whoever asks, the event for whoever must not be able to take it back: the database's
role can only add rows, and the log is not the database.
"""

from typing import Final

from runtime.database import Connection
from runtime.outbox import put
from schemas.audit import StaffActed
from schemas.wire import first_message

SOURCE: Final = "titan/runtime/audit"

_INSERT: Final = """
    INSERT INTO audit_acts
        (act_id, acted_at, actor, session_id, action, object, reason_sealed, request_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


async def write_act(
    connection: Connection, act: StaffActed, *, traceparent: str | None = None
) -> None:
    """Keep the act as a row and tell it, both in the caller's transaction."""
    await connection.execute(
        _INSERT,
        *(act.request_id, act.requested_at, act.actor, act.session_id),
        *(act.action, act.about, act.reason_sealed, act.http_request_id),
    )
    message = first_message(
        act,
        event_id=act.request_id,
        source=SOURCE,
        now=act.requested_at,
        traceparent=traceparent,
    )
    await put(connection, [message])
