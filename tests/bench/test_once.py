from dataclasses import replace
from uuid import UUID

import pytest

from bench.log import Ending
from bench.once import Books, judged
from schemas.payment import PaymentPosted, PaymentRefused

IDS = [UUID(int=number) for number in range(4)]
ENDINGS = [Ending(each, UUID(int=each.int + 100), PaymentPosted.TOPIC, 0) for each in IDS]
BOOKS = Books(postings=9, entries=18, total_minor=0, payments=9, wrong_balances=0)


def test_every_payment_ended_once_in_log_and_books() -> None:
    once = judged(ENDINGS, BOOKS, 4)

    assert (once.missing, once.twice, once.repeats) == (0, 0, 0)


def test_a_record_that_tells_the_same_again_is_allowed_and_counted() -> None:
    once = judged([*ENDINGS, ENDINGS[0]], BOOKS, 4)

    assert (once.missing, once.twice, once.repeats) == (0, 0, 1)


def test_another_event_about_a_payment_that_ended_is_twice() -> None:
    assert judged([*ENDINGS, ENDINGS[0]._replace(event_id=UUID(int=999))], BOOKS, 4).twice == 1


def test_what_was_sent_and_not_posted_is_missing() -> None:
    assert judged(ENDINGS, BOOKS, 5).missing == 1
    assert judged([ENDINGS[0]._replace(topic=PaymentRefused.TOPIC), *ENDINGS[1:]], BOOKS, 4).missing


@pytest.mark.parametrize(
    "change", [{"postings": 10}, {"entries": 19}, {"total_minor": 1}, {"wrong_balances": 1}]
)
def test_books_that_say_otherwise_are_found(change: dict[str, int]) -> None:
    assert judged(ENDINGS, replace(BOOKS, **change), 4).twice
