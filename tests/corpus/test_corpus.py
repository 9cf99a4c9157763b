"""Every case of the corpus, sent to a whole Titan: exactly that answer, and no effect of a no."""

import pytest

from tests.corpus.cases import BOOKS, Case, read_book
from tests.corpus.effects import first_events
from tests.corpus.tokens.minting import Mint
from tests.corpus.wire import exchange, own_source
from tests.support.asgi import Answer
from tests.support.whole_titan import WholeTitan

pytestmark = [pytest.mark.hostile, pytest.mark.timeout(120)]

CASES = {book: read_book(book) for book in BOOKS}
CASES_MIN = 600
PROBLEM_FIELDS = {
    *("type", "title", "status", "detail", "instance"),
    *("code", "errors", "request_id"),
}
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
NEVER_SAID = ("Traceback", "SELECT", "asyncpg", "pydantic", "/site-packages/")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{book}: {case.name}")
        for book, cases in CASES.items()
        for case in cases
    ],
)
def test_it_is_answered_as_the_corpus_says(titan: WholeTitan, mint: Mint, case: Case) -> None:
    source = own_source() if case.own_address else "127.0.0.1"
    bearer = mint.holding() if case.as_person else None
    for step in case.before:
        before = exchange(titan.address(step.edge), step.sent(bearer), source=source)
        assert before.status == step.status, before.body[:500]

    answer = exchange(titan.address(case.edge), case.sent(bearer), source=source)

    expected = case.on_a_server
    assert (answer.status, answer.code) == (expected.status, expected.code), answer.body[:500]
    if expected.code is not None:
        _is_a_problem(answer)
        pointers = {fault["pointer"] for fault in answer.document["errors"]}
        assert {case.pointer} <= pointers if case.pointer is not None else True
    assert case.has.items() <= answer.headers.items()
    assert case.holds.items() <= (answer.document if case.holds else {}).items()
    assert not answer.headers.keys() & set(case.lacks)
    said = answer.body.decode(errors="replace")
    assert not [word for word in (*case.wrong_words, *NEVER_SAID) if word in said]


@pytest.mark.parametrize("book", BOOKS)
async def test_what_is_refused_puts_nothing_on_the_log(
    titan: WholeTitan, mint: Mint, book: str
) -> None:
    """Only the edges put these events; so what is there afterwards came from these requests."""
    # What stays open is only slow: it takes the edge's whole patience.
    refused = [case for case in CASES[book] if case.must_do_nothing and not case.stays_open]
    before = await first_events(titan)

    for case in refused:
        source = own_source() if case.own_address else "127.0.0.1"
        bearer = mint.holding() if case.as_person else None
        exchange(titan.address(case.edge), case.sent(bearer), source=source)

    assert await first_events(titan) == before


def test_the_corpus_names_each_case_once() -> None:
    names = [(book, case.name) for book, cases in CASES.items() for case in cases]

    assert len(names) == len(set(names)) >= CASES_MIN


def _is_a_problem(answer: Answer) -> None:
    document = answer.document
    assert document.keys() - {"state"} == PROBLEM_FIELDS
    assert document["status"] == answer.status
    assert document["type"] == f"urn:titan:problem:{document['code']}"
    assert document["request_id"] == answer.headers["request-id"]
    assert SECURITY_HEADERS.items() <= answer.headers.items()
