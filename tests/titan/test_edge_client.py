from collections.abc import Callable
from uuid import UUID

import httpx
import pytest

from domain.errors import Invalid, Unavailable, Unknown
from domain.payment import RefusalCode, State
from runtime.clock import SystemClock
from runtime.settings import Settings
from titan.edge_client import PAY_ATTEMPTS_MAX, EdgeClient, PaymentSeen

PAYMENT = UUID("5d6a6f0e-6f1b-5b5e-9a39-1a2b3c4d5e6f")
ACCEPTED = {"id": str(PAYMENT), "state": "requested", "links": {"self": "s", "events": "e"}}

Answer = Callable[[httpx.Request], httpx.Response]


class NoPause(SystemClock):
    async def sleep(self, seconds: float) -> None:
        assert 0 < seconds < 1


def client(answer: Answer) -> EdgeClient:
    transport = httpx.MockTransport(answer)
    return EdgeClient(Settings(), clock=NoPause(), transport=transport)


def problem(status: int, code: str, detail: str = "the reason") -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": detail})


async def pay(edges: EdgeClient) -> PaymentSeen:
    async with edges:
        return await edges.pay(
            from_handle="alice",
            to_handle="bob",
            amount_minor=1000,
            currency="USD",
            description=None,
            key="k-1",
        )


async def test_an_unknown_outcome_is_asked_again_under_the_same_key() -> None:
    keys: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) < PAY_ATTEMPTS_MAX:
            return problem(503, "unknown")
        return httpx.Response(202, json=ACCEPTED)

    seen = await pay(client(answer))

    assert seen.payment_id == PAYMENT
    assert keys == ["k-1"] * PAY_ATTEMPTS_MAX


async def test_a_lost_answer_is_unknown_and_never_failed() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    with pytest.raises(Unknown):
        await pay(client(answer))


async def test_a_refusal_of_the_edge_is_not_repeated() -> None:
    calls: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return problem(422, "self_payment", "payer and payee are the same handle")

    with pytest.raises(Invalid, match="same handle") as raised:
        await pay(client(answer))

    assert raised.value.code == "self_payment"
    assert len(calls) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_edge_in_trouble_is_unavailable(status: int) -> None:
    with pytest.raises(Unavailable, match=str(status)):
        await pay(client(lambda _: problem(status, "any")))


async def test_something_else_on_the_port_is_said() -> None:
    with pytest.raises(Unavailable, match="no JSON"):
        await pay(client(lambda _: httpx.Response(200, text="<html>")))


async def test_an_edge_that_is_away_is_said_with_the_remedy() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:8002.*make run"):
        await pay(client(answer))


async def test_waiting_for_a_payment_says_so_to_the_edge() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Prefer"] == "wait=10"
        accepted_at = "2026-11-23T02:00:00.123456Z"
        found = {"state": "refused", "refusal_code": "daily_limit", "accepted_at": accepted_at}
        return httpx.Response(200, json={**ACCEPTED, **found})

    async with client(answer) as edges:
        seen = await edges.payment(PAYMENT, wait_s=60)

    assert (seen.state, seen.refusal_code) == (State.REFUSED, RefusalCode.DAILY_LIMIT)
    assert seen.is_final
    assert seen.accepted_at is not None
    assert seen.accepted_at.microsecond == 123456
