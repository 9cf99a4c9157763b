"""The table `payer_grants`: which programs may pay from whose handles.

What payer.changed tells, of which the last one about a handle and a program stands. The edge
writes the row in one transaction with the event, so whoever was answered reads what they wrote.
"""

from collections.abc import Collection, Sequence
from typing import Final

from runtime.database import Connection

_STANDING: Final = """
    SELECT client_id, handle, owner_client_id
    FROM payer_grants
    JOIN unnest($1::text[], $2::text[], $3::text[]) AS wanted (client_id, handle, owner_client_id)
        USING (client_id, handle, owner_client_id)
"""

_ALLOW: Final = """
    INSERT INTO payer_grants (client_id, handle, owner_client_id) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING
"""

_WITHDRAW: Final = """
    DELETE FROM payer_grants WHERE client_id = $1 AND handle = $2 AND owner_client_id = $3
"""

_LIST: Final = """
    SELECT client_id FROM payer_grants
    WHERE handle = $1 AND owner_client_id = $2
    ORDER BY client_id LIMIT $3
"""

GrantRow = tuple[str, str, str]
"""client_id of the program, handle, client_id of the handle's owner."""


async def standing(connection: Connection, wanted: Collection[GrantRow]) -> list[GrantRow]:
    """Those of the wanted grants that there are."""
    columns = zip(*wanted, strict=True) if wanted else ((), (), ())
    rows = await connection.fetch(_STANDING, *map(list, columns))
    return [(row["client_id"], row["handle"], row["owner_client_id"]) for row in rows]


async def allow(connection: Connection, grant: GrantRow) -> None:
    """Let it stand."""
    await connection.execute(_ALLOW, *grant)


async def withdraw(connection: Connection, grant: GrantRow) -> bool:
    """Let it stand no more; whether it did before."""
    return await connection.execute(_WITHDRAW, *grant) == "DELETE 1"


async def list_programs(
    connection: Connection, handle: str, *, owner_client_id: str, limit: int
) -> Sequence[str]:
    """The client ids of up to `limit` programs that the owner lets pay from the handle."""
    rows = await connection.fetch(_LIST, handle, owner_client_id, limit)
    return [row["client_id"] for row in rows]
