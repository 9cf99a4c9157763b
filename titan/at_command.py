"""`titan at`: what was known of a payment, an account or a handle at an instant."""

import asyncio
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from domain.errors import Invalid
from domain.handle import normalise_handle
from replay.source import open_source
from replay.travel import AccountThen, Event, HandleThen, PaymentThen, Traveller
from runtime.settings import Settings
from runtime.topics import topic_map
from titan.endpoints import connected_settings
from titan.progress import Bar
from titan.replay_command import ArchiveOption, time_of
from titan.terminal import JsonOption, fail, say_json, say_table

Then = PaymentThen | AccountThen | HandleThen


class Kind(StrEnum):
    """What may be asked about."""

    PAYMENT = "payment"
    ACCOUNT = "account"
    HANDLE = "handle"


def at(
    time: Annotated[str, typer.Argument(metavar="TIME", help="As 2026-11-23T10:03:07Z.")],
    kind: Annotated[Kind, typer.Argument(help="What to look at.")],
    key: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the handle.")],
    *,
    from_archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what was known then, from the log alone; exit 1 if there was nothing by then.

    Counts what the broker had appended by that time, the very millisecond included.
    """
    moment = time_of(time)
    settings = connected_settings(needed=() if from_archive else ("kafka_bootstrap",))
    with Bar(disable=as_json) as bar:
        then = asyncio.run(_then(moment, kind, key, settings, from_archive, bar))
    if then is None:
        fail(f"there was no such {kind.value} by {moment.isoformat()}")
        return
    fields = {"at": moment.isoformat(), **_fields(then)}
    if as_json:
        say_json({**fields, "events": [_as_json(event) for event in then.events]})
        return
    say_table([kind.value, key], [[name, _text(value)] for name, value in fields.items()])
    say_table(
        ["appended", "event", "topic/partition/offset"],
        [
            [event.appended_at.isoformat(), event.name, f"{event.place}/{event.offset}"]
            for event in then.events
        ],
    )


async def _then(
    moment: datetime,
    kind: Kind,
    key: str,
    settings: Settings,
    from_archive: ArchiveOption,
    bar: Bar,
) -> Then | None:
    async with open_source(
        [topic.name for topic in topic_map().topics],
        bootstrap=settings.kafka_bootstrap,
        prefix=settings.topic_prefix,
        archive=from_archive,
    ) as source:
        traveller = Traveller(
            source,
            moment,
            on_total=lambda count: bar.total("reading", count),
            on_progress=bar.advance,
        )
        match kind:
            case Kind.PAYMENT:
                return await traveller.payment(_uuid(key))
            case Kind.ACCOUNT:
                return await traveller.account(_uuid(key))
            case Kind.HANDLE:
                return await traveller.handle(normalise_handle(key))


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Invalid("invalid_id", "the id is no UUID") from error


def _fields(then: Then) -> dict[str, object]:
    if isinstance(then, PaymentThen):
        row = then.row._asdict()
        hidden = ("payment_id", "description_sealed", "rivals")
        return {"state": then.state.value, **{n: row[n] for n in row if n not in hidden}}
    if isinstance(then, AccountThen):
        assert then.profile is not None
        return {
            **then.profile._asdict(),
            "balance_minor": then.balance_minor,
            "payments_sent": then.payments_sent,
            "payments_received": then.payments_received,
        }
    entry = then.entry
    assert entry is not None
    return {
        "handle": entry.handle,
        "version": entry.version,
        "client_id": entry.client_id,
        "account_id": None if entry.target is None else entry.target.account_id,
        "currency": None if entry.target is None else entry.target.currency,
        "released": entry.target is None,
        "requested_at": entry.requested_at,
    }


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _as_json(event: Event) -> dict[str, object]:
    return {
        "event": event.name,
        "topic": event.place.topic,
        "partition": event.place.partition,
        "offset": event.offset,
        "appended_at": event.appended_at.isoformat(),
    }
