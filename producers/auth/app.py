"""Wiring of Auth: `uvicorn producers.auth.app:make_app --factory`."""

from typing import Final

from fastapi import FastAPI

from producers.auth import routes_programs, routes_self, routes_sign_in
from producers.auth.edge import AuthEdge, open_edge
from producers.auth.models import (
    ClientBody,
    CredentialBody,
    LoginBody,
    PasswordBody,
    RefreshBody,
    RegisterBody,
    TotpBody,
    TotpRemoveBody,
    TotpVerifyBody,
)
from runtime.http.access_token import TokenVerifier
from runtime.http.authorization import Rules, public, signed_in, staff
from runtime.http.caller import Authenticator, Role
from runtime.http.edge import edge_app
from runtime.http.resources import OpenResources, open_resources
from runtime.settings import Settings

_DESCRIPTION: Final = (
    "Sign-in: people get an access token of ten minutes and a refresh token that is used once; "
    "programs exchange their secret for a token, or show an API key. Every edge believes the "
    "tokens by the keys at /.well-known/jwks.json. Every path is also served under /v1."
)

RULES: Final[Rules] = {
    # Whoever comes here is about to prove who they are; each proof is metered.
    ("POST", "/auth/register"): public(),
    ("POST", "/auth/login"): public(),
    # The refresh token in the body is the proof.
    ("POST", "/auth/refresh"): public(),
    ("POST", "/auth/logout"): public(),
    ("POST", "/oauth/token"): public(),
    ("GET", "/.well-known/jwks.json"): public(),
    ("POST", "/auth/password"): signed_in(),
    ("POST", "/auth/totp"): signed_in(),
    ("POST", "/auth/totp/verify"): signed_in(),
    ("POST", "/auth/totp/remove"): signed_in(),
    ("GET", "/auth/sessions"): signed_in(),
    ("DELETE", "/auth/sessions/{session_id}"): signed_in(),
    ("POST", "/auth/clients"): staff(Role.ADMIN),
    ("GET", "/auth/clients"): staff(Role.ADMIN, Role.ADMIN_READONLY, is_audited=False),
    ("DELETE", "/auth/clients/{client_id}"): staff(Role.ADMIN),
    ("POST", "/auth/clients/{client_id}/credentials"): staff(Role.ADMIN),
    ("GET", "/auth/clients/{client_id}/credentials"): staff(
        Role.ADMIN, Role.ADMIN_READONLY, is_audited=False
    ),
    ("DELETE", "/auth/clients/{client_id}/credentials/{credential_id}"): staff(Role.ADMIN),
}
"""Whom each route lets in."""


def make_app(
    settings: Settings | None = None,
    *,
    authenticator: Authenticator | None = None,
    resources: OpenResources = open_resources,
) -> FastAPI:
    """The application; nothing is opened before it starts."""
    return edge_app(
        "auth",
        title="Titan Auth",
        description=_DESCRIPTION,
        settings=settings or Settings(),
        authenticator=authenticator,
        verifier_of=_verifier_of,
        resources=resources,
        open_edge=open_edge,
        routers=[routes_sign_in.router, routes_self.router, routes_programs.router],
        rules=RULES,
        body_models=[
            RegisterBody,
            LoginBody,
            RefreshBody,
            PasswordBody,
            TotpBody,
            TotpVerifyBody,
            TotpRemoveBody,
            ClientBody,
            CredentialBody,
        ],
    )


def _verifier_of(edge: AuthEdge) -> TokenVerifier:
    """This edge knows the keys itself."""
    return edge.verifier
