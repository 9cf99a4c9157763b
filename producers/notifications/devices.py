"""Devices in PostgreSQL: where a person's pushes go. A token has one owner at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID, uuid5

from producers.notifications import limits
from runtime.database import Connection
from runtime.vault import Binding

DEVICE_NAMESPACE: Final = UUID("0d1a5c3e-7a0c-5b63-9c7b-2f5e0b8f4a16")
"""Root of every device's id: uuid5 of the owner, and of that the platform and the token's index."""

INDEX_COLUMN: Final = "notification_devices.token"


class Device(NamedTuple):
    """A device, in the order of the table's columns."""

    device_id: UUID
    person_id: UUID
    platform: str
    token_sealed: str
    token_index: str
    registered_at: datetime


def device_id_of(person_id: UUID, platform: str, token_index: str) -> UUID:
    """The same person's same token is the same device, whenever it comes."""
    return uuid5(uuid5(DEVICE_NAMESPACE, str(person_id)), f"{platform} {token_index}")


def binding_of(device_id: UUID, person_id: UUID) -> Binding:
    """The place of a sealed token."""
    return Binding("notification_devices", "token", device_id, person_id)


async def register(connection: Connection, device: Device) -> bool:
    """Add a device, taking its token away from whoever had it; whether it was not there before.

    In the caller's transaction. Of more than DEVICES_MAX the oldest goes. What waits for a device
    that has gone ends when it is looked at.
    """
    await connection.execute(_TAKE_AWAY, device.platform, device.token_index, device.person_id)
    is_new: bool = await connection.fetchval(_ADD, *device)
    await connection.execute(_TRIM, device.person_id, limits.DEVICES_MAX)
    return is_new


async def devices_of(connection: Connection, person_id: UUID) -> Sequence[Device]:
    """A person's devices, the oldest first."""
    return [Device(*row) for row in await connection.fetch(_LIST, person_id)]


async def remove(connection: Connection, person_id: UUID, device_id: UUID) -> bool:
    """Forget a device of this person; whether there was one."""
    done: str = await connection.execute(_REMOVE, person_id, device_id)
    return done != "DELETE 0"


async def drop(connection: Connection, device_id: UUID, registered_at: datetime) -> None:
    """Forget a device whose token is no more, unless it has come again since."""
    await connection.execute(_DROP, device_id, registered_at)


_COLUMNS: Final = ", ".join(Device._fields)
_TAKE_AWAY: Final = """
    DELETE FROM notification_devices
    WHERE platform = $1 AND token_index = $2 AND person_id <> $3
"""
_ADD: Final = (
    f"INSERT INTO notification_devices ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)"  # noqa: S608 - own words only
    " ON CONFLICT (device_id) DO UPDATE SET"
    " token_sealed = EXCLUDED.token_sealed, registered_at = EXCLUDED.registered_at"
    " RETURNING xmax = 0"
)
_TRIM: Final = """
    DELETE FROM notification_devices WHERE device_id IN (
        SELECT device_id FROM notification_devices WHERE person_id = $1
        ORDER BY registered_at DESC, device_id OFFSET $2
    )
"""
_LIST: Final = (
    f"SELECT {_COLUMNS} FROM notification_devices WHERE person_id = $1"  # noqa: S608 - own words only
    " ORDER BY registered_at, device_id"
)
_REMOVE: Final = "DELETE FROM notification_devices WHERE person_id = $1 AND device_id = $2"
_DROP: Final = "DELETE FROM notification_devices WHERE device_id = $1 AND registered_at = $2"
