"""What every edge does alike: problems, request ids, health, and who may call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.errors import Defect, Invalid, Unavailable, Unknown
from runtime import limits
from runtime.clock import Clock, SystemClock
from runtime.database import Database
from runtime.http.authorization import Rules, customer, public
from runtime.http.caller import Caller, Kind, Scope, TheCaller
from runtime.http.edge import edge_app
from runtime.http.operations import Check
from runtime.http.problem import ProblemError
from runtime.http.scope import request_id_of, traceparent_of
from runtime.settings import Profile, Settings
from tests.support.asgi import call, running

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

ERRORS: dict[str, Exception] = {
    "problem": ProblemError(409, "taken", "it is taken"),
    "invalid": Invalid("invalid_thing", "the thing is none"),
    "unavailable": Unavailable("canary"),
    "unknown": Unknown("canary"),
    "defect": Defect("canary"),
    "other": KeyError("canary"),
}

RULES: Rules = {
    ("GET", "/echo"): public(),
    ("POST", "/echo"): public(),
    ("GET", "/fail"): public(),
    ("GET", "/fail-at-once"): public(),
    ("GET", "/whose"): customer(Scope.PAYMENTS_READ),
}


@dataclass
class Opened:
    """As much of the resources as these routes use."""

    checks: tuple[Check, ...]
    clock: Clock
    database: Database | None = None


async def echo(request: Request) -> Response:
    return JSONResponse(
        {"id": request_id_of(request.scope), "trace": traceparent_of(request.scope)}
    )


async def fail(request: Request) -> Response:
    raise ERRORS[request.query_params["with"]]


async def whose(caller: TheCaller) -> dict[str, str]:
    return {"client": caller.client_id}


def app_with(*checks: Check, settings: Settings | None = None, **options: Any) -> FastAPI:
    router = APIRouter()
    router.add_api_route("/echo", echo)
    router.add_api_route("/echo", echo, methods=["POST"])
    router.add_api_route("/fail", fail)
    router.add_api_route("/fail-at-once", fail)
    router.add_api_route("/whose", whose)

    @asynccontextmanager
    async def resources(*_: object) -> AsyncIterator[Any]:
        yield Opened(checks, SystemClock())

    @asynccontextmanager
    async def open_edge(_: object) -> AsyncIterator[object]:
        yield None

    return edge_app(
        "test",
        title="<Test>",
        description="An edge.",
        settings=settings or Settings(),
        open_edge=open_edge,
        routers=[router],
        rules=RULES,
        resources=resources,
        direct={("GET", "/fail-at-once"): fail},
        **options,
    )


def check(name: str, error: Exception | None = None, *, required: bool = False) -> Check:
    async def probe() -> None:
        if error is not None:
            raise error

    return Check(name, probe, required)


@pytest.mark.parametrize("path", ["/fail", "/fail-at-once", "/v1/fail", "/v1/fail-at-once"])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ("problem", 409, "taken"),
        ("invalid", 422, "invalid_thing"),
        ("unavailable", 503, "unavailable"),
        ("unknown", 503, "outcome_unknown"),
        ("defect", 500, "internal_error"),
        ("other", 500, "internal_error"),
    ],
)
async def test_each_kind_of_error_has_its_answer(
    path: str, error: str, status: int, code: str
) -> None:
    async with running(app_with()) as app:
        answer = await call(app, "GET", f"{path}?with={error}")

    assert (answer.status, answer.code) == (status, code)
    assert ("retry-after" in answer.headers) is (status == 503)
    assert answer.document.get("state") == ("unknown" if error == "unknown" else None)
    assert "canary" not in answer.body.decode()


async def test_a_sound_request_id_is_echoed_and_a_bad_one_replaced() -> None:
    app = app_with()

    sound = await call(app, "GET", "/echo", headers=[("request-id", "abc-1:2.3_X")])
    bad = await call(app, "GET", "/echo", headers=[("request-id", 'a"b')])
    none = await call(app, "GET", "/echo")

    assert sound.headers["request-id"] == sound.document["id"] == "abc-1:2.3_X"
    assert bad.headers["request-id"] == bad.document["id"] != 'a"b'
    assert len({bad.document["id"], none.document["id"]}) == 2


@pytest.mark.parametrize(
    ("sent", "passed_on"),
    [
        (TRACE, TRACE),
        (TRACE.replace("00-", "01-", 1), TRACE.replace("00-", "01-", 1)),
        (TRACE.replace("00-", "ff-", 1), None),
        (TRACE.upper(), None),
        (TRACE + "-more", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01", None),
        ("", None),
        (TRACE + "\n", None),
    ],
)
async def test_only_a_sound_trace_is_passed_on(sent: str, passed_on: str | None) -> None:
    answer = await call(app_with(), "GET", "/echo", headers=[("traceparent", sent)])

    assert answer.document["trace"] == passed_on


async def test_every_answer_has_the_security_headers() -> None:
    async with running(app_with()) as app:
        for path in ("/echo", "/nothing", "/fail?with=other", "/metrics", "/docs"):
            answer = await call(app, "GET", path)

            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/echo", "/v1/echo"])
async def test_405_says_all_that_is_allowed(path: str) -> None:
    answer = await call(app_with(), "DELETE", path)

    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"


async def test_the_docs_need_no_script_and_show_every_route() -> None:
    answer = await call(app_with(), "GET", "/v1/docs")

    page = answer.body.decode()
    assert answer.status == 200
    assert "&lt;Test&gt;" in page
    assert "<script" not in page
    assert "https://" not in page
    for path in ("/echo", "/health", "/ready", "/metrics"):
        assert f"<code>{path}</code>" in page


async def test_an_edge_is_alive_whatever_is_down_and_ready_when_it_can_work() -> None:
    down = Unavailable("down")
    expectations = [
        ([check("kafka", required=True), check("redis")], 200, "up"),
        ([check("kafka", required=True), check("redis", down)], 200, "degraded"),
        ([check("kafka", down, required=True), check("redis")], 503, "down"),
    ]
    for checks, ready_status, status in expectations:
        async with running(app_with(*checks)) as app:
            health = await call(app, "GET", "/health")
            ready = await call(app, "GET", "/ready")

        assert (health.status, ready.status) == (200, ready_status)
        assert health.document["status"] == ready.document["status"] == status
        assert health.document["dependencies"].keys() == {check.name for check in checks}


@pytest.mark.parametrize(("needs_database", "status"), [(True, 503), (False, 200)])
async def test_an_edge_that_answers_nothing_without_the_database_is_not_ready_without_it(
    *, needs_database: bool, status: int
) -> None:
    database = check("postgres", Unavailable("down"))
    async with running(app_with(database, needs_database=needs_database)) as app:
        ready = await call(app, "GET", "/ready")

    assert ready.status == status
    assert ready.document["dependencies"]["postgres"]["required"] is needs_database


async def test_a_dependency_that_hangs_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEALTH_CHECK_S_MAX", 0.01)

    async def hang() -> None:
        await asyncio.Event().wait()

    async with running(app_with(Check("kafka", hang, required=True))) as app:
        answer = await call(app, "GET", "/ready")

    assert answer.status == 503
    assert answer.document["dependencies"]["kafka"]["status"] == "down"


async def test_metrics_name_routes_and_never_paths() -> None:
    app = app_with()
    await call(app, "GET", "/v1/echo")
    await call(app, "GET", "/nobody/canary")

    metrics = (await call(app, "GET", "/metrics")).body.decode()

    assert 'titan_http_seconds_count{route="/echo",status="200"}' in metrics
    assert 'route="none",status="404"' in metrics
    assert "canary" not in metrics


async def test_in_the_demo_everybody_is_the_demo_client() -> None:
    async with running(app_with()) as app:
        answer = await call(app, "GET", "/whose")

    assert answer.document == {"client": "demo"}


@pytest.mark.parametrize(
    ("host", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 403), ("::", 403)]
)
async def test_the_demo_answers_callers_on_its_own_machine_only(host: str, status: int) -> None:
    async with running(app_with()) as app:
        answer = await call(app, "GET", "/whose", client_host=host)

    assert answer.status == status


def test_elsewhere_an_edge_does_not_start_without_an_authenticator() -> None:
    with pytest.raises(SystemExit) as refused:
        app_with(settings=Settings(profile=Profile.PRODUCTION))

    words = str(refused.value)
    assert "production" in words
    assert "authenticator" in words
    assert "\n" not in words


async def test_an_authenticator_says_who_calls() -> None:
    async def by_header(request: Request) -> Caller:
        if "x-client" not in request.headers:
            raise ProblemError(401, "unauthenticated", "say who you are")
        return Caller(request.headers["x-client"], Kind.DEMO)

    built = app_with(settings=Settings(profile=Profile.PRODUCTION), authenticator=by_header)
    async with running(built) as app:
        known = await call(app, "GET", "/whose", headers=[("x-client", "shop")])
        unknown = await call(app, "GET", "/whose")

    assert known.document == {"client": "shop"}
    assert (unknown.status, unknown.code) == (401, "unauthenticated")
