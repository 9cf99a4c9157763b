"""Who may do what: a rule for every route of an edge, in one table, and the guard that asks it.

An edge's application lists its rules by method and path; `edge_app` refuses to build one with a
route that has no rule, or a rule that has no route. What is not allowed is denied:

* nobody can be told who calls   401 unauthenticated
* a caller of the wrong kind, or without the scope or role   403 forbidden
* an object of another   404, by the owner in the WHERE of its query: no rule sees objects
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from domain.errors import Defect
from runtime import limits
from runtime.http.body_limit import demand_declared_size
from runtime.http.caller import CALLER, Authenticator, Caller, Kind, Role, Scope
from runtime.http.problem import ProblemError
from runtime.http.scope import ACTS_DUE, BODY_BYTES_MAX, RULE

RouteName = tuple[str, str]
"""A route's method and path."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Whom a route lets in. Made by the functions below, so that it reads as what it means.

    `is_audited` says that each success leaves one audit event (audit.py): one that left none is
    told as an error. A body of more than `body_bytes_max` is refused before the route is asked.
    """

    kinds: frozenset[Kind]
    scope: Scope | None = None
    roles: frozenset[Role] = frozenset()
    is_audited: bool = False
    body_bytes_max: int = limits.BODY_BYTES_MAX

    @property
    def is_public(self) -> bool:
        """Whether nobody is asked who calls."""
        return not self.kinds

    def admits(self, caller: Caller) -> bool:
        """Whether this caller may come in."""
        if caller.kind not in self.kinds:
            return False
        if caller.kind is Kind.PROGRAM:
            return self.scope is not None and self.scope in caller.scopes
        return caller.kind is not Kind.ADMIN or not self.roles or bool(self.roles & caller.roles)


Rules = Mapping[RouteName, Rule]


def public(*, body_bytes_max: int = limits.BODY_BYTES_MAX) -> Rule:
    """Anybody; the route cannot know who calls."""
    return Rule(frozenset(), body_bytes_max=body_bytes_max)


def customer(scope: Scope, *, body_bytes_max: int = limits.BODY_BYTES_MAX) -> Rule:
    """A person, a program with the scope, and in the demo anybody on this machine.

    They reach what is their own. Of a payment this includes the payer's handle: see
    producers/payments/payers.py and consumers/handle_resolution.
    """
    kinds = frozenset({Kind.DEMO, Kind.PERSON, Kind.PROGRAM})
    return Rule(kinds, scope=scope, body_bytes_max=body_bytes_max)


def person(*, body_bytes_max: int = limits.BODY_BYTES_MAX) -> Rule:
    """Somebody who signed in, for what is about them; not staff, not a program, not the demo."""
    return Rule(frozenset({Kind.PERSON}), body_bytes_max=body_bytes_max)


def holder(*, body_bytes_max: int = limits.BODY_BYTES_MAX) -> Rule:
    """A person, and in the demo anybody on this machine, for what they hold; not a program."""
    return Rule(frozenset({Kind.DEMO, Kind.PERSON}), body_bytes_max=body_bytes_max)


def signed_in(*, body_bytes_max: int = limits.BODY_BYTES_MAX) -> Rule:
    """Somebody who signed in, staff or not, for their own session and password."""
    return Rule(frozenset({Kind.PERSON, Kind.ADMIN}), body_bytes_max=body_bytes_max)


def staff(
    *roles: Role, is_audited: bool = True, body_bytes_max: int = limits.BODY_BYTES_MAX
) -> Rule:
    """Staff with one of these roles. What only reads, and shows no secret, need not be audited."""
    if not roles:
        raise Defect("a rule for staff names the roles it lets in")
    return Rule(
        frozenset({Kind.ADMIN}),
        roles=frozenset(roles),
        is_audited=is_audited,
        body_bytes_max=body_bytes_max,
    )


HOUSE_RULES: Final[Rules] = {
    ("GET", "/health"): public(),
    ("GET", "/ready"): public(),
    # Counts only: no label names a person, a client or an object.
    ("GET", "/metrics"): public(),
    ("GET", "/docs"): public(),
    ("GET", "/openapi.json"): public(),
    ("HEAD", "/openapi.json"): public(),
}
"""The routes that every edge has."""


def demand_rules(name: str, rules: Rules, routes: set[RouteName]) -> None:
    """Defect, naming every fault, unless each route has a rule and each rule a route."""
    faults = [f"{method} {path} has no rule" for method, path in sorted(routes - rules.keys())]
    faults += [f"{method} {path} is no route" for method, path in sorted(rules.keys() - routes)]
    if faults:
        raise Defect(f"{name}: {'; '.join(faults)}")


class Guard:
    """Stands before every route of one edge."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def __call__(self, request: Request) -> None:
        """For a route that the router has found."""
        scope = request.scope
        await self.admit(request, self._rules[scope["method"], scope["route"].path])

    async def admit(self, request: Request, rule: Rule) -> None:
        """Leave the caller in the scope; ProblemError 401, 403 or 413 if the rule says no."""
        scope = request.scope
        scope[BODY_BYTES_MAX] = rule.body_bytes_max
        demand_declared_size(scope)
        if not rule.kinds:
            return
        scope[CALLER] = await _admitted(request, rule)
        scope[RULE] = rule
        scope[ACTS_DUE] = rule.is_audited


async def admit_again(request: Request) -> None:
    """Ask of a request that lasts what was asked when it came: who calls, and whether they may.

    What it shows may have expired meanwhile, or have been revoked. ProblemError 401 or 403;
    Unavailable if that cannot be told.
    """
    await _admitted(request, request.scope[RULE])


async def _admitted(request: Request, rule: Rule) -> Caller:
    authenticator: Authenticator = request.app.state.authenticator
    caller = await authenticator(request)
    if not rule.admits(caller):
        raise ProblemError(403, "forbidden", "this caller may not do that")
    return caller
