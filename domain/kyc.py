"""Knowing a person: the states of a case, the one who may move it, and what each move leads to.

submitted -> in review -> approved | rejected | more information; from the last two the person
submits again. An approval takes two reviewers: the first proposes it, another confirms it. Nobody
decides their own case.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID


class CaseState(StrEnum):
    """Where a case stands."""

    SUBMITTED = "submitted"
    """Asked for by the person; nobody looks at it yet."""
    IN_REVIEW = "in_review"
    """A reviewer has taken it; perhaps one has proposed to approve it."""
    APPROVED = "approved"
    """The person has the tier they asked for."""
    REJECTED = "rejected"
    """Our no, with its reason; the person may submit again."""
    MORE_INFORMATION = "more_information"
    """Waits for the person: something is missing."""


class Wanted(StrEnum):
    """The tier that a case is about."""

    VERIFIED = "verified"
    BUSINESS = "business"


class Move(StrEnum):
    """What a reviewer does to a case."""

    TAKE = "take"
    APPROVE = "approve"
    REJECT = "reject"
    ASK = "ask"


class ReviewReason(StrEnum):
    """Why a case was rejected, or what it still lacks; stable, shown to the person.

    A list and no free text: what reviewers write of people would be personal itself.
    """

    DOCUMENT_UNREADABLE = "document_unreadable"
    DOCUMENT_EXPIRED = "document_expired"
    DOCUMENT_MISSING = "document_missing"
    NAME_DIFFERS = "name_differs"
    BIRTH_DATE_DIFFERS = "birth_date_differs"
    ADDRESS_UNPROVEN = "address_unproven"
    BUSINESS_UNPROVEN = "business_unproven"
    COUNTRY_NOT_SERVED = "country_not_served"
    SUSPECTED_FRAUD = "suspected_fraud"


class CaseRefusal(StrEnum):
    """Why a case was not moved."""

    WRONG_STATE = "wrong_case_state"
    """The case does not stand where this can be done."""
    OWN_CASE = "own_case"
    """The reviewer is the person whose case it is."""
    SAME_REVIEWER = "second_reviewer_required"
    """Who proposed an approval cannot confirm it."""
    ALREADY_VERIFIED = "tier_reached_already"
    """The person has the tier that they ask for, or a higher one."""


ROADS: Final[dict[CaseState, frozenset[CaseState]]] = {
    CaseState.SUBMITTED: frozenset({CaseState.IN_REVIEW}),
    CaseState.IN_REVIEW: frozenset(
        {CaseState.IN_REVIEW, CaseState.APPROVED, CaseState.REJECTED, CaseState.MORE_INFORMATION}
    ),
    CaseState.MORE_INFORMATION: frozenset({CaseState.SUBMITTED}),
    CaseState.APPROVED: frozenset(),
    CaseState.REJECTED: frozenset(),
}
"""Every road between states; a rejected person begins another case."""

OPEN: Final = frozenset({CaseState.SUBMITTED, CaseState.IN_REVIEW, CaseState.MORE_INFORMATION})
"""A person has at most one case in these states."""

_HEIGHT: Final[dict[str, int]] = {"unverified": 0, Wanted.VERIFIED: 1, Wanted.BUSINESS: 2}


@dataclass(frozen=True, slots=True)
class Case:
    """One request of one person for one tier. `version` counts its changes, from 1."""

    case_id: UUID
    person_id: UUID
    wanted: Wanted
    state: CaseState
    version: int
    proposed_by: str | None = None
    """The reviewer (a client id) who would approve it, while another has to confirm."""
    reason: ReviewReason | None = None


def submitted(
    case_id: UUID, person_id: UUID, wanted: Wanted, *, tier: str, before: Case | None
) -> Case | CaseRefusal:
    """The case after its person has submitted it; `before` is the one they have open, if any.

    One that waits for more information goes on, under its own id and perhaps for another tier.
    """
    if _HEIGHT[tier] >= _HEIGHT[wanted]:
        return CaseRefusal.ALREADY_VERIFIED
    if before is None:
        return Case(case_id, person_id, wanted, CaseState.SUBMITTED, 1)
    if CaseState.SUBMITTED not in ROADS[before.state]:
        return CaseRefusal.WRONG_STATE
    return replace(
        before,
        wanted=wanted,
        state=CaseState.SUBMITTED,
        version=before.version + 1,
        proposed_by=None,
        reason=None,
    )


def moved(
    case: Case,
    move: Move,
    *,
    reviewer: str,
    reviewer_person: UUID | None,
    reason: ReviewReason | None,
) -> Case | CaseRefusal:
    """The case after a reviewer's move; `reason` belongs to a rejection and to a question.

    The first approval leaves the case in review, with who proposed it; a second one, of somebody
    else, approves it. Rejecting and asking take one reviewer: they give nobody anything.
    """
    refusal = _refusal(case, move, reviewer=reviewer, reviewer_person=reviewer_person)
    if refusal is not None:
        return refusal
    changed = replace(case, version=case.version + 1)
    match move:
        case Move.TAKE:
            changed = replace(changed, state=CaseState.IN_REVIEW)
        case Move.APPROVE if case.proposed_by is None:
            changed = replace(changed, proposed_by=reviewer)
        case Move.APPROVE:
            changed = replace(changed, state=CaseState.APPROVED)
        case Move.REJECT:
            changed = replace(changed, state=CaseState.REJECTED, reason=reason)
        case Move.ASK:
            changed = replace(
                changed, state=CaseState.MORE_INFORMATION, proposed_by=None, reason=reason
            )
        case _:
            assert_never(move)
    return changed


def _refusal(
    case: Case, move: Move, *, reviewer: str, reviewer_person: UUID | None
) -> CaseRefusal | None:
    if reviewer_person == case.person_id:
        return CaseRefusal.OWN_CASE
    standing = CaseState.SUBMITTED if move is Move.TAKE else CaseState.IN_REVIEW
    if case.state is not standing:
        return CaseRefusal.WRONG_STATE
    if move is Move.APPROVE and case.proposed_by == reviewer:
        return CaseRefusal.SAME_REVIEWER
    return None
