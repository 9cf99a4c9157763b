import itertools
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.handle_directory.decide import (
    AccountFacts,
    Facts,
    Outcome,
    Request,
    decide_batch,
)
from domain.directory import HandleEntry, HandleTarget
from projections.directory import fold_all
from schemas.handle import (
    HandleClaimed,
    HandleClaimRefused,
    HandlePorted,
    HandleRefusalCode,
    HandleReleased,
)
from tests.support.directory_events import (
    NAME_SEALED,
    claim_requested,
    port_requested,
    release_requested,
)
from tests.support.events import ALICE, BOB
from tests.support.memory_stage import NOW, ROOT

ACCOUNTS = {
    ALICE: AccountFacts("demo", "USD"),
    BOB: AccountFacts("demo", "EUR"),
    ROOT: AccountFacts("stranger", "USD"),
}
HELD = HandleEntry("alice", 4, "demo", HandleTarget(ALICE, "USD", NAME_SEALED), NOW)
RELEASED = HandleEntry("alice", 4, "demo", None, NOW)


def decided(request: Request, entry: HandleEntry | None = None) -> Outcome | None:
    handles = {} if entry is None else {entry.handle: entry}
    [outcome] = decide_batch([request], Facts(handles, ACCOUNTS, frozenset()))
    return outcome


@pytest.mark.parametrize(("entry", "version"), [(None, 1), (RELEASED, 5)])
def test_a_free_handle_is_claimed_and_its_versions_go_on(
    entry: HandleEntry | None, version: int
) -> None:
    outcome = decided(claim_requested(account_id=BOB), entry)

    assert isinstance(outcome, HandleClaimed)
    assert (outcome.account_id, outcome.currency, outcome.version) == (BOB, "EUR", version)


@pytest.mark.parametrize(
    ("request_", "entry", "code"),
    [
        (claim_requested(account_id=BOB), HELD, HandleRefusalCode.HANDLE_TAKEN),
        (claim_requested(account_id=ALICE), HELD, HandleRefusalCode.HANDLE_TAKEN),
        (
            claim_requested(client_id="stranger", account_id=ROOT),
            HELD,
            HandleRefusalCode.HANDLE_TAKEN,
        ),
        (claim_requested(account_id=ROOT), None, HandleRefusalCode.ACCOUNT_UNKNOWN),
        (
            claim_requested(account_id="00000000-0000-0000-0000-000000000001"),
            None,
            HandleRefusalCode.ACCOUNT_UNKNOWN,
        ),
        (port_requested(account_id=BOB), None, HandleRefusalCode.HANDLE_UNKNOWN),
        (port_requested(account_id=BOB), RELEASED, HandleRefusalCode.HANDLE_UNKNOWN),
        (
            port_requested(client_id="stranger", account_id=ROOT),
            HELD,
            HandleRefusalCode.HANDLE_UNKNOWN,
        ),
        (port_requested(account_id=ROOT), HELD, HandleRefusalCode.ACCOUNT_UNKNOWN),
        (port_requested(account_id=ALICE), HELD, HandleRefusalCode.SAME_ACCOUNT),
        (release_requested(), None, HandleRefusalCode.HANDLE_UNKNOWN),
        (release_requested(), RELEASED, HandleRefusalCode.HANDLE_UNKNOWN),
        (release_requested(client_id="stranger"), HELD, HandleRefusalCode.HANDLE_UNKNOWN),
    ],
)
def test_refuses(request_: Request, entry: HandleEntry | None, code: HandleRefusalCode) -> None:
    outcome = decided(request_, entry)

    assert isinstance(outcome, HandleClaimRefused)
    assert outcome.code is code


def test_the_holder_ports_and_keeps_the_name() -> None:
    outcome = decided(port_requested(account_id=BOB), HELD)

    assert isinstance(outcome, HandlePorted)
    assert (outcome.account_id, outcome.currency, outcome.version) == (BOB, "EUR", 5)
    assert outcome.display_name_sealed == NAME_SEALED


def test_the_holder_releases() -> None:
    outcome = decided(release_requested(), HELD)

    assert isinstance(outcome, HandleReleased)
    assert outcome.version == 5


def test_of_two_claims_in_one_batch_the_first_wins() -> None:
    outcomes = decide_batch(
        [claim_requested(1), claim_requested(2, account_id=BOB)],
        Facts({}, ACCOUNTS, frozenset()),
    )

    assert [type(outcome) for outcome in outcomes] == [HandleClaimed, HandleClaimRefused]


def test_a_request_decided_before_is_not_decided_again() -> None:
    request = claim_requested()

    outcomes = decide_batch([request], Facts({}, ACCOUNTS, frozenset({request.request_id})))

    assert outcomes == [None]


def requests_of(kinds: list[tuple[int, str, int, int]]) -> list[Request]:
    makers = (claim_requested, port_requested, release_requested)
    accounts = (ALICE, BOB, ROOT)
    requests: list[Request] = []
    for number, (kind, handle, account, client) in enumerate(kinds):
        changes: dict[str, object] = {"handle": handle, "client_id": ("demo", "stranger")[client]}
        if makers[kind] is not release_requested:
            changes["account_id"] = accounts[account]
        requests.append(makers[kind](number, **changes))
    return requests


REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(["al", "bo"]), st.integers(0, 2), st.integers(0, 1)
    ),
    max_size=30,
).map(requests_of)


@given(requests=REQUESTS, cuts=st.sets(st.integers(0, 30)))
def test_batches_cut_anywhere_decide_the_same(requests: list[Request], cuts: set[int]) -> None:
    whole = decide_batch(requests, Facts({}, ACCOUNTS, frozenset()))

    handles: dict[str, HandleEntry] = {}
    pieces: list[Outcome | None] = []
    edges = [0, *sorted(cut for cut in cuts if cut < len(requests)), len(requests)]
    for start, end in itertools.pairwise(edges):
        outcomes = decide_batch(requests[start:end], Facts(handles, ACCOUNTS, frozenset()))
        handles = fold_all(handles, [outcome for outcome in outcomes if outcome is not None])
        pieces += outcomes

    assert pieces == whole


@given(requests=REQUESTS)
def test_versions_count_up_and_only_the_holder_changes_a_held_handle(
    requests: list[Request],
) -> None:
    holders: dict[str, str] = {}
    versions: dict[str, int] = defaultdict(int)

    for outcome in decide_batch(requests, Facts({}, ACCOUNTS, frozenset())):
        assert outcome is not None
        if isinstance(outcome, HandleClaimRefused):
            continue
        assert outcome.version == versions[outcome.handle] + 1
        versions[outcome.handle] = outcome.version
        if isinstance(outcome, HandleClaimed):
            assert outcome.handle not in holders
            assert ACCOUNTS[outcome.account_id].client_id == outcome.client_id
            holders[outcome.handle] = outcome.client_id
        else:
            assert holders[outcome.handle] == outcome.client_id
            if isinstance(outcome, HandleReleased):
                del holders[outcome.handle]


@given(requests=REQUESTS, order=st.randoms())
def test_the_fold_of_the_outcomes_does_not_depend_on_their_order(
    requests: list[Request], order: object
) -> None:
    outcomes = [
        outcome
        for outcome in decide_batch(requests, Facts({}, ACCOUNTS, frozenset()))
        if outcome is not None
    ]
    shuffled = [*outcomes, *outcomes[:3]]
    order.shuffle(shuffled)  # type: ignore[attr-defined]

    assert fold_all({}, shuffled) == fold_all({}, outcomes)
