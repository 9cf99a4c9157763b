"""What a person's change comes to, and which acts are allowed on what. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID, uuid5

from domain.contact import normalise_email, normalise_phone
from domain.errors import Invalid
from domain.kyc import Case, CaseRefusal, CaseState
from domain.person import date_of_birth, normalise_legal_name, normalise_ssn
from producers.users.models import ProfileBody
from producers.users.people import IDENTITY
from runtime.http.body import fingerprint_of
from runtime.http.caller import Caller, Role
from runtime.http.problem import Fault, ProblemError
from schemas.account import Tier
from schemas.event import Event
from schemas.handle import HandleReleaseRequested
from schemas.person import ContactKind, PersonField
from schemas.wire import Message, first_message

SOURCE: Final = "titan/producers/users"

CONTACT_FIELDS: Final = {
    ContactKind.EMAIL: PersonField.EMAIL,
    ContactKind.PHONE: PersonField.PHONE,
}

NORMALISE: Final[Mapping[ContactKind, Callable[[str], str]]] = {
    ContactKind.EMAIL: normalise_email,
    ContactKind.PHONE: normalise_phone,
}

CASE_PROBLEMS: Final[dict[CaseRefusal, tuple[int, str]]] = {
    CaseRefusal.WRONG_STATE: (409, "the case does not stand where this can be done"),
    CaseRefusal.OWN_CASE: (403, "nobody decides their own case"),
    CaseRefusal.SAME_REVIEWER: (403, "you have proposed it: another reviewer has to confirm"),
    CaseRefusal.ALREADY_VERIFIED: (409, "the person has that tier, or a higher one"),
}


@dataclass(frozen=True, slots=True)
class Changes:
    """A change of a profile, each text in its one spelling; None takes a field back."""

    identity: dict[PersonField, str | None]
    contacts: dict[ContactKind, str | None]

    @property
    def fields(self) -> list[PersonField]:
        """The names of what changes."""
        return [*self.identity, *(CONTACT_FIELDS[kind] for kind in self.contacts)]


@dataclass(frozen=True, slots=True)
class Act:
    """One request that changes something: what it causes has ids that derive from its own."""

    act_id: UUID
    at: datetime
    client_id: str
    traceparent: str | None


def messages_of(act: Act, *events: Event) -> list[Message]:
    """The records of what an act has caused, for the outbox."""
    messages: list[Message] = []
    for place, event in enumerate(events):
        event_id = uuid5(act.act_id, f"{place} {event.TOPIC}")
        messages.append(
            first_message(
                event, event_id=event_id, source=SOURCE, now=act.at, traceparent=act.traceparent
            )
        )
    return messages


def release_of(act: Act, handle: str, request_id: UUID) -> Message:
    """The order to give up a handle that was a contact: who has it next should be paid.

    One that was never claimed is refused by the directory, and nothing happens.
    """
    event = HandleReleaseRequested(
        request_id=request_id,
        requested_at=act.at,
        handle=handle,
        fingerprint=fingerprint_of(None),
        client_id=act.client_id,
    )
    return first_message(
        event, event_id=request_id, source=SOURCE, now=act.at, traceparent=act.traceparent
    )


def changes_of(body: ProfileBody, *, today: date) -> Changes:
    """The change that a body asks for; ProblemError 422 with everything that is wrong with it."""
    normalise: Mapping[str, Callable[[str], str]] = {
        PersonField.LEGAL_NAME: normalise_legal_name,
        PersonField.DATE_OF_BIRTH: lambda typed: date_of_birth(typed, today=today).isoformat(),
        PersonField.SSN: normalise_ssn,
        **{kind.value: each for kind, each in NORMALISE.items()},
    }
    faults: list[Fault] = []
    changes = Changes({}, {})
    for name in sorted(body.model_fields_set):
        typed: str | None = getattr(body, name)
        try:
            text = None if typed is None else normalise[name](typed)
        except Invalid as error:
            faults.append(Fault(f"/{name}", error.message, error.code))
            continue
        field = PersonField(name)
        if field in IDENTITY:
            changes.identity[field] = text
        else:
            changes.contacts[ContactKind(name)] = text
    if faults:
        raise ProblemError(422, faults[0].code or "invalid_body", faults[0].message, faults=faults)
    if not changes.fields:
        raise ProblemError(422, "nothing_to_change", "name at least one field")
    return changes


def demand_identity_open(tier: Tier, case: Case | None) -> None:
    """ProblemError 409 if the identity was checked, or is just being checked."""
    if tier is not Tier.UNVERIFIED:
        raise ProblemError(409, "identity_verified", "what was verified is changed by support only")
    if case is not None and case.state in {CaseState.SUBMITTED, CaseState.IN_REVIEW}:
        raise ProblemError(409, "identity_in_review", "wait until the case is decided")


def case_problem(refusal: CaseRefusal) -> ProblemError:
    """The problem that a refused move of a case is told as."""
    status, detail = CASE_PROBLEMS[refusal]
    return ProblemError(status, refusal.value, detail)


def demand_may_suspend(caller: Caller, roles: Sequence[str]) -> None:
    """ProblemError 403 unless `caller` may suspend and reinstate somebody who holds `roles`.

    Else whoever of the staff may suspend customers could lock out all admins.
    """
    if roles and Role.ADMIN not in caller.roles:
        raise ProblemError(403, "staff_standing", "only an admin suspends or reinstates staff")
