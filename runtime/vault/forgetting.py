"""Forgetting a person: their key and traces are destroyed, and the log is told, in one commit."""

from typing import Final
from uuid import UUID, uuid5

from runtime.clock import Clock
from runtime.database import Connection
from runtime.outbox import put
from runtime.vault.vault import Vault
from schemas.forgetting import PersonForgotten
from schemas.wire import first_message

SOURCE: Final = "titan/vault"
_NAMESPACE: Final = UUID("9d6f0b0c-6a55-5b0e-8f7d-3a1f6f1b5f6e")


async def forget_person(
    vault: Vault, connection: Connection, person_id: UUID, *, clock: Clock
) -> bool:
    """Forget a person within the caller's transaction; False if they were forgotten before.

    Safe to repeat: the same event is told again, with the id and the time of the first. Ends no
    session and gives up no handle: see producers/users/forgetting.py.
    """
    is_fresh = await vault.forget(connection, person_id)
    forgotten_at = await connection.fetchval(
        "SELECT forgotten_at FROM forgotten_people WHERE owner = $1", person_id
    )
    event = PersonForgotten(person_id=person_id, forgotten_at=forgotten_at)
    event_id = uuid5(_NAMESPACE, str(person_id))
    message = first_message(
        event, event_id=event_id, source=SOURCE, now=clock.now(), traceparent=None
    )
    await put(connection, [message])
    return is_fresh
