"""The port to where wrapped data keys are kept, and what it speaks of."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from runtime.database import Connection


class Kek(NamedTuple):
    """A key-encryption key in the registry; its number grows, the newest wraps."""

    kek_id: int
    provider: str
    reference: str
    created_at: datetime
    retired_at: datetime | None


class StoredKey(NamedTuple):
    """A person's data key as it is kept."""

    key_id: UUID
    owner: UUID
    number: int
    kek_id: int
    wrapped: bytes
    messages: int
    """What was reserved for sealing so far, this reservation included."""


class NewKey(NamedTuple):
    """A data key that was made and is to be kept."""

    key_id: UUID
    owner: UUID
    number: int
    kek_id: int
    wrapped: bytes


class Rewrapped(NamedTuple):
    """A data key's new wrap; it replaces the one under `from_kek_id` only."""

    key_id: UUID
    from_kek_id: int
    kek_id: int
    wrapped: bytes


class KekUse(NamedTuple):
    """How many data keys one key-encryption key wraps, and their messages, summed and the most."""

    kek_id: int
    data_keys: int
    messages: int
    messages_max: int


class KeyStore(Protocol):
    """Keeps wrapped data keys. Each call commits on its own; Unavailable when it is down."""

    async def epoch(self) -> int:
        """Moves with each forgetting and each rotation."""
        ...

    async def keks(self) -> list[Kek]:
        """The registry, in the order of the numbers."""
        ...

    async def add_kek(self, kek: Kek) -> bool:
        """Register a key and move the epoch; False if its number or its reference is taken."""
        ...

    async def retire_kek(self, kek_id: int, at: datetime) -> bool:
        """Note that a key wraps nothing any more; False if it does, or is the newest."""
        ...

    async def reserve(self, owners: Collection[UUID], messages: int) -> Mapping[UUID, StoredKey]:
        """The newest key of each owner who has one, with so many messages more reserved."""
        ...

    async def read(self, key_ids: Collection[UUID]) -> Mapping[UUID, StoredKey]:
        """These keys, as far as they are there."""
        ...

    async def forgotten(self, owners: Collection[UUID]) -> frozenset[UUID]:
        """Those of them who were forgotten."""
        ...

    async def add(self, keys: Sequence[NewKey], at: datetime) -> None:
        """Keep keys, but none of a forgotten owner, nor one whose number is there already."""
        ...

    async def wrapped_under(
        self, kek_ids: Collection[int], *, after: UUID, limit: int
    ) -> list[StoredKey]:
        """Keys under these, in the order of their ids, from behind one on."""
        ...

    async def rewrap(self, wraps: Sequence[Rewrapped]) -> int:
        """Replace wraps; how many still stood under the key that was to be replaced."""
        ...

    async def uses(self) -> list[KekUse]:
        """What each key-encryption key wraps."""
        ...

    async def count_house(self, key_id: UUID, messages: int) -> int:
        """Add to the messages that were sealed under a key of the house; the sum."""
        ...

    async def house_messages(self) -> Mapping[UUID, int]:
        """The messages under each key of the house."""
        ...

    async def forget(self, connection: Connection | None, owner: UUID, at: datetime) -> bool:
        """Destroy a person's keys and traces, keep a tombstone; False if that was done before.

        In PostgreSQL within the caller's transaction on this connection, which it needs.
        """
        ...

    async def close(self) -> None:
        """Give connections up."""
        ...
