"""The read models that replay knows: their topics, their tables, and what each event says.

Replay finds a read model by this list; a new one is entered here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final

from domain.errors import Invalid
from projections import accounts, directory
from projections.payment_fold import row_of
from replay.log import from_ms
from replay.tables import ACCOUNTS, CHANGES, HANDLES, PAYMENTS, Row, Table
from runtime import limits
from runtime.dead_letter import Record
from runtime.poll import UnreadableRecord
from runtime.topics import topic_map
from schemas.account import AccountOpened
from schemas.event import Delivered, Position
from schemas.handle import HandleClaimed, HandleClaimRefused, HandlePorted, HandleReleased
from schemas.wire import decode

_DAY_MS: Final = 86_400_000

Staged = Iterator[tuple[int, Row]]
"""Rows, each with its table's number in the projection."""


class Name(StrEnum):
    """The read models by name."""

    PAYMENTS = "payments"
    ACCOUNTS = "accounts"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """One read model.

    Either a group applies its topics (`group`), so that the table is never ahead of the log; or a
    stage decides (`step`) and writes the table in one commit, and publishes after that: then the
    table may be ahead of the log by what the stage's inbox holds.
    """

    name: Name
    topics: tuple[str, ...]
    tables: tuple[Table, ...]
    rows: Callable[[Delivered[Any]], Staged]
    group: str
    step: str | None = None

    @property
    def requests(self) -> list[str]:
        """The topics that the deciding stage reads; none if no stage decides."""
        if self.step is None:
            return []
        return [topic.name for topic in topic_map().of_group(self.group)]


def _payment_rows(delivered: Delivered[Any]) -> Staged:
    yield 0, row_of(delivered.event, delivered.envelope.occurred_at)


def _account_rows(delivered: Delivered[Any]) -> Staged:
    yield 0, (*accounts.fold(None, delivered.event), delivered.position.offset)


def _directory_rows(delivered: Delivered[Any]) -> Staged:
    event = delivered.event
    entry = directory.fold(None, event)
    if entry is not None:
        yield 0, directory.handle_row(entry)
    yield 1, directory.change_row(directory.change_of(event))


PROJECTIONS: Final = {
    each.name: each
    for each in (
        Projection(
            name=Name.PAYMENTS,
            topics=tuple(topic.name for topic in topic_map().of_group("payment-projection")),
            tables=(PAYMENTS,),
            rows=_payment_rows,
            group="payment-projection",
        ),
        Projection(
            name=Name.ACCOUNTS,
            topics=(AccountOpened.TOPIC,),
            tables=(ACCOUNTS,),
            rows=_account_rows,
            group="account-opening",
            step="account_opening",
        ),
        Projection(
            name=Name.DIRECTORY,
            topics=(
                HandleClaimed.TOPIC,
                HandlePorted.TOPIC,
                HandleReleased.TOPIC,
                HandleClaimRefused.TOPIC,
            ),
            tables=(HANDLES, CHANGES),
            rows=_directory_rows,
            group="handle-directory",
            step="handle_directory",
        ),
    )
}


class Understanding:
    """Decodes records as the stages do, and passes over what they would send to a dead letter."""

    def __init__(self) -> None:
        self.passed_over = 0
        self._models = {topic.name: topic.model for topic in topic_map().topics}

    def __call__(self, topic: str, record: Record) -> Delivered[Any] | None:
        """The event of a record of this topic of the map; None, and counted, if it is none."""
        try:
            if isinstance(record, UnreadableRecord):
                raise Invalid("unreadable_record", "the record cannot be parsed")
            delivered = decode(
                self._models[topic],
                Position(topic, record.partition, record.offset),
                key=record.key,
                value=record.value,
                headers=record.headers,
            )
            if not is_plausible(delivered, record.timestamp):
                raise Invalid("implausible_date", "the chain's start is not believable")
        except (Invalid, OverflowError):
            self.passed_over += 1
            return None
        return delivered


def is_plausible(delivered: Delivered[Any], appended_ms: int) -> bool:
    """Whether a stage believes the chain's start, judged on the day of the append.

    A stage judges on the day it handles the record, which is the same unless it was down for days.
    """
    oldest, newest = _believable(appended_ms // _DAY_MS)
    return oldest <= delivered.started_on <= newest


@cache
def _believable(day: int) -> tuple[date, date]:
    today = from_ms(day * _DAY_MS).date()
    return (
        today - timedelta(days=limits.CHAIN_AGE_DAYS_MAX),
        today + timedelta(days=limits.CHAIN_AHEAD_DAYS_MAX),
    )
