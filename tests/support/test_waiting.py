"""`eventually` waits for a condition and says why it was not met."""

import itertools

import pytest

from tests.support.waiting import eventually


async def test_it_answers_the_first_true_answer() -> None:
    answers = itertools.chain([0, None], itertools.count(3))

    assert await eventually(lambda: next(answers)) == 3


async def test_it_awaits_a_coroutine_function() -> None:
    async def seven() -> int:
        return 7

    assert await eventually(seven) == 7


async def test_it_raises_the_last_assertion_when_the_time_is_up() -> None:
    found: list[int] = []

    def never() -> bool:
        assert found, "nothing was found"
        return True

    with pytest.raises(AssertionError, match="nothing was found"):
        await eventually(never, timeout_s=0.05)


async def test_it_shows_the_last_answer_when_the_time_is_up() -> None:
    with pytest.raises(AssertionError, match=r"after 0\.05 s still \[\]"):
        await eventually(list, timeout_s=0.05)
