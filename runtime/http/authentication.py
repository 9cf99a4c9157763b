"""How an edge tells who calls: by a bearer token, and in the demo also by where a call comes from.

A token that was verified is remembered by its digest until it expires, and for a minute at most,
so that on the hot path it costs a hash and two look-ups. Whether its session, person or program is
still believed is asked each time (standing.py).
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from starlette.requests import Request

from domain.errors import Unavailable
from runtime.clock import Clock
from runtime.database import Database
from runtime.http.access_token import AccessClaims, TokenVerifier, invalid_token
from runtime.http.api_key import ApiKeys, is_api_key
from runtime.http.caller import DEMO, Authenticator, Caller, Kind
from runtime.http.problem import ProblemError
from runtime.http.scope import header_values
from runtime.http.standing import StandingWatch
from runtime.http.token_keys import PublishedKeys
from runtime.settings import Settings, is_loopback

TOKENS_KNOWN_MAX: Final = 10_000
"""Verified tokens that one edge process remembers: some 10 MB."""

TOKEN_KNOWN_S: Final = 60.0
"""After so long a token is verified anew: a key of the signer that is gone ends what it signed."""

_BEARER = re.compile(rb"bearer +([\x21-\x7e]+)\Z", re.IGNORECASE)
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="titan"'}


class Verifier(Protocol):
    """Reads what a bearer shows."""

    async def verify(self, token: str) -> AccessClaims:
        """What it says; ProblemError 401 if it does not hold, Unavailable if nobody can tell."""
        ...


class StandingOf(Protocol):
    """Tells who is believed no more."""

    async def demand(self, caller: Caller) -> None:
        """Return for a caller in good standing, else ProblemError or Unavailable."""
        ...


def caller_in(claims: AccessClaims) -> Caller:
    """The caller that a token names: a person, staff if it names roles, else a program."""
    person_id = claims.person_id
    kind = Kind.PROGRAM if person_id is None else Kind.ADMIN if claims.roles else Kind.PERSON
    return Caller(
        claims.client_id,
        kind,
        person_id=person_id,
        session_id=claims.session_id,
        scopes=claims.scopes,
        # A program with a role would be nobody that a rule knows.
        roles=claims.roles if kind is Kind.ADMIN else frozenset(),
    )


class _Known(NamedTuple):
    caller: Caller
    until_s: float


class BearerAuthenticator:
    """Callers by their tokens; who shows none is left to `otherwise`, or told to sign in."""

    def __init__(
        self,
        tokens: Verifier,
        standing: StandingOf,
        *,
        clock: Clock,
        api_keys: Verifier,
        otherwise: Authenticator | None = None,
    ) -> None:
        self._tokens = tokens
        self._api_keys = api_keys
        self._standing = standing
        self._clock = clock
        self._otherwise = otherwise
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def __call__(self, request: Request) -> Caller:
        """Who sent this request. A token that is shown is verified, also where none is needed."""
        values = header_values(request.scope, b"authorization")
        if not values:
            if self._otherwise is not None:
                return await self._otherwise(request)
            raise ProblemError(
                401, "unauthenticated", "send Authorization: Bearer <token>", headers=_CHALLENGE
            )
        bearer = _BEARER.match(values[0]) if len(values) == 1 else None
        if bearer is None:
            raise invalid_token()
        caller = await self._caller(bearer[1])
        await self._standing.demand(caller)
        return caller

    async def _caller(self, token: bytes) -> Caller:
        digest = hashlib.sha256(token).digest()
        known = self._known.get(digest)
        if known is not None and self._clock.monotonic_s() < known.until_s:
            return known.caller
        text = token.decode("ascii")
        claims = await (self._api_keys if is_api_key(text) else self._tokens).verify(text)
        caller = caller_in(claims)
        left_s = (claims.expires_at - self._clock.now()).total_seconds()
        self._known[digest] = _Known(caller, self._clock.monotonic_s() + min(left_s, TOKEN_KNOWN_S))
        self._known.move_to_end(digest)
        if len(self._known) > TOKENS_KNOWN_MAX:
            self._known.popitem(last=False)
        return caller


async def demo_authenticator(request: Request) -> Caller:
    """Everybody on this machine is the demo client; ProblemError 403 to whoever calls from afar.

    The settings bind the demo to loopback, but a server started by hand may have been told to
    listen elsewhere. And a page of the web may let a name of its own mean this machine: a browser
    then calls from here, but says that name.
    """
    if request.client is None or not _is_here(request.client.host):
        raise _not_here()
    _demand_names(request, frozenset())
    return DEMO


def container_demo_authenticator(settings: Settings) -> Authenticator:
    """Everybody is the demo client who says a local name, or one that the settings give an edge.

    The ports are published on loopback only, so nobody calls from afar; but a page of the web may
    come by a browser here as it may outside of containers, and only the name it says tells so.
    Commands in the containers call the edges by the names of their services.
    """
    urls = (settings.handles_url, settings.payments_url, settings.notifications_url)
    names = frozenset(name for url in urls if url and (name := urlsplit(url).hostname))

    async def authenticate(request: Request) -> Caller:
        _demand_names(request, names)
        return DEMO

    return authenticate


def _demand_names(request: Request, names: frozenset[str]) -> None:
    """ProblemError 403 if a Host header has a name that is neither local nor one of these."""
    for host in header_values(request.scope, b"host"):
        name = _name_of(host)
        if not _is_here(name) and name not in names:
            raise _not_here()


def _not_here() -> ProblemError:
    return ProblemError(403, "demo_is_local", "the demo answers callers on its own machine only")


@lru_cache(maxsize=64)
def _is_here(host: str) -> bool:
    """Whether an address or name is this machine's; remembered: reading one costs microseconds."""
    return is_loopback(host)


