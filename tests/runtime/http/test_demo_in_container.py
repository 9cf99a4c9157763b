"""The demo in a container: whoever calls says a local name, or one that means an edge."""

from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request

from runtime.clock import SystemClock
from runtime.database import Database
from runtime.http.authentication import authenticator_for
from runtime.http.caller import DEMO, Authenticator
from runtime.http.problem import ProblemError
from runtime.http.scope import keep_headers
from runtime.settings import Settings

GATEWAY = "172.18.0.1"
"""Whence a container sees what comes through its published port, whoever sent it."""


def request_to(*hosts: str) -> Request:
    headers = [(b"host", host.encode()) for host in hosts]
    scope = {"type": "http", "headers": headers, "client": (GATEWAY, 1)}
    keep_headers(scope)
    return Request(scope)


@pytest.fixture
async def authenticator() -> AsyncIterator[Authenticator]:
    settings = Settings(
        demo_in_container=True,
        handles_url="http://handle-resolution:8001",
        payments_url="http://Payment-Router:8002",
        notifications_url="http://notifications:8006",
    )
    database = await Database.connect("postgresql://nobody@127.0.0.1:1/nothing", name="tests")
    async with authenticator_for("payments", settings, database, clock=SystemClock()) as found:
        yield found
    await database.close()


@pytest.mark.parametrize(
    "host",
    [
        *("localhost:8002", "127.0.0.1:8002", "[::1]:8002", "LOCALHOST"),
        *("handle-resolution:8001", "payment-router:8002", "PAYMENT-ROUTER", "notifications:8006"),
    ],
)
async def test_a_browser_and_the_services_of_its_network_are_the_demo(
    authenticator: Authenticator, host: str
) -> None:
    assert await authenticator(request_to(host)) is DEMO


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8002", "payment-router.evil.example:8002", "", "None"),
        *("192.0.2.7:8002", "0.0.0.0:8002", "postgres:5432", "payment-router@evil.example"),
    ],
)
async def test_a_page_of_the_web_whose_name_means_this_machine_is_not(
    authenticator: Authenticator, host: str
) -> None:
    with pytest.raises(ProblemError, match="demo_is_local"):
        await authenticator(request_to(host))


async def test_two_names_are_both_asked_about(authenticator: Authenticator) -> None:
    with pytest.raises(ProblemError, match="demo_is_local"):
        await authenticator(request_to("localhost", "evil.example"))
