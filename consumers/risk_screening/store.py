"""Payers' states: the SQL of risk screening, and the same in memory."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from uuid import UUID

from consumers.risk_screening.decide import PayerState
from runtime.unit import MemoryUnit, PostgresUnit, Unit


class PostgresPayers:
    """States in the table risk_payers; the tier comes from the accounts projection."""

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
            SELECT account_id, tier, day, day_amount_minor, window_started_at, window_payments
            FROM accounts LEFT JOIN payer USING (account_id)
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


class MemoryPayers:
    """States in memory; accounts are made known by `open`."""

    def __init__(self) -> None:
        self._states: dict[UUID, PayerState] = {}

    def open(self, account_id: UUID, tier: str) -> None:
        """Make an account known, as the accounts projection would."""
        self._states[account_id] = PayerState(tier)

    def snapshot(self) -> object:
        """A copy of all states."""
        return dict(self._states)

    def restore(self, snapshot: object) -> None:
        """Put a copy back."""
        assert isinstance(snapshot, dict)
        self._states = dict(snapshot)

    async def read(self, unit: Unit, account_ids: Collection[UUID]) -> dict[UUID, PayerState]:
        """The states of these payers."""
        assert isinstance(unit, MemoryUnit)
        return {id_: replace(self._states[id_]) for id_ in account_ids if id_ in self._states}

    async def write(self, unit: Unit, states: Mapping[UUID, PayerState]) -> None:
        """Keep these states."""
        assert isinstance(unit, MemoryUnit)
        unit.enlist(self)
        self._states.update(states)
