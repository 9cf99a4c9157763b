"""The table `auth_meters`, and names for what is metered that say nobody's."""

import ipaddress
import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from producers.auth.metering import Charged, Meter, MeterKey, MeterKind, charge, refund
from runtime.database import Connection, Database
from runtime.vault import Vault

_IPV6_NETWORK_BITS: Final = 64
"""Of an IPv6 address, what one customer has: counting single addresses would count nothing."""

# Locks the rows in one order, whether they were there or not, and shows them as they stand.
_LOCK: Final = """
    INSERT INTO auth_meters AS mine (meter, touched_at)
    SELECT meter, $2 FROM unnest($1::text[]) AS meter ORDER BY meter
    ON CONFLICT (meter) DO UPDATE SET meter = mine.meter
    RETURNING meter, drained_at, failures, blocked_until, touched_at
"""

_IS_KNOWN: Final = """
    SELECT EXISTS (SELECT FROM auth_meters WHERE meter = ANY($1) AND drained_at > $2)
"""

_WRITE: Final = """
    UPDATE auth_meters
    SET drained_at = now.drained_at, failures = now.failures,
        blocked_until = now.blocked_until, touched_at = now.touched_at
    FROM unnest($1::text[], $2::timestamptz[], $3::int[], $4::timestamptz[], $5::timestamptz[])
        AS now (meter, drained_at, failures, blocked_until, touched_at)
    WHERE auth_meters.meter = now.meter
"""


class Meters:
    """Charges and refunds tries."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def of_sign_in(self, *, address: str, account: str) -> list[MeterKey]:
        """The meters of a try to sign in; `account` is an e-mail's blind index, or a user id."""
        both = json.dumps([network_of(address), account])
        return [
            self.of_address(address),
            MeterKey(MeterKind.ACCOUNT, self._whom("account", account)),
            MeterKey(MeterKind.KNOWN, self._whom("known", both)),
            MeterKey(MeterKind.SIGN_IN, self._whom("known", both)),
        ]

    def of_address(self, address: str) -> MeterKey:
        """The meter of wrong tries from an address."""
        return MeterKey(MeterKind.ADDRESS, self._whom("address", network_of(address)))

    def of_registration(self, address: str) -> MeterKey:
        """The meter of registrations from an address."""
        return MeterKey(MeterKind.REGISTRATION, self._whom("address", network_of(address)))

    async def is_known(self, keys: Collection[MeterKey], now: datetime) -> bool:
        """Whether the account has signed in from this address before."""
        async with self._database.connection() as connection:
            return bool(
                await connection.fetchval(
                    _IS_KNOWN,
                    [key.text for key in keys if key.kind is MeterKind.KNOWN],
                    now,
                )
            )

    async def charge(self, keys: Collection[MeterKey], now: datetime) -> Charged:
        """Count a try before it is looked at, in a transaction of its own."""
        async with self._database.connection() as connection, connection.transaction():
            charged = charge(await _lock(connection, keys, now), now)
            await _write(connection, charged.meters)
            return charged

    async def refund(
        self, connection: Connection, keys: Collection[MeterKey], now: datetime
    ) -> None:
        """Take it back, in the transaction of what was right."""
        await _write(connection, refund(await _lock(connection, keys, now), now))

    def _whom(self, column: str, name: str) -> str:
        return self._vault.blind_index(f"auth_meters.{column}", name)


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 its network, of IPv4 in IPv6 that IPv4."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), _IPV6_NETWORK_BITS), strict=False))


def account_of(user_id: UUID, email_index: str | None) -> str:
    """By what an account is metered: the same where an e-mail was given and where a token was."""
    return str(user_id) if email_index is None else email_index


async def _lock(
    connection: Connection, keys: Collection[MeterKey], now: datetime
) -> dict[MeterKey, Meter]:
    rows = await connection.fetch(_LOCK, [key.text for key in keys], now)
    found = {row["meter"]: row for row in rows}
    return {
        key: Meter(
            drained_at=found[key.text]["drained_at"],
            failures=found[key.text]["failures"],
            blocked_until=found[key.text]["blocked_until"],
            touched_at=found[key.text]["touched_at"],
        )
        for key in keys
    }


async def _write(connection: Connection, meters: Mapping[MeterKey, Meter]) -> None:
    if meters:
        await connection.execute(
            _WRITE,
            [key.text for key in meters],
            [meter.drained_at for meter in meters.values()],
            [meter.failures for meter in meters.values()],
            [meter.blocked_until for meter in meters.values()],
            [meter.touched_at for meter in meters.values()],
        )
