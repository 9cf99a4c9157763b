"""Who is to be told by webhooks: endpoints as their table has them, and what each is owed.

An endpoint that was changed since it was made may have wanted other events then, or none: it is
owed nothing by a proof, and what it was sent is proven all the same.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from proof import queries_telling as queries
from proof.limits import SKEW_S
from proof.relations import DEMANDED
from proof.scope import US
from runtime.database import Connection

NOBODY: Final = -1
"""The number of a client that an event does not name."""

_VERSION: Final = re.compile(r"\.v\d+$")


class Endpoint(NamedTuple):
    """Where a client wants to be told."""

    endpoint_id: UUID
    filters: tuple[str, ...]
    owed_from_us: int | None
    """What occurred from then on it is owed; None: nothing for sure."""

    def wants(self, event_type: str) -> bool:
        """Whether a filter names the type: whole, without its version, or by its beginning."""
        named = {event_type, _VERSION.sub("", event_type)}
        return not self.filters or any(
            event_type.startswith(each.removesuffix("*")) if each.endswith("*") else each in named
            for each in self.filters
        )


class Owed(NamedTuple):
    """A delivery that there may be; `flags` says whether it must."""

    delivery: bytes
    endpoint: bytes
    flags: int


class Subscribers:
    """Clients that have an endpoint, by number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._endpoints: list[list[Endpoint]] = []

    @classmethod
    async def read(cls, connection: Connection) -> "Subscribers":
        """As the snapshot has them."""
        found = cls()
        for row in await connection.fetch(queries.ENDPOINTS):
            client_id = row["client_id"]
            if client_id not in found._numbers:
                found._numbers[client_id] = len(found._endpoints)
                found._endpoints.append([])
            begins_us = int((row["created_at"].timestamp() + SKEW_S) * US)
            endpoint = Endpoint(
                row["endpoint_id"],
                tuple(row["event_types"]),
                begins_us if row["is_as_made"] else None,
            )
            found._endpoints[found._numbers[client_id]].append(endpoint)
        return found

    def __len__(self) -> int:
        return len(self._endpoints)

    def number_of(self, client_id: str | None) -> int | None:
        """The client's number; NOBODY if none is named, None if it has no endpoint."""
        return NOBODY if client_id is None else self._numbers.get(client_id)

    def owed(
        self, number: int, event_id: bytes, event_type: str, occurred_us: int, *, planned: bool
    ) -> Iterator[Owed]:
        """The deliveries of an event to each endpoint of its client; `planned` if it must be."""
        for endpoint in self._endpoints[number]:
            begins_us = endpoint.owed_from_us
            must = planned and begins_us is not None and occurred_us >= begins_us
            delivery = uuid5(UUID(bytes=event_id), str(endpoint.endpoint_id)).bytes
            flags = DEMANDED if must and endpoint.wants(event_type) else 0
            yield Owed(delivery, endpoint.endpoint_id.bytes, flags)
