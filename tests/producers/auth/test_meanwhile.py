"""What becomes of somebody while their password is being hashed counts for that sign-in already."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from producers.auth import users
from producers.auth.events import Act
from producers.auth.people import grant_roles
from runtime.clock import SystemClock
from runtime.database import Connection, Database
from runtime.http.caller import Role
from runtime.settings import Settings
from runtime.suspending import suspend
from tests.producers.auth.log import events_of
from tests.producers.auth.place import PASSWORD, Auth, Person
from tests.support.asgi import Answer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

Change = Callable[[Connection, Act, UUID], Awaitable[object]]

IS_WAITED_FOR = "SELECT EXISTS (SELECT FROM pg_locks WHERE $1 = ANY (pg_blocking_pids(pid)))"


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    assert settings.postgres_dsn is not None
    database = await Database.connect(settings.postgres_dsn.get_secret_value(), name="tests")
    yield database
    await database.close()


async def login_during(database: Database, auth: Auth, person: Person, change: Change) -> Answer:
    """Sign in, and change the person between the look at their password and what follows."""
    user_id, act = UUID(person.user_id), Act(uuid4(), SystemClock().now())
    async with database.connection() as held, database.connection() as other:
        async with held.transaction():
            await users.read_user(held, user_id, lock=True)
            signing_in = asyncio.create_task(auth.login(person.email))
            pid = await held.fetchval("SELECT pg_backend_pid()")

            async def is_waited_for() -> bool:
                assert not signing_in.done()
                return bool(await other.fetchval(IS_WAITED_FOR, pid))

            await eventually(is_waited_for, timeout_s=30)
            await change(held, act, user_id)
        return await signing_in


async def test_who_is_suspended_meanwhile_is_not_let_in(auth: Auth, database: Database) -> None:
    person = await auth.somebody()
    answer = await login_during(database, auth, person, suspend)
    assert (answer.status, answer.code) == (403, "account_suspended")
    events = await events_of(auth, person.user_id, until="session.refused.v1")
    assert [value["code"] for name, value in events if name == "session.refused.v1"] == [
        "suspended"
    ]


async def test_who_is_no_more_staff_meanwhile_gets_a_token_that_says_so(
    auth: Auth, database: Database
) -> None:
    person = await auth.somebody()
    async with database.connection() as connection, connection.transaction():
        act = Act(uuid4(), SystemClock().now())
        await grant_roles(connection, act, UUID(person.user_id), [Role.SUPPORT])

    async def demote(connection: Connection, act: Act, user_id: UUID) -> None:
        await grant_roles(connection, act, user_id, [])

    answer = await login_during(database, auth, person, demote)

    assert answer.status == 200, answer.body
    claims = await auth.edge.verifier.verify(answer.document["access_token"])
    assert claims.roles == frozenset()


async def test_who_enrols_a_device_meanwhile_is_asked_for_a_code(
    auth: Auth, database: Database
) -> None:
    person = await auth.somebody()
    assert (await person.auth.post("/auth/totp", password=PASSWORD)).status == 200

    async def enrol(connection: Connection, act: Act, user_id: UUID) -> None:
        await users.enrol_totp(connection, user_id, act.at)

    answer = await login_during(database, auth, person, enrol)

    assert (answer.status, answer.code) == (401, "totp_required")
