"""Refresh tokens: one chain for each session, and its end where a copy shows."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from producers.auth import limits
from producers.auth.housekeeping import Housekeeping
from runtime.clock import SystemClock
from tests.producers.auth.log import events_of
from tests.producers.auth.place import Auth

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> dict[str, timedelta]:
    """How much later it is than it is."""
    shift = {"by": timedelta()}
    real = SystemClock.now

    def now(clock: SystemClock) -> datetime:
        return real(clock) + shift["by"]

    monkeypatch.setattr(SystemClock, "now", now)
    return shift


async def refresh(auth: Auth, tokens: dict[str, Any]) -> Any:
    return await auth.post("/auth/refresh", refresh_token=tokens["refresh_token"])


async def test_fifty_at_once_get_one_successor(auth: Auth) -> None:
    person = await auth.somebody()

    answers = await asyncio.gather(*(refresh(auth, person.tokens) for _ in range(50)))

    assert {answer.status for answer in answers} == {200}
    assert len({answer.document["refresh_token"] for answer in answers}) == 1
    async with auth.edge.resources.database.connection() as connection:
        generations = await connection.fetch(
            "SELECT generation FROM auth_refresh_tokens WHERE session_id = $1 ORDER BY generation",
            person.tokens["session_id"],
        )
    assert [row["generation"] for row in generations] == [1, 2]
    told = await events_of(auth, person.user_id, until="session.refreshed.v1")
    assert [name for name, _ in told].count("session.refreshed.v1") == 1


async def test_a_lost_answer_is_given_again_for_a_moment_only(
    auth: Auth, later: dict[str, timedelta]
) -> None:
    person = await auth.somebody()
    first = await refresh(auth, person.tokens)
    later["by"] = timedelta(seconds=limits.REFRESH_GRACE_S - 1)
    again = await refresh(auth, person.tokens)
    assert again.document["refresh_token"] == first.document["refresh_token"]

    later["by"] = timedelta(seconds=limits.REFRESH_GRACE_S + 1)
    copied = await refresh(auth, person.tokens)

    assert (copied.status, copied.code) == (401, "invalid_refresh_token")
    assert (await refresh(auth, first.document)).status == 401


async def test_a_used_token_whose_successor_was_used_ends_the_session(auth: Auth) -> None:
    person = await auth.somebody()
    second = (await refresh(auth, person.tokens)).document
    third = (await refresh(auth, second)).document

    copied = await refresh(auth, person.tokens)

    assert (copied.status, copied.code) == (401, "invalid_refresh_token")
    assert (await refresh(auth, third)).status == 401
    told = await events_of(auth, person.user_id, until="session.revoked.v1")
    [reuse] = [value for name, value in told if name == "session.reuse-detected.v1"]
    assert (reuse["session_id"], reuse["generation"]) == (person.tokens["session_id"], 1)
    [revoked] = [value for name, value in told if name == "session.revoked.v1"]
    assert (revoked["session_id"], revoked["reason"]) == (
        person.tokens["session_id"],
        "refresh_token_reused",
    )
    gone = await person.auth.get("/auth/sessions")
    assert (gone.status, gone.code) == (401, "invalid_token")


@pytest.mark.parametrize(
    "token", ["", "x", "titan_rt_" + "A" * 43, "titan_ak_" + "A" * 43, "titan_rt_" + "A" * 44]
)
async def test_what_is_no_token_of_ours_is_one_answer(auth: Auth, token: str) -> None:
    answer = await auth.post("/auth/refresh", refresh_token=token)
    assert (answer.status, answer.code) == (401, "invalid_refresh_token")
    assert (await auth.post("/auth/logout", refresh_token=token)).status == 204


async def test_an_access_token_does_not_refresh_nor_a_refresh_token_let_in(auth: Auth) -> None:
    person = await auth.somebody()
    crossed = await auth.post("/auth/refresh", refresh_token=person.tokens["access_token"])
    assert crossed.status == 401
    answer = await auth.by(person.tokens["refresh_token"]).get("/auth/sessions")
    assert (answer.status, answer.code) == (401, "invalid_token")


async def test_signing_out_ends_the_session_everywhere(auth: Auth) -> None:
    person = await auth.somebody()
    assert (await person.auth.get("/auth/sessions")).status == 200

    out = await auth.post("/auth/logout", refresh_token=person.tokens["refresh_token"])

    assert out.status == 204
    assert (await refresh(auth, person.tokens)).status == 401
    told = await events_of(auth, person.user_id, until="session.ended.v1")
    assert "session.reuse-detected.v1" not in [name for name, _ in told]
    assert (await person.auth.get("/auth/sessions")).status == 401


async def test_a_session_ends_by_itself(auth: Auth, later: dict[str, timedelta]) -> None:
    person = await auth.somebody()
    later["by"] = timedelta(seconds=limits.SESSION_S + 1)
    assert (await refresh(auth, person.tokens)).status == 401


async def test_one_sees_and_ends_ones_own_sessions_only(auth: Auth) -> None:
    person, other = await auth.somebody(), await auth.somebody()
    second = (await auth.login(person.email)).document

    page = (await person.auth.get("/auth/sessions?limit=1")).document
    rest = (await person.auth.get(f"/auth/sessions?cursor={page['next_cursor']}")).document
    seen = [session["session_id"] for session in (*page["data"], *rest["data"])]
    assert seen == [second["session_id"], person.tokens["session_id"]]
    assert [session["is_this"] for session in (*page["data"], *rest["data"])] == [False, True]

    stranger = await other.auth.delete(f"/auth/sessions/{second['session_id']}")
    assert (stranger.status, stranger.code) == (404, "session_not_found")
    borrowed = await other.auth.get(f"/auth/sessions?cursor={page['next_cursor']}")
    assert (borrowed.status, borrowed.code) == (400, "invalid_cursor")

    assert (await person.auth.delete(f"/auth/sessions/{second['session_id']}")).status == 204
    assert (await refresh(auth, second)).status == 401
    left = (await person.auth.get("/auth/sessions")).document["data"]
    assert [session["session_id"] for session in left] == [person.tokens["session_id"]]


async def test_a_sign_in_too_many_ends_the_oldest(
    auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SESSIONS_MAX", 2)
    person = await auth.somebody()
    second = (await auth.login(person.email)).document
    third = (await auth.login(person.email)).document

    assert (await refresh(auth, person.tokens)).status == 401
    assert (await refresh(auth, second)).status == 200
    assert (await refresh(auth, third)).status == 200


async def test_sealed_successors_are_forgotten_after_their_grace(
    auth: Auth, later: dict[str, timedelta]
) -> None:
    person = await auth.somebody()
    await refresh(auth, person.tokens)
    database = auth.edge.resources.database
    clock = SystemClock()
    housekeeping = Housekeeping(database, clock=clock)

    async def sealed() -> int:
        async with database.connection() as connection:
            count: int = await connection.fetchval(
                "SELECT count(successor_sealed) FROM auth_refresh_tokens WHERE session_id = $1",
                person.tokens["session_id"],
            )
            return count

    await housekeeping.round(clock.now())
    assert await sealed() == 1
    later["by"] = timedelta(seconds=limits.REFRESH_GRACE_S + 1)
    await housekeeping.round(clock.now())
    assert await sealed() == 0
    later["by"] = timedelta(seconds=limits.SESSION_S + limits.SESSION_KEPT_S + 1)
    await housekeeping.round(clock.now())
    async with database.connection() as connection:
        left = await connection.fetchval(
            "SELECT count(*) FROM auth_refresh_tokens WHERE session_id = $1",
            person.tokens["session_id"],
        )
    assert left == 0
