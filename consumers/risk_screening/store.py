"""Payers' states: the SQL of risk screening, and the same in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from consumers.risk_screening.decide import PayerState
from domain.client import client_of
from runtime.unit import MemoryUnit, PostgresUnit, Unit
from schemas.person import PersonTierChanged


class PostgresPayers:
    """States in the table risk_payers.

    The tier is the holder's, of the table risk_holders; of one of whom nothing was said, it is what
    the account was opened with.
    """

    async def read(self, unit: Unit, account_ids: Collection[UUID]) -> dict[UUID, PayerState]:
        """One query for the batch; rows that exist are locked in the order of their ids."""
        assert isinstance(unit, PostgresUnit)
        rows = await unit.connection.fetch(
            """
            WITH payer AS MATERIALIZED (
                SELECT account_id, day, day_amount_minor, window_started_at, window_payments
                FROM risk_payers
                WHERE account_id = ANY($1::uuid[])
                ORDER BY account_id
                FOR UPDATE
            )
            SELECT account_id, COALESCE(holder.tier, accounts.tier) AS tier,
                   day, day_amount_minor, window_started_at, window_payments
            FROM accounts
            LEFT JOIN payer USING (account_id)
            LEFT JOIN risk_holders AS holder USING (client_id)
            WHERE account_id = ANY($1::uuid[])
            """,
            list(account_ids),
        )
        return {
            row["account_id"]: PayerState(row["tier"])
            if row["day"] is None
            else PayerState(*tuple(row)[1:])
            for row in rows
        }

    async def write(self, unit: Unit, states: Mapping[UUID, PayerState]) -> None:
        """One statement for the batch, in the order of the ids."""
        assert isinstance(unit, PostgresUnit)
        if not states:
            return
        ordered = sorted(states.items())
        await unit.connection.execute(
            """
            INSERT INTO risk_payers
                (account_id, day, day_amount_minor, window_started_at, window_payments)
            SELECT * FROM unnest(
                $1::uuid[], $2::date[], $3::bigint[], $4::timestamptz[], $5::integer[]
            )
            ON CONFLICT (account_id) DO UPDATE SET
                day = EXCLUDED.day,
                day_amount_minor = EXCLUDED.day_amount_minor,
                window_started_at = EXCLUDED.window_started_at,
                window_payments = EXCLUDED.window_payments
            """,
            [account_id for account_id, _ in ordered],
            [state.day for _, state in ordered],
            [state.day_amount_minor for _, state in ordered],
            [state.window_started_at for _, state in ordered],
            [state.window_payments for _, state in ordered],
        )

    async def keep_tiers(self, unit: Unit, changes: Sequence[PersonTierChanged]) -> None:
        """One statement for the batch, in the order of the holders."""
        assert isinstance(unit, PostgresUnit)
        if not changes:
            return
        newest = sorted(_newest(changes).items())
        await unit.connection.execute(
            """
            INSERT INTO risk_holders AS known (client_id, tier, version)
            SELECT * FROM unnest($1::text[], $2::text[], $3::integer[])
            ON CONFLICT (client_id) DO UPDATE SET tier = EXCLUDED.tier, version = EXCLUDED.version
            WHERE known.version < EXCLUDED.version
            """,
            [client_id for client_id, _ in newest],
            [change.tier for _, change in newest],
            [change.version for _, change in newest],
        )


def _newest(changes: Sequence[PersonTierChanged]) -> dict[str, PersonTierChanged]:
    """The change of the highest version of each holder (a client id)."""
    ordered = sorted(changes, key=lambda change: change.version)
    return {client_of(change.person_id): change for change in ordered}


class MemoryPayers:
    """States in memory; accounts are made known by `open`."""

    def __init__(self) -> None:
        self._states: dict[UUID, PayerState] = {}
        self._clients: dict[UUID, str] = {}
        self._holders: dict[str, PersonTierChanged] = {}

    def open(self, account_id: UUID, tier: str, client_id: str = "demo") -> None:
        """Make an account known, as the accounts projection would."""
        self._states[account_id] = PayerState(tier)
        self._clients[account_id] = client_id

    def snapshot(self) -> object:
        """A copy of all states."""
        return dict(self._states), dict(self._holders)

    def restore(self, snapshot: object) -> None:
        """Put a copy back."""
        assert isinstance(snapshot, tuple)
        states, holders = snapshot
        self._states, self._holders = dict(states), dict(holders)

    async def read(self, unit: Unit, account_ids: Collection[UUID]) -> dict[UUID, PayerState]:
        """The states of these payers."""
        assert isinstance(unit, MemoryUnit)
        found = {id_: replace(self._states[id_]) for id_ in account_ids if id_ in self._states}
        for account_id, state in found.items():
            holder = self._holders.get(self._clients[account_id])
            if holder is not None:
                found[account_id] = replace(state, tier=holder.tier)
        return found

    async def write(self, unit: Unit, states: Mapping[UUID, PayerState]) -> None:
        """Keep these states."""
        assert isinstance(unit, MemoryUnit)
        unit.enlist(self)
        self._states.update(states)

    async def keep_tiers(self, unit: Unit, changes: Sequence[PersonTierChanged]) -> None:
        """Let the highest version of each person's tier stand."""
        assert isinstance(unit, MemoryUnit)
        if not changes:
            return
        unit.enlist(self)
        self._holders |= _newest([*self._holders.values(), *changes])
