"""Every route of every edge, asked by somebody of each kind: the whole answer is matrix.yaml."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from runtime.http.authorization import HOUSE_RULES, Rules
from runtime.http.caller import Scope
from runtime.settings import Settings
from tests.authorization.ask import Ask
from tests.authorization.asks import ASKS, ask_for
from tests.authorization.house import PERSONAS, House, house_at
from tests.support.asgi import Answer, call
from tests.support.waiting import eventually
from titan.edge import EDGES

MATRIX: dict[str, dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("matrix.yaml").read_text("utf-8")
)
NEEDS_ALL = {"payments": ["handles"], "handles": ["payments"], "users": ["payments", "handles"]}
"""Whom an edge's objects are made at, besides itself."""


ABOUT_ONESELF = {
    *("POST /auth/password", "POST /auth/totp", "POST /auth/totp/verify"),
    *("POST /auth/totp/remove", "POST /users/me/contacts/{kind}/verification"),
}
"""Asked with a body that is none: tests of their own have the password or code that they take."""

UNSAID = " ".join(["?"] * len(PERSONAS) + ["-"])

NOT_LET_IN = {401, 403}
STRANGERS = ("anonymous", "expired", "revoked", "revoked-program")


def cells_of(line: str) -> tuple[dict[str, str], Scope | None]:
    """What each persona is answered, and the scope that a program needs to be a customer here."""
    *cells, scope = line.split()
    return dict(zip(PERSONAS, cells, strict=True)), None if scope == "-" else Scope(scope)


def lines_of(edge: str) -> dict[str, str]:
    """The line of each route that an edge has a rule for, and of each that the matrix has more."""
    said = MATRIX.get(edge, {}) | MATRIX["every"]
    return {f"{method} {path}": UNSAID for method, path in rules_of(edge)} | said


def rules_of(edge: str) -> Rules:
    rules: Rules = import_module(f"producers.{edge}.app").RULES
    return {**HOUSE_RULES, **rules}


def app_of(edge: str) -> FastAPI:
    app: FastAPI = import_module(f"producers.{edge}.app").make_app(Settings())
    return app


def served(app: FastAPI) -> set[str]:
    """Every route that an application would answer, however it came to it."""
    found: set[str] = set()
    waiting: list[Any] = list(app.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, APIRoute | Route):
            # Refusing a method is no route: tests/runtime/http shows what it answers.
            if route.endpoint.__name__ != "_refuse_method":
                found |= {f"{method} {route.path}" for method in route.methods or ()}
        else:
            waiting += route.original_router.routes
    return found


@pytest.mark.parametrize("edge", EDGES)
def test_the_matrix_names_each_route_and_no_other(edge: str) -> None:
    assert served(app_of(edge)) == {f"{method} {path}" for method, path in rules_of(edge)}
    # `pytest -s` on the test of the cells prints the lines as they would have to be.
    assert served(app_of(edge)) == MATRIX.get(edge, {}).keys() | MATRIX["every"].keys()


def test_the_matrix_has_a_cell_for_each_kind_of_caller() -> None:
    for line in (line for routes in MATRIX.values() for line in routes.values()):
        cells_of(line)
    assert ASKS.keys() <= {route for routes in MATRIX.values() for route in routes}


@pytest.mark.parametrize("edge", EDGES)
def test_each_route_asks_for_the_scope_that_the_matrix_names(edge: str) -> None:
    rules = rules_of(edge)
    for route, line in lines_of(edge).items():
        method, _, path = route.partition(" ")
        cells, scope = cells_of(line)
        assert rules[method, path].scope == scope, route
        # With every scope but that one, a program is told what it is told with none.
        assert cells["misscoped"] == cells["unscoped"], route
        if scope is not None:
            assert cells["misscoped"] == "403" != cells["program"], route


@pytest.mark.parametrize("edge", EDGES)
def test_each_route_is_seen_to_let_somebody_in(edge: str) -> None:
    """Else a cell that says no says nothing: perhaps nobody would have been let in."""
    rules, shut = rules_of(edge), set()
    for route, line in lines_of(edge).items():
        method, _, path = route.partition(" ")
        is_open = rules[method, path].is_public or any(
            int(cell) < 400 for cell in cells_of(line)[0].values()
        )
        shut |= set() if is_open else {route}
    assert shut <= ABOUT_ONESELF


@pytest.mark.parametrize("edge", EDGES)
def test_only_what_is_public_is_answered_to_nobody_in_particular(edge: str) -> None:
    rules = rules_of(edge)
    for route, line in lines_of(edge).items():
        method, _, path = route.partition(" ")
        cells, _ = cells_of(line)
        if rules[method, path].is_public:
            assert len(set(cells.values())) == 1, route
        else:
            strangers = [cells[name] for name in STRANGERS]
            assert (strangers, cells["suspended"]) == (["401"] * 4, "403"), route


async def answered(house: House, edge: str, persona: str, method: str, ask: Ask) -> Answer:
    async def answer_of() -> Answer:
        answer = await house.ask(edge, persona, method, ask.path, ask.body, ask.headers)
        # On a busy machine a dependency may be late to say that it is there.
        assert ask.path != "/ready" or answer.status != 503
        return answer

    return await eventually(answer_of)


@pytest.mark.real
@pytest.mark.timeout(300)
@pytest.mark.parametrize("edge", EDGES)
async def test_each_cell_is_answered_as_the_matrix_says(edge: str, settings: Settings) -> None:
    rules, wrong = rules_of(edge), []
    async with house_at(settings, edge, *NEEDS_ALL.get(edge, [])) as house:
        if edge in NEEDS_ALL:
            await house.open_accounts()
        for route, line in lines_of(edge).items():
            method, _, path = route.partition(" ")
            told: list[str] = []
            cells, scope = cells_of(line)
            house.give_scope(scope)
            ask = await ask_for(house, route)
            for persona, expected in cells.items():
                acts = await house.acts()
                answer = await answered(house, edge, persona, method, ask)
                acts = await house.acts() - acts
                due = rules[method, path].is_audited and answer.status < 400
                told.append(str(answer.status))
                # Whoever is not let in leaves the object as it was, for the next to be asked with.
                if answer.status not in NOT_LET_IN:
                    ask = await ask_for(house, route)
                if (str(answer.status), acts) != (expected, int(due)):
                    wrong.append(
                        f"{route} by {persona}: {answer.status} {answer.code}, {acts} acts"
                    )
            print(f"  {route}: {' '.join(told)} {scope or '-'}")  # noqa: T201 - the lines as they would have to be
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("edge", EDGES)
async def test_no_other_origin_is_let_in(edge: str) -> None:
    app = app_of(edge)
    origin = [("origin", "https://evil.example"), ("access-control-request-method", "POST")]
    for route in lines_of(edge):
        method, _, path = route.partition(" ")
        preflight = await call(app, "OPTIONS", path, headers=origin)
        assert preflight.status == 405, route
        assert not any(name.startswith("access-control-") for name in preflight.headers), route
        assert preflight.headers["cross-origin-resource-policy"] == "same-origin"
        assert preflight.headers["x-frame-options"] == "DENY"
        assert method != "OPTIONS"
