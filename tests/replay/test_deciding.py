"""Read models whose stage decides: they are ahead of the log by what is not published yet."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from projections.accounts import AccountProfile
from schemas.account import AccountOpened, AccountOpeningRequested
from schemas.wire import Message, event_json
from tests.replay.people import opening, town
from tests.replay.place import Place, message_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

OPENING, DIRECTORY = "account_opening", "handle_directory"


async def test_accounts_and_handles_are_equal_while_they_change_and_after_a_swap(
    place: Place,
) -> None:
    openings, changes = town(30)
    async with place.living(OPENING, DIRECTORY):
        await place.tell(*openings)
        await place.until_done(OPENING)
        half = len(changes) // 2
        for projection, told in (("directory", changes[:half]), ("accounts", changes[half:])):
            await place.tell(*told)
            code, found = await place.replay(projection)
            assert (code, found["equal"]) == (0, True)
            code, found = await place.replay(projection, "--swap")
            assert (code, found["swapped"]) == (0, True)
        await place.until_done(OPENING, DIRECTORY)
        code, found = await place.replay("directory")

    assert (code, found["equal"]) == (0, True)
    for table in found["tables"]:
        assert table["rows"] == len(await place.rows(table["table"])) >= 30
    decided = await place.owner.fetch("SELECT request_id FROM directory_changes")
    assert {change.subject for change in changes} <= {row["request_id"] for row in decided}


@pytest.mark.parametrize(
    ("fault", "table", "column"),
    [
        ("UPDATE accounts SET tier = 'business' WHERE account_id = $1", "accounts", "tier"),
        ("DELETE FROM accounts WHERE account_id = $1", "accounts", None),
        ("UPDATE directory_handles SET version = 7", "directory_handles", "version"),
        ("UPDATE directory_handles SET client_id = 'eve'", "directory_handles", "client_id"),
        ("DELETE FROM directory_changes", "directory_changes", None),
    ],
)
async def test_a_fault_is_named_and_mended(
    place: Place, fault: str, table: str, column: str | None
) -> None:
    openings, changes = town(1)
    async with place.living(OPENING, DIRECTORY):
        await place.tell(*openings)
        await place.until_done(OPENING)
        await place.tell(*changes)
        await place.until_done(OPENING, DIRECTORY)
    account = [openings[0].account_id] if "$1" in fault else []  # type: ignore[attr-defined]
    await place.owner.execute(fault, *account)

    code, found = await place.titan("replay", "--projection", "all", "--rows", "1")

    assert code == 1
    assert [t["table"] for one in found for t in one["tables"] if t["different"]] == [table]
    listed = [each for one in found for t in one["tables"] for each in t["differences"]]
    assert [each["column"] for each in listed] == [column]
    assert (await place.titan("replay", "--projection", "all", "--swap"))[0] == 0
    assert (await place.titan("replay", "--projection", "all"))[0] == 0


async def test_what_is_decided_and_not_published_is_neither_alarmed_about_nor_lost(
    place: Place,
) -> None:
    """The stage was killed after its commit: row and inbox are there, the event is not."""
    account_id = uuid4()
    request = opening(account_id)
    await place.publish(message := message_of(request))
    await killed_before_publishing(place, request, message)

    code, found = await place.replay("accounts")
    assert (code, found["equal"], found["tables"][0]["in_flight"]) == (0, True, 1)
    assert (await place.replay("accounts", "--swap"))[0] == 0
    assert await stands(place, account_id)

    async with place.living(OPENING):
        await place.until_done(OPENING)
        code, found = await place.replay("accounts")
    assert (code, found["equal"], found["tables"][0]["in_flight"]) == (0, True, 0)


async def test_an_account_that_nobody_decided_about_is_alarmed_about_and_swept(
    place: Place,
) -> None:
    account_id = uuid4()
    await insert(place, opening(account_id))

    code, found = await place.replay("accounts")

    assert code == 1
    assert [each["key"] for each in found["tables"][0]["differences"]] == [str(account_id)]
    assert (await place.replay("accounts", "--swap"))[0] == 0
    assert not await stands(place, account_id)


async def test_of_equal_openings_the_first_in_the_log_stands_as_in_the_table(place: Place) -> None:
    account_id = uuid4()
    later = opening(account_id)
    before = later.requested_at - timedelta(minutes=5)
    earlier = later.model_copy(update={"request_id": uuid4(), "requested_at": before})
    async with place.living(OPENING):
        await place.tell(later)
        await place.until_done(OPENING)
        await place.tell(earlier)
        await place.until_done(OPENING)
        code, found = await place.replay("accounts")

    assert (code, found["equal"]) == (0, True)


def header(message: Message, name: str) -> UUID:
    return UUID(dict(message.headers)[name].decode())


async def stands(place: Place, account_id: UUID) -> bool:
    found = await place.owner.fetchval("SELECT 1 FROM accounts WHERE account_id = $1", account_id)
    return found is not None


async def insert(place: Place, request: AccountOpeningRequested) -> None:
    profile = AccountProfile(
        request.account_id,
        request.client_id,
        request.kind,
        request.tier,
        request.currency,
        request.requested_at,
    )
    await place.owner.execute("INSERT INTO accounts VALUES ($1, $2, $3, $4, $5, $6)", *profile)


async def killed_before_publishing(
    place: Place, request: AccountOpeningRequested, message: Message
) -> None:
    opened = AccountOpened(**request.model_dump())
    await insert(place, request)
    await place.owner.execute(
        "INSERT INTO ledger_accounts (account_id, currency, minimum_minor, opened_at)"
        " VALUES ($1, $2, 0, $3)",
        request.account_id,
        request.currency,
        request.requested_at,
    )
    day = request.requested_at.date()
    await place.owner.execute("SELECT inbox_ensure_partition($1)", day)
    await place.owner.execute(
        "INSERT INTO inbox VALUES ($1, $2, $3, $4, $5, $6, now())",
        header(message, "idempotency_id"),
        OPENING,
        day,
        header(message, "ce_id"),
        AccountOpened.TOPIC,
        event_json(opened),
    )
