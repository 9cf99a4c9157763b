"""The tables that replay rebuilds: their columns, how two sights of a row join, and the merges.

A table is rebuilt in three steps: readers copy what events say into `<table>_staged`, a set-based
merge folds that into `titan_replay.<table>`, and what SQL cannot fold is folded in code. The merge
computes what the projection's own fold does; tests hold the two together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from projections.accounts import AccountProfile
from projections.directory import CHANGE_COLUMNS, HANDLE_COLUMNS
from projections.payment_fold import PaymentRow, join

Row = tuple[Any, ...]
"""A row in the order of its table's columns; the key comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table. `join` is what two rows with one key come to, the earlier in the log first."""

    name: str
    columns: tuple[str, ...]
    join: Callable[[Row, Row], Row]
    merge: str
    """Folds the staged rows into the table, but for those that `contested` names."""
    collation: str = ""
    """Of the key: text is ordered byte by byte, so that both sides come in one order."""
    extra: str = ""
    """A further column of staged rows: their place in the log."""
    contested: str | None = None
    """Keys whose staged rows have to be folded in code."""
    is_first_kept: bool = False
    """Whether of several rows the first stands whatever the others say."""
    is_halved: bool = False
    """Whether the merge takes a range of keys ($1, $2), so that two can run at once."""

    @property
    def key(self) -> str:
        """The primary key."""
        return self.columns[0]

    @property
    def staged_columns(self) -> list[str]:
        """The columns of staged rows."""
        return [*self.columns, *filter(None, [self.extra])]

    def sql(self, text: str) -> str:
        """A statement about this table: {name}, {columns}, {key} and {order} are put in."""
        return text.format(
            name=self.name,
            columns=", ".join(self.columns),
            key=self.key,
            order=f"{self.key}{self.collation}",
        )


def _first(one: Row, _: Row) -> Row:
    return one


def _newer(one: Row, other: Row) -> Row:
    return other if other[1] > one[1] else one


def _joined(one: Row, other: Row) -> Row:
    return join(PaymentRow._make(one), PaymentRow._make(other))


_P: Final = PaymentRow._fields
_PAYMENT: Final = ", ".join(_P)
_IDS: Final = ("posting_id", "payer_account_id", "payee_account_id")
_LEASTS: Final = ", ".join(
    f"titan_replay.min_id({name})" if name in _IDS else f"min({name})" for name in _P[1:]
)
_LEAST_OF_BOTH: Final = ", ".join(
    f"{name} = LEAST(known.{name}, EXCLUDED.{name})" for name in _P[1:]
)
_CONTESTED: Final = """
    SELECT payment_id FROM titan_replay.payments_staged
    WHERE fingerprint IS NOT NULL OR rivals IS NOT NULL
    GROUP BY payment_id HAVING min(fingerprint) <> max(fingerprint) OR count(rivals) > 0
    UNION
    SELECT payment_id FROM titan_replay.payments_staged AS staged
    JOIN titan_replay.payments AS known USING (payment_id)
    WHERE known.rivals IS NOT NULL OR known.fingerprint <> staged.fingerprint
"""
_MERGE_PAYMENTS: Final = (
    f"INSERT INTO titan_replay.payments AS known ({_PAYMENT})"  # noqa: S608 - own words only
    f" SELECT payment_id, {_LEASTS} FROM titan_replay.payments_staged"
    " WHERE payment_id BETWEEN $1 AND $2 GROUP BY payment_id"
    " HAVING count(rivals) = 0 AND (min(fingerprint) <> max(fingerprint)) IS NOT TRUE"
    f" ON CONFLICT (payment_id) DO UPDATE SET {_LEAST_OF_BOTH}"
    " WHERE known.rivals IS NULL AND (known.fingerprint = EXCLUDED.fingerprint) IS NOT FALSE"
)

_H: Final = ", ".join(HANDLE_COLUMNS)
_MERGE_HANDLES: Final = (
    f"INSERT INTO titan_replay.directory_handles AS known ({_H})"  # noqa: S608 - own words only
    f" SELECT DISTINCT ON (handle) {_H} FROM titan_replay.directory_handles_staged"
    " ORDER BY handle, version DESC ON CONFLICT (handle) DO UPDATE SET "
    + ", ".join(f"{name} = EXCLUDED.{name}" for name in HANDLE_COLUMNS[1:])
    + " WHERE known.version < EXCLUDED.version"
)

_C: Final = ", ".join(CHANGE_COLUMNS)
_MERGE_CHANGES: Final = (
    f"INSERT INTO titan_replay.directory_changes ({_C})"  # noqa: S608 - own words only
    f" SELECT DISTINCT ON (request_id) {_C} FROM titan_replay.directory_changes_staged"
    " ON CONFLICT (request_id) DO NOTHING"
)

_A: Final = ", ".join(AccountProfile._fields)
_MERGE_ACCOUNTS: Final = (
    f"INSERT INTO titan_replay.accounts ({_A})"  # noqa: S608 - own words only
    f" SELECT DISTINCT ON (account_id) {_A} FROM titan_replay.accounts_staged"
    " ORDER BY account_id, place ON CONFLICT (account_id) DO NOTHING"
)

PAYMENTS: Final = Table(
    name="payments",
    columns=_P,
    join=_joined,
    merge=_MERGE_PAYMENTS,
    contested=_CONTESTED,
    is_halved=True,
)
ACCOUNTS: Final = Table(
    name="accounts",
    columns=AccountProfile._fields,
    join=_first,
    merge=_MERGE_ACCOUNTS,
    extra="place",
    is_first_kept=True,
)
HANDLES: Final = Table(
    name="directory_handles",
    columns=HANDLE_COLUMNS,
    join=_newer,
    merge=_MERGE_HANDLES,
    collation=' COLLATE "C"',
)
CHANGES: Final = Table(
    name="directory_changes",
    columns=CHANGE_COLUMNS,
    join=_first,
    merge=_MERGE_CHANGES,
    is_first_kept=True,
)
