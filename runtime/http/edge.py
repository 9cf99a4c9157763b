"""The application of an edge: one factory, so that all edges err, log, start and stop alike."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http.client import METHOD_NOT_ALLOWED
from types import MappingProxyType
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.errors import Defect, Invalid, Unavailable
from runtime.clock import Clock, SystemClock
from runtime.http import operations
from runtime.http.authentication import Verifier, authenticator_for, demand_authenticator
from runtime.http.authorization import HOUSE_RULES, Guard, RouteName, Rules, demand_rules
from runtime.http.caller import Authenticator
from runtime.http.docs_page import CONTENT_SECURITY_POLICY, docs_html
from runtime.http.middleware import VERSION_PREFIX, EdgeMiddleware, Endpoint, direct_app
from runtime.http.openapi import add_models
from runtime.http.problem import MEDIA_TYPE, ProblemError, on_error
from runtime.http.resources import EdgeResources, OpenResources, open_resources
from runtime.http.scope import DIRECT
from runtime.settings import Settings
from runtime.telemetry import configure_logging

OpenEdge = Callable[[EdgeResources], AbstractAsyncContextManager[Any]]
"""Wires what an edge's routes work with."""

VerifierOf = Callable[[Any], Verifier]
"""The verifier of tokens in what `OpenEdge` gave, at an edge that knows the keys itself."""

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]

_METHODS: Final = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
_PROBLEM_RESPONSE: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "An RFC 9457 problem; `code` says which",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
    }
}


class EdgeApp(FastAPI):
    """FastAPI, its OpenAPI document completed by what it cannot see for itself."""

    body_models: Sequence[type[BaseModel]] = ()
    direct: Mapping[RouteName, ASGIApp] = MappingProxyType({})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; the direct routes without the router's layers."""
        if scope["type"] == "http":
            path = scope["path"]
            if path.startswith(f"{VERSION_PREFIX}/"):
                path = path.removeprefix(VERSION_PREFIX)
            app = self.direct.get((scope["method"], path))
            if app is not None:
                scope["app"] = self
                scope[DIRECT] = path
                await app(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            add_models(super().openapi(), self.body_models)
        return super().openapi()


def _allowing(routers: Sequence[APIRouter]) -> ErrorHandler:
    """Answers Starlette's own errors; a 405 names every method of the path, as RFC 9110 has it."""

    async def on_status(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == METHOD_NOT_ALLOWED:
            path = request.scope["path"].removeprefix(request.scope["root_path"])
            routes = [
                route
                for router in routers
                for route in router.routes
                if isinstance(route, APIRoute) and route.path_regex.match(path)
            ]
            # Where a path is a route's own, no pattern of another route speaks for it.
            own = [route for route in routes if route.path == path]
            methods = {method for route in own or routes for method in route.methods or ()}
            error.headers = {"Allow": ", ".join(sorted(methods))}
        return await on_error(request, error)

    return on_status


def _closed_methods(names: Iterable[RouteName]) -> dict[str, set[str]]:
    """Of each path without a pattern, the methods that are none of its own.

    They are refused there: else `DELETE /handles/resolve` would be taken for the release of a
    handle of that name.
    """
    own: dict[str, set[str]] = {}
    for method, path in names:
        if "{" not in path:
            own.setdefault(path, set()).add(method)
    return {path: _METHODS - methods for path, methods in own.items()}


async def _refuse_method(_request: Request) -> Response:
    raise HTTPException(METHOD_NOT_ALLOWED)


def routes_of(routers: Sequence[APIRouter]) -> set[RouteName]:
    """Every route of these routers; Defect on one that no rule could be asked for in time."""
    names: set[RouteName] = set()
    for route in (route for router in routers for route in router.routes):
        if not isinstance(route, APIRoute):
            raise Defect(f"{route}: mount no routers and applications within an edge's router")
        if route.body_field is not None:
            # FastAPI would read it before it asks the guard.
            raise Defect(f"{route.path}: read the body in the route, by runtime/http/body.py")
        names |= {(method, route.path) for method in route.methods or ()}
    return names


def _lifespan(
    name: str,
    settings: Settings,
    *,
    clock: Clock,
    open_edge: OpenEdge,
    authenticator: Authenticator | None,
    verifier_of: VerifierOf | None,
    resources: OpenResources,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logging(settings)
        async with (
            resources(name, settings, clock) as opened,
            open_edge(opened) as edge,
            authenticator_for(
                name,
                settings,
                opened.database,
                clock=clock,
                given=authenticator,
                verifier=None if verifier_of is None else verifier_of(edge),
            ) as app.state.authenticator,
        ):
            app.state.resources = opened
            app.state.edge = edge
            yield

    return lifespan


def edge_app(
    name: str,
    *,
    title: str,
    description: str,
    settings: Settings,
    open_edge: OpenEdge,
    routers: Sequence[APIRouter],
    rules: Rules,
    authenticator: Authenticator | None = None,
    verifier_of: VerifierOf | None = None,
    resources: OpenResources = open_resources,
    direct: Mapping[RouteName, Endpoint] | None = None,
    body_models: Sequence[type[BaseModel]] = (),
    needs_database: bool = True,
) -> FastAPI:
    """An edge's application: its routes, /health, /ready, /metrics and /docs, each under /v1 too.

    `open_edge` wires what the routes work with; they find it as `request.app.state.edge`. `rules`
    say whom each route lets in; Defect unless every route has one. Routes named in `direct` skip
    the router; they are among `routers` too, for the OpenAPI document and for 405. `body_models`
    are bodies that routes read for themselves. `needs_database` is False of an edge that takes
    orders without it, and so is ready without it. Ends the process with one line where the profile
    needs an authenticator and has none.
    """
    clock = SystemClock()
    if verifier_of is None:
        demand_authenticator(settings, authenticator)
    demand_rules(name, rules, routes_of(routers))
    guard = Guard({**HOUSE_RULES, **rules})

    app = EdgeApp(
        title=title,
        description=description,
        version="1",
        lifespan=_lifespan(
            name,
            settings,
            clock=clock,
            open_edge=open_edge,
            authenticator=authenticator,
            verifier_of=verifier_of,
            resources=resources,
        ),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        root_path_in_servers=False,
        servers=[{"url": "/"}, {"url": VERSION_PREFIX}],
        responses=_PROBLEM_RESPONSE,
    )
    app.body_models = body_models
    app.state.required = {operations.DATABASE} if needs_database else set()
    every_router = [*routers, operations.router]
    for kind in (ProblemError, Invalid, Unavailable, RequestValidationError):
        app.add_exception_handler(kind, on_error)
    app.add_exception_handler(HTTPException, _allowing(every_router))
    app.direct = {
        route: EdgeMiddleware(direct_app(endpoint, guard, rules[route]), clock=clock)
        for route, endpoint in (direct or {}).items()
    }
    app.add_middleware(EdgeMiddleware, clock=clock)
    for path, methods in _closed_methods(routes_of(every_router)).items():
        app.add_route(path, _refuse_method, sorted(methods), include_in_schema=False)
    for router in every_router:
        app.include_router(router, dependencies=[Depends(guard)])
    app.add_api_route("/docs", _get_docs, include_in_schema=False)
    return app


async def _get_docs(request: Request) -> Response:
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
    return HTMLResponse(docs_html(request.app.openapi()), headers=headers)