@lru_cache(maxsize=64)
def _name_of(host: bytes) -> str:
    """What a Host header names, in lower case and without a port."""
    name = host.decode("latin-1").lower()
    return name.partition("]")[0].removeprefix("[") if name[:1] == "[" else name.partition(":")[0]


def demand_authenticator(settings: Settings, given: Authenticator | None) -> None:
    """End the process with one line where nobody could tell who calls."""
    if given is None and settings.token_keys_url is None:
        raise SystemExit(
            f"titan: the {settings.profile} profile does not start without an authenticator; "
            "set TITAN_JWKS_URL to where the auth edge publishes its keys, "
            "or TITAN_PROFILE=demo to try Titan on this machine alone"
        )


@asynccontextmanager
async def authenticator_for(
    name: str,
    settings: Settings,
    database: Database,
    *,
    clock: Clock,
    given: Authenticator | None = None,
    verifier: Verifier | None = None,
) -> AsyncIterator[Authenticator]:
    """How the edge of that name tells who calls, for as long as the block runs.

    `given` is used as it is. `verifier` is that of an edge which knows the keys itself; else they
    are read from the auth edge. The demo follows nobody's standing until it sees its first token.
    """
    if given is not None:
        yield given
        return
    keys: PublishedKeys | None = None
    if verifier is None:
        url = settings.token_keys_url
        if url is None:
            raise Unavailable("where the keys of access tokens are published is not set")
        keys = PublishedKeys(url, clock=clock)
        verifier = TokenVerifier(keys, issuer=settings.token_issuer, clock=clock)
    standing = StandingWatch(f"producers.{name}", settings, clock=clock)
    otherwise: Authenticator | None = None
    if settings.is_demo:
        otherwise = (
            container_demo_authenticator(settings)
            if settings.demo_in_container
            else demo_authenticator
        )
    else:
        standing.start()
    try:
        yield BearerAuthenticator(
            verifier,
            standing,
            clock=clock,
            api_keys=ApiKeys(database, clock=clock),
            otherwise=otherwise,
        )
    finally:
        await standing.stop()
        if keys is not None:
            await keys.close()
