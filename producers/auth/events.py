"""What goes onto the log beside a change of Auth's tables, as messages for the outbox."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from producers.auth import limits
from schemas.event import RequestEvent
from schemas.session import (
    RevocationReason,
    SessionEnded,
    SessionReuseDetected,
    SessionRevoked,
)
from schemas.standing import Standing, StandingChanged, session_principal
from schemas.wire import Message, first_message

SOURCE: Final = "titan/producers/auth"
OPERATOR: Final = "operator"
"""Who acts where somebody acts on the command line."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does: its id, when, and the trace it belongs to."""

    act_id: UUID
    at: datetime
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that was ended."""

    session_id: UUID
    user_id: UUID


def message(act: Act, event: RequestEvent) -> Message:
    """The record of an event of this act: the same again if the act is told again."""
    # One act may end several sessions: what an event is about is part of its id.
    about = event.model_dump_json(include={"session_id", "principal", "credential_id"})
    event_id = uuid5(act.act_id, f"{event.TOPIC} {about}")
    return first_message(
        event, event_id=event_id, source=SOURCE, now=act.at, traceparent=act.traceparent
    )


def standing_message(act: Act, principal: str, standing: Standing) -> Message:
    """Tell every edge who is believed no more, until their last token is over."""
    lifetime = timedelta(seconds=limits.ACCESS_TOKEN_S)
    return message(
        act,
        StandingChanged(
            request_id=act.act_id,
            requested_at=act.at,
            principal=principal,
            standing=standing,
            expires_at=act.at + lifetime,
        ),
    )


def revoked_messages(
    act: Act, sessions: list[EndedSession], reason: RevocationReason
) -> list[Message]:
    """What is told of sessions that were ended by something else than their own sign-out."""
    told: list[Message] = []
    for session in sessions:
        event = SessionRevoked(
            request_id=act.act_id,
            requested_at=act.at,
            user_id=session.user_id,
            session_id=session.session_id,
            reason=reason,
        )
        told += [message(act, event), _session_standing(act, session)]
    return told


def ended_messages(act: Act, session: EndedSession) -> list[Message]:
    """What is told of a sign-out."""
    event = SessionEnded(
        request_id=act.act_id,
        requested_at=act.at,
        user_id=session.user_id,
        session_id=session.session_id,
    )
    return [message(act, event), _session_standing(act, session)]


def reuse_messages(act: Act, session: EndedSession, *, generation: int) -> list[Message]:
    """What is told of a refresh token that came again."""
    event = SessionReuseDetected(
        request_id=act.act_id,
        requested_at=act.at,
        user_id=session.user_id,
        session_id=session.session_id,
        generation=generation,
    )
    return [
        message(act, event),
        *revoked_messages(act, [session], RevocationReason.REFRESH_TOKEN_REUSED),
    ]


def _session_standing(act: Act, session: EndedSession) -> Message:
    principal = session_principal(session.session_id)
    return standing_message(act, principal, Standing.REVOKED)
