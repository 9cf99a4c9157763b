"""A route without a rule is not built, and a rule lets in whom it names and nobody else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import Defect
from runtime.clock import Clock, SystemClock
from runtime.http.authorization import Rules, customer, person, public, signed_in, staff
from runtime.http.body import read_json
from runtime.http.caller import DEMO, Caller, Kind, Role, Scope
from runtime.http.edge import edge_app
from runtime.http.scope import ACTS
from runtime.settings import Settings
from tests.support.asgi import call, running

CALLERS = st.builds(
    Caller,
    client_id=st.just("somebody"),
    kind=st.sampled_from(Kind),
    scopes=st.frozensets(st.sampled_from([*Scope, "payments:", "PAYMENTS:WRITE", "*"])),
    roles=st.frozensets(st.sampled_from([*Role, "Admin", "root", "*"])),
)


@given(caller=CALLERS)
def test_a_rule_admits_whom_it_names(caller: Caller) -> None:
    is_program = caller.kind is Kind.PROGRAM
    is_staff = caller.kind is Kind.ADMIN

    assert customer(Scope.PAYMENTS_WRITE).admits(caller) is (
        caller.kind in {Kind.DEMO, Kind.PERSON}
        or (is_program and Scope.PAYMENTS_WRITE in caller.scopes)
    )
    assert person().admits(caller) is (caller.kind is Kind.PERSON)
    assert signed_in().admits(caller) is (caller.kind in {Kind.PERSON, Kind.ADMIN})
    assert staff(Role.ADMIN, Role.SUPPORT).admits(caller) is (
        is_staff and bool({Role.ADMIN, Role.SUPPORT} & caller.roles)
    )
    assert not public().admits(caller)


def test_a_rule_for_staff_names_roles() -> None:
    with pytest.raises(Defect, match="names the roles"):
        staff()


@dataclass
class Opened:
    clock: Clock
    database: None = None


class Body(BaseModel):
    name: str


async def here(request: Request) -> Response:
    if request.method == "POST":
        await read_json(request, bytes_max=1_000_000)
    return Response("here")


async def with_acts(request: Request) -> Response:
    request.scope[ACTS] = int(request.query_params["acts"])
    return Response(status_code=int(request.query_params["status"]))


async def parsed(body: Body) -> str:
    return body.name


def app_with(rules: Rules, *, caller: Caller = DEMO, **routes: Any) -> FastAPI:
    router = APIRouter()
    for name, endpoint in routes.items():
        method, _, path = name.partition("_")
        router.add_api_route(f"/{path}", endpoint, methods=[method])

    @asynccontextmanager
    async def resources(*_: object) -> AsyncIterator[Any]:
        yield Opened(SystemClock())

    @asynccontextmanager
    async def open_edge(_: object) -> AsyncIterator[object]:
        yield None

    async def authenticator(_: Request) -> Caller:
        return caller

    return edge_app(
        "test",
        title="Test",
        description="An edge.",
        settings=Settings(),
        open_edge=open_edge,
        routers=[router],
        rules=rules,
        authenticator=authenticator,
        resources=resources,
    )


def test_an_application_with_a_route_that_has_no_rule_is_not_built() -> None:
    with pytest.raises(Defect) as refused:
        app_with({("GET", "/here"): public()}, GET_here=here, POST_here=here, GET_there=here)

    assert "GET /there has no rule" in str(refused.value)
    assert "POST /here has no rule" in str(refused.value)


def test_a_rule_without_a_route_is_not_built_either() -> None:
    with pytest.raises(Defect, match="GET /gone is no route"):
        app_with({("GET", "/here"): public(), ("GET", "/gone"): public()}, GET_here=here)


def test_a_body_that_would_be_read_before_the_guard_is_asked_is_not_built() -> None:
    with pytest.raises(Defect, match="read the body in the route"):
        app_with({("POST", "/parsed"): public()}, POST_parsed=parsed)


async def test_staff_is_told_no_success_that_was_not_written_down_once() -> None:
    admin = Caller("user:admin", Kind.ADMIN, roles=frozenset({Role.ADMIN}))
    rules: Rules = {("POST", "/act"): staff(Role.ADMIN)}
    async with running(app_with(rules, caller=admin, POST_act=with_acts)) as app:
        statuses = {
            (acts, status): (
                await call(app, "POST", f"/act?acts={acts}&status={status}", chunks=[b""])
            ).status
            for acts in (0, 1, 2)
            for status in (204, 404)
        }

    assert statuses == {
        (0, 204): 500,
        (1, 204): 204,
        (2, 204): 500,
        **{(acts, 404): 404 for acts in (0, 1, 2)},
    }


@pytest.mark.parametrize("path", ["/here", "/nowhere"])
async def test_a_body_is_counted_on_every_route_and_its_rest_is_not_waited_for(path: str) -> None:
    json_type = ("content-type", "application/json")
    limit = 100_000
    rules: Rules = {("GET", "/here"): public(), ("POST", "/here"): public(body_bytes_max=limit)}
    async with running(app_with(rules, GET_here=here, POST_here=here)) as app:
        declared = await call(
            app, "POST", path, headers=[json_type, ("content-length", str(limit + 1))]
        )
        streamed = await call(
            app,
            "POST",
            path,
            headers=[json_type, ("transfer-encoding", "chunked")],
            chunks=[b'"', *[b"x" * 10_000] * 11],
            never_ends=True,
        )
        fits = await call(
            app,
            "POST",
            path,
            headers=[json_type, ("content-length", str(limit))],
            chunks=[b'"', b"x" * (limit - 2), b'"'],
        )
        unread = await call(
            app, "GET", path, headers=[("transfer-encoding", "chunked")], never_ends=True
        )

    if path == "/here":
        assert [answer.status for answer in (declared, streamed, fits, unread)] == [
            *(413, 413, 200, 200)
        ]
        assert "connection" not in fits.headers
    else:
        assert {answer.status for answer in (declared, streamed, fits, unread)} == {404}
    for answer in (declared, streamed, unread):
        assert answer.headers["connection"] == "close"
