from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kyc import (
    OPEN,
    ROADS,
    Case,
    CaseRefusal,
    CaseState,
    Move,
    ReviewReason,
    Wanted,
    moved,
    submitted,
)

CASE, PERSON, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
REVIEWERS = {"user:a": UUID(int=10), "user:b": UUID(int=11), "user:self": PERSON, "client:c": None}

steps = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(Wanted)),
    st.tuples(st.sampled_from(Move), st.sampled_from(sorted(REVIEWERS))),
)


def begun(wanted: Wanted = Wanted.VERIFIED) -> Case:
    case = submitted(CASE, PERSON, wanted, tier="unverified", before=None)
    assert isinstance(case, Case)
    return case


def step(case: Case, move: Move, reviewer: str) -> Case | CaseRefusal:
    return moved(
        case,
        move,
        reviewer=reviewer,
        reviewer_person=REVIEWERS[reviewer],
        reason=ReviewReason.DOCUMENT_MISSING,
    )


def after(case: Case, *moves: tuple[Move, str]) -> Case:
    for move, reviewer in moves:
        changed = step(case, move, reviewer)
        assert isinstance(changed, Case), changed
        case = changed
    return case


@given(st.lists(steps, max_size=12))
def test_no_way_leads_round_four_eyes_or_back_from_an_end(
    taken: list[tuple[object, object]],
) -> None:
    case = begun()
    approved_by: set[str] = set()
    for what, who in taken:
        if isinstance(what, Move):
            assert isinstance(who, str)
            changed = step(case, what, who)
        else:
            assert isinstance(who, Wanted)
            changed = submitted(CASE, PERSON, who, tier="unverified", before=case)
        if isinstance(changed, CaseRefusal):
            continue
        assert changed.state in ROADS[case.state]
        assert changed.version == case.version + 1
        assert who != "user:self"
        if what is Move.APPROVE:
            assert isinstance(who, str)
            approved_by.add(who)
        elif changed.proposed_by is None:
            approved_by.clear()
        case = changed
        if case.state is CaseState.APPROVED:
            assert len(approved_by) == 2


def test_an_approval_takes_two_reviewers_and_neither_is_the_person() -> None:
    case = after(begun(), (Move.TAKE, "user:a"), (Move.APPROVE, "user:a"))
    assert case.state is CaseState.IN_REVIEW
    assert step(case, Move.APPROVE, "user:a") is CaseRefusal.SAME_REVIEWER
    assert step(case, Move.APPROVE, "user:self") is CaseRefusal.OWN_CASE
    assert after(case, (Move.APPROVE, "client:c")).state is CaseState.APPROVED


def test_a_question_forgets_who_would_have_approved() -> None:
    asked = after(begun(), (Move.TAKE, "user:a"), (Move.APPROVE, "user:a"), (Move.ASK, "user:b"))
    assert (asked.proposed_by, asked.reason) == (None, ReviewReason.DOCUMENT_MISSING)
    again = submitted(OTHER, PERSON, Wanted.BUSINESS, tier="unverified", before=asked)
    assert again == Case(CASE, PERSON, Wanted.BUSINESS, CaseState.SUBMITTED, asked.version + 1)


@pytest.mark.parametrize("state", sorted(OPEN - {CaseState.MORE_INFORMATION}))
def test_a_case_under_way_is_not_submitted_again(state: CaseState) -> None:
    before = Case(CASE, PERSON, Wanted.VERIFIED, state, 1)
    answer = submitted(OTHER, PERSON, Wanted.VERIFIED, tier="unverified", before=before)
    assert answer is CaseRefusal.WRONG_STATE


@pytest.mark.parametrize(
    ("tier", "wanted"),
    [("verified", Wanted.VERIFIED), ("business", Wanted.VERIFIED), ("business", Wanted.BUSINESS)],
)
def test_nobody_asks_for_the_tier_they_have(tier: str, wanted: Wanted) -> None:
    answer = submitted(CASE, PERSON, wanted, tier=tier, before=None)
    assert answer is CaseRefusal.ALREADY_VERIFIED
