"""What a proven message is called, and the event that tells of it. Pure."""

import base64
import json
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from producers.inbound.proof import Received
from producers.inbound.providers import Provider
from schemas.inbound import InboundReceived
from schemas.wire import Message, first_message

SOURCE: Final = "titan/producers/inbound"

_NAMESPACE: Final = UUID("0c9b5b0e-2f0a-5f86-9a53-2b6f6b0d1a11")
"""Root of every message's id: uuid5 of the provider and of what the provider calls it."""

_NAME_CHARACTERS_MAX: Final = 255


def name_of(provider: Provider, message: Received, *, digest: str) -> str:
    """What the provider calls the message; the digest of what was signed where it does not say."""
    if not provider.id:
        return digest
    parts = [_part(part, message) for part in provider.id]
    if any(part is None for part in parts):
        return digest
    # As JSON: joined by any sign, two messages could be called the same.
    name = parts[0] if len(parts) == 1 else json.dumps(parts, separators=(",", ":"))
    assert name is not None
    is_sound = name.isascii() and name.isprintable() and 0 < len(name) <= _NAME_CHARACTERS_MAX
    return name if is_sound else digest


def request_id_of(provider_name: str, name: str) -> UUID:
    """The id under which a message happens once."""
    return uuid5(_NAMESPACE, f"{provider_name}|{name}")


def purpose_of(request_id: UUID) -> str:
    """What a sealed body is sealed for."""
    return f"inbound:{request_id}"


def text_of(body: bytes) -> str:
    """Bytes in base64."""
    return base64.b64encode(body).decode()


def message_of(event: InboundReceived, *, now: datetime, traceparent: str | None) -> Message:
    """The record: of one id always the same event."""
    return first_message(
        event, event_id=event.request_id, source=SOURCE, now=now, traceparent=traceparent
    )


def _part(part: str, message: Received) -> str | None:
    kind, _, path = part.partition(":")
    if kind == "header":
        return message.headers.get(path.lower())
    try:
        value: Any = json.loads(message.body)
    except (ValueError, RecursionError):
        return None
    for step in path.split("/")[1:]:
        value = value.get(step) if isinstance(value, dict) else None
    if type(value) is int:
        return str(value)
    return value if isinstance(value, str) else None
