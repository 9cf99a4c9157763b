"""What a client knows of itself after it was killed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from titan.chaos.history import History, read_history
from titan.chaos.journal import FileJournal


def told(history: History) -> list[tuple[object, ...]]:
    return [
        (each.key, each.body, each.payment_id, each.accepted_at_s, each.refused_as, each.notes)
        for each in history.intents
    ]


@asynccontextmanager
async def kept(path: Path) -> AsyncIterator[FileJournal]:
    journal = FileJournal(path)
    yield journal
    await journal.close()


async def live(journal: FileJournal, payment_id: UUID) -> History:
    """A life with a yes, a no, a doubt, and a request of which nothing was heard."""
    history = History(1, journal=journal)
    taken, refused, doubtful, _ = (
        history.intend("alice", "bob", amount_minor, description="for lunch")
        for amount_minor in (1, 2, 3, 4)
    )
    history.leave_open(taken, "TimeoutError")
    history.accept(taken, payment_id)
    history.refuse(refused, "422 self_payment")
    history.leave_open(doubtful, "503 None")
    history.know("alice", payment_id)
    history.surprise("500 for x")
    await history.flushed()
    return history


async def test_what_is_read_back_is_what_was_lived_through(tmp_path: Path) -> None:
    async with kept(tmp_path / "journal") as journal:
        lived = await live(journal, uuid4())

    again = read_history(tmp_path / "journal", seed=1)

    assert told(again) == told(lived)
    assert (again.accounts, again.surprises) == (lived.accounts, lived.surprises)
    assert [each.is_answered for each in again.intents] == [True, True, False, False]
    assert [each.was_unknown for each in again.intents] == [True, False, True, False]


async def test_a_successor_goes_on_after_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with kept(path) as journal:
        lived = await live(journal, uuid4())
    with path.open("ab") as file:
        file.write(b'{"at": 17, "of": 3, "ok"')

    async with kept(path) as journal:
        history = read_history(path, seed=1, journal=journal)
        history.refuse(history.intents[3], "422 x")
        new = history.intend("alice", "bob", 5)

    assert new.key not in {each.key for each in lived.intents}
    assert told(read_history(path, seed=1)) == told(history)


async def test_what_was_flushed_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with kept(path) as journal:
        history = History(1, journal=journal)
        for number in range(1, 100):
            history.intend("alice", "bob", number)
            await history.flushed()
            assert len(read_history(path, seed=1).intents) == number


async def test_two_payments_under_one_key_are_a_surprise() -> None:
    history = History(1)
    intent = history.intend("alice", "bob", 1)
    history.accept(intent, uuid4())
    assert history.surprises == []
    history.accept(intent, uuid4())
    assert len(history.surprises) == 1


@pytest.mark.parametrize("lines", ["", "\n\n", "nothing of this is JSON\n"])
async def test_an_empty_life_is_no_life(tmp_path: Path, lines: str) -> None:
    (tmp_path / "journal").write_text(lines)
    assert read_history(tmp_path / "journal", seed=1).intents == []
