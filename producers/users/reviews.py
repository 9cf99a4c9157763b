"""A reviewer's move of a case: decided, written and told in one unit."""

from typing import assert_never
from uuid import UUID

from domain.kyc import Case, CaseRefusal, CaseState, Move, ReviewReason, moved
from producers.users import cases, people
from producers.users.cases import CaseRow
from producers.users.decide import Act, case_problem, messages_of
from runtime.database import Connection
from runtime.outbox import put
from schemas.account import Tier
from schemas.event import Event
from schemas.kyc import (
    KycApprovalProposed,
    KycApproved,
    KycInformationRequested,
    KycRejected,
    KycReviewStarted,
)
from schemas.person import PersonTierChanged


async def review(
    connection: Connection,
    act: Act,
    seen: CaseRow,
    move: Move,
    *,
    reviewer_person: UUID | None,
    reason: ReviewReason | None,
) -> CaseRow:
    """Move a case, and the person's tier with it where it is approved. ProblemError 403 or 409.

    `seen` only says whose case it is: what counts is read again under the person's lock.
    """
    person = await people.locked_person(connection, seen.case.person_id, now=act.at)
    row = await cases.read_case(connection, seen.case.case_id)
    assert row is not None, "cases are never deleted"
    case = moved(
        row.case, move, reviewer=act.client_id, reviewer_person=reviewer_person, reason=reason
    )
    if isinstance(case, CaseRefusal):
        raise case_problem(case)
    await cases.write_case(connection, case, at=act.at)
    events = [event_of(act, row.case, case)]
    if case.state is CaseState.APPROVED:
        person = await people.write_tier(connection, person, Tier(case.wanted.value))
        events.append(
            PersonTierChanged(
                request_id=act.act_id,
                requested_at=act.at,
                person_id=person.person_id,
                tier=person.tier,
                version=person.tier_version,
                case_id=case.case_id,
            )
        )
    await put(connection, messages_of(act, *events))
    return CaseRow(case, row.submitted_at, act.at)


def event_of(act: Act, before: Case, case: Case) -> Event:
    """The event that tells a move."""
    told = {
        "request_id": act.act_id,
        "requested_at": act.at,
        "person_id": case.person_id,
        "case_id": case.case_id,
        "version": case.version,
        "reviewer": act.client_id,
    }
    match case.state:
        case CaseState.IN_REVIEW if case.proposed_by is not None:
            return KycApprovalProposed.model_validate(told)
        case CaseState.IN_REVIEW | CaseState.SUBMITTED:
            return KycReviewStarted.model_validate(told)
        case CaseState.APPROVED:
            more = {"proposed_by": before.proposed_by, "wanted": case.wanted}
            return KycApproved.model_validate(told | more)
        case CaseState.REJECTED:
            return KycRejected.model_validate(told | {"reason": case.reason})
        case CaseState.MORE_INFORMATION:
            return KycInformationRequested.model_validate(told | {"reason": case.reason})
    assert_never(case.state)
