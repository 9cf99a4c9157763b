"""What the corpus says of the Payment Router holds with no server, and a no publishes nothing."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.corpus.cases import Case, read_book
from tests.producers.payments.router import Router, router_in_memory
from tests.support.asgi import call

CASES = read_book("payments")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def router() -> AsyncIterator[Router]:
    async with router_in_memory() as router:
        yield router


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_it_is_answered_as_the_corpus_says(router: Router, case: Case) -> None:
    router.log.published.clear()

    answer = await call(
        router.app, case.method, case.target, headers=case.all_headers, chunks=case.parts
    )

    assert (answer.status, answer.code) == (case.status, case.code), answer.body
    assert len(router.log.published) == (1 if case.status == 202 else 0)
    assert not [word for word in case.wrong_words if word in answer.body.decode()]
