"""Events as Kafka records: CloudEvents 1.0, Kafka binary mode, and back again.

The value is the event's JSON; its attributes travel as headers; the key is the event's own.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from hashlib import sha1
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import SchemaValidator, core_schema, to_json

from domain.errors import Invalid
from schemas.event import Delivered, Envelope, Event, Position

E = TypeVar("E", bound=Event)

CONTENT_TYPE: Final = b"application/json"
_ID_LENGTH: Final = 36

_YEAR_MIN: Final = 2000
_YEAR_MAX: Final = 2199

# A third of what the class's own constructor costs, and there are some ten ids a payment and stage.
_parse_id: Final = SchemaValidator(core_schema.uuid_schema()).validate_python

Headers = Sequence[tuple[str, bytes]]


class Message(NamedTuple):
    """A record ready to be published: `topic` is the map's name, without a deployment's prefix."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


def first_envelope(
    *, event_id: UUID, idempotency_id: UUID, source: str, now: datetime, traceparent: str | None
) -> Envelope:
    """The envelope of an event that begins a chain, put on a topic by an edge."""
    return Envelope(
        event_id=event_id,
        idempotency_id=idempotency_id,
        causation_id=None,
        source=source,
        occurred_at=now,
        traceparent=traceparent,
    )


def first_message(
    event: Event,
    *,
    event_id: UUID,
    source: str,
    now: datetime,
    traceparent: str | None,
    idempotency_id: UUID | None = None,
) -> Message:
    """The record of an event that begins a chain; its own id is its idempotency id unless given."""
    envelope = first_envelope(
        event_id=event_id,
        idempotency_id=event_id if idempotency_id is None else idempotency_id,
        source=source,
        now=now,
        traceparent=traceparent,
    )
    return encode(event, envelope)


def caused_envelope(cause: Envelope, *, step: str, source: str, now: datetime) -> Envelope:
    """The envelope of what a step decided about an event; the same cause gives the same id."""
    event_id = _derived_id(cause.idempotency_id, step.encode())
    return Envelope(
        event_id=event_id,
        idempotency_id=event_id,
        causation_id=cause.event_id,
        source=source,
        occurred_at=now,
        traceparent=cause.traceparent,
    )


def _derived_id(namespace: UUID, name: bytes) -> UUID:
    """uuid5, at half its price."""
    digest = bytearray(sha1(namespace.bytes + name, usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    found: UUID = _parse_id(bytes(digest))
    return found


def encode(event: Event, envelope: Envelope, value: str | None = None) -> Message:
    """The record of an event; `value` is its JSON where the caller has it already."""
    event_id, subject, idempotency_id, causation_id = _texts(
        envelope.event_id, event.subject, envelope.idempotency_id, envelope.causation_id
    )
    headers = [
        *_fixed_headers(event.TOPIC, envelope.source),
        ("ce_id", event_id),
        ("ce_time", _time_text(envelope.occurred_at)),
        ("ce_subject", subject),
        ("idempotency_id", idempotency_id),
    ]
    if envelope.causation_id is not None:
        headers.append(("causation_id", causation_id))
    if envelope.traceparent is not None:
        headers.append(("traceparent", envelope.traceparent.encode()))
    return Message(
        topic=event.TOPIC,
        key=event.key.encode(),
        value=(event_json(event) if value is None else value).encode(),
        headers=headers,
    )


def _texts(*ids: UUID | None) -> list[bytes]:
    """The ids as text: all in one call, at a third of what `str` costs for each."""
    texts = to_json(ids)
    return [texts[place : place + _ID_LENGTH] for place in range(2, len(texts), _ID_LENGTH + 3)]


@lru_cache(maxsize=1_024)
def _time_text(time: datetime) -> bytes:
    """Events of one batch were decided at one time."""
    return time.isoformat().encode()


@cache
def _fixed_headers(topic: str, source: str) -> list[tuple[str, bytes]]:
    """What is the same in every event of a topic from one source."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
        ("ce_type", topic.encode()),
        ("ce_dataschema", f"schemas/json/{topic}.json".encode()),
        ("content-type", CONTENT_TYPE),
    ]


def event_json(event: Event) -> str:
    """The event as it stands in a record's value."""
    return event.__pydantic_serializer__.to_json(event, exclude_none=True).decode()


def decode(
    model: type[E],
    position: Position,
    *,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
) -> Delivered[E]:
    """The event in a record; Invalid, with no input in its words, if it cannot be understood."""
    attributes = dict(headers)
    if value is None:
        raise Invalid("tombstone", "the record has no value")
    if attributes.get("ce_type") != model.TOPIC.encode():
        raise Invalid("wrong_type", f"ce_type is not {model.TOPIC}")
    envelope = _envelope(attributes)
    try:
        event = model.__pydantic_validator__.validate_json(value)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, fault["loc"])) or "body" for fault in error.errors())
        raise Invalid("invalid_event", f"does not fit the schema at: {fields}") from None
    except (ValueError, RecursionError):
        raise Invalid("invalid_event", "the value is not JSON") from None
    if key != event.key.encode():
        raise Invalid("wrong_key", "the record's key is not the event's ordering key")
    return Delivered(event=event, envelope=envelope, position=position)


def _envelope(attributes: dict[str, bytes | None]) -> Envelope:
    event_id = _uuid(attributes, "ce_id")
    idempotency_id = _uuid(attributes, "idempotency_id")
    if event_id is None or idempotency_id is None:
        raise Invalid("missing_header", "ce_id and idempotency_id are required")
    traceparent = attributes.get("traceparent")
    try:
        return Envelope(
            event_id=event_id,
            idempotency_id=idempotency_id,
            causation_id=_uuid(attributes, "causation_id"),
            source=(attributes.get("ce_source") or b"").decode(),
            occurred_at=_time(attributes.get("ce_time")),
            traceparent=traceparent.decode() if traceparent else None,
        )
    except UnicodeDecodeError:
        raise Invalid("invalid_header", "a header is not UTF-8") from None


def _uuid(attributes: dict[str, bytes | None], name: str) -> UUID | None:
    raw = attributes.get(name)
    if raw is None:
        return None
    try:
        if len(raw) != _ID_LENGTH:
            raise ValueError
        found: UUID = _parse_id(raw.decode("ascii"))
    except ValueError:
        raise Invalid("invalid_header", f"{name} is not a UUID") from None
    return found


def _time(raw: bytes | None) -> datetime:
    try:
        time = datetime.fromisoformat((raw or b"").decode("ascii"))
    except ValueError:
        raise Invalid("invalid_header", "ce_time is not an RFC 3339 time") from None
    if time.tzinfo is None:
        raise Invalid("invalid_header", "ce_time has no time zone")
    if not _YEAR_MIN <= time.year <= _YEAR_MAX:
        # Near the ends of the calendar, it could not even be put into another time zone.
        raise Invalid("implausible_time", f"ce_time is not of {_YEAR_MIN} to {_YEAR_MAX}")
    return time
