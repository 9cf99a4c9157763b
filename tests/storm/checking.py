"""The check of the books, as a storm calls it."""

from collections.abc import Callable

from titan.chaos.books import Books, BrokenPromiseError
from titan.chaos.books import check as check_books
from titan.chaos.target import Target
from titan.chaos.told import Hearing


async def check(storm: Target, *, hear: Callable[[], Hearing] = Hearing) -> Books:
    """What was found right is told; AssertionError otherwise, with the supervisor's words."""
    addresses = storm.titan.addresses
    try:
        books, _ = await check_books(
            storm.client.history,
            storm.garbage,
            bootstrap=addresses.kafka_bootstrap,
            dsn=addresses.postgres_dsn,
            hear=hear,
        )
    except BrokenPromiseError as error:
        said = "\n".join(storm.said)
        raise AssertionError(f"{error}\nWhat the supervisor said:\n{said}") from error
    storm.tell(f" {books}")
    return books
