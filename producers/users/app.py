"""Wiring of Users: `uvicorn producers.users.app:make_app --factory`."""

from typing import Final

from fastapi import FastAPI

from domain.document import DOCUMENT_BYTES_MAX
from producers.users import (
    routes_admin_accounts,
    routes_admin_kyc,
    routes_admin_people,
    routes_handles,
    routes_kyc,
    routes_me,
    routes_wallets,
)
from producers.users.edge import open_edge
from producers.users.models import (
    CodeBody,
    DecisionBody,
    FreezeBody,
    OwnHandleBody,
    ProfileBody,
    ReasonBody,
    RevealBody,
    SearchBody,
    SubmissionBody,
    WalletBody,
)
from runtime.http.authorization import Rules, person, staff
from runtime.http.caller import Authenticator, Role
from runtime.http.edge import edge_app
from runtime.http.resources import OpenResources, open_resources
from runtime.settings import Settings

_DESCRIPTION: Final = (
    "What people tell Titan of themselves, how they prove it, and those who look after that. "
    "Amounts count the currency's minor unit (USD: cents). Every path is also served under /v1."
)

_ANYBODY_ON_STAFF: Final = (Role.ADMIN, Role.ADMIN_READONLY, Role.KYC_REVIEWER, Role.SUPPORT)

RULES: Final[Rules] = {
    ("GET", "/users/me"): person(),
    ("PATCH", "/users/me"): person(),
    ("POST", "/users/me/contacts/{kind}/code"): person(),
    ("POST", "/users/me/contacts/{kind}/verification"): person(),
    ("GET", "/users/me/wallets"): person(),
    ("POST", "/users/me/wallets"): person(),
    ("GET", "/users/me/handles"): person(),
    ("POST", "/users/me/handles"): person(),
    ("GET", "/users/me/kyc"): person(),
    ("POST", "/users/me/kyc/documents"): person(body_bytes_max=DOCUMENT_BYTES_MAX),
    ("POST", "/users/me/kyc/submissions"): person(),
    ("POST", "/admin/people/search"): staff(Role.ADMIN, Role.SUPPORT, Role.KYC_REVIEWER),
    ("GET", "/admin/people/{person_id}"): staff(*_ANYBODY_ON_STAFF, is_audited=False),
    ("POST", "/admin/people/{person_id}/reveal"): staff(Role.ADMIN),
    ("POST", "/admin/people/{person_id}/suspension"): staff(Role.ADMIN, Role.SUPPORT),
    ("POST", "/admin/people/{person_id}/reinstatement"): staff(Role.ADMIN),
    ("POST", "/admin/people/{person_id}/forgetting"): staff(Role.ADMIN),
    ("GET", "/admin/kyc/cases"): staff(
        Role.ADMIN, Role.ADMIN_READONLY, Role.KYC_REVIEWER, is_audited=False
    ),
    ("GET", "/admin/kyc/cases/{case_id}"): staff(Role.KYC_REVIEWER),
    ("POST", "/admin/kyc/cases/{case_id}/take"): staff(Role.KYC_REVIEWER),
    ("POST", "/admin/kyc/cases/{case_id}/approve"): staff(Role.KYC_REVIEWER),
    ("POST", "/admin/kyc/cases/{case_id}/reject"): staff(Role.KYC_REVIEWER),
    ("POST", "/admin/kyc/cases/{case_id}/request-information"): staff(Role.KYC_REVIEWER),
    ("POST", "/admin/kyc/documents/{document_id}/links"): staff(Role.KYC_REVIEWER),
    # The act of looking is the link's: the document behind it is one, and it is used once or twice.
    ("GET", "/admin/kyc/documents/{document_id}"): staff(Role.KYC_REVIEWER, is_audited=False),
    ("GET", "/admin/accounts/{account_id}"): staff(*_ANYBODY_ON_STAFF, is_audited=False),
    ("POST", "/admin/accounts/{account_id}/freeze"): staff(Role.ADMIN, Role.SUPPORT),
    ("POST", "/admin/accounts/{account_id}/unfreeze"): staff(Role.ADMIN),
}
"""Whom each route lets in. Reviewers decide and nobody else does: an admin names reviewers."""


def make_app(
    settings: Settings | None = None,
    *,
    authenticator: Authenticator | None = None,
    resources: OpenResources = open_resources,
) -> FastAPI:
    """The application; nothing is opened before it starts."""
    return edge_app(
        "users",
        title="Titan Users",
        description=_DESCRIPTION,
        settings=settings or Settings(),
        authenticator=authenticator,
        resources=resources,
        open_edge=open_edge,
        routers=[
            routes_me.router,
            routes_wallets.router,
            routes_handles.router,
            routes_kyc.router,
            routes_admin_people.router,
            routes_admin_kyc.router,
            routes_admin_accounts.router,
        ],
        rules=RULES,
        body_models=[
            ProfileBody,
            CodeBody,
            WalletBody,
            OwnHandleBody,
            SubmissionBody,
            SearchBody,
            RevealBody,
            ReasonBody,
            DecisionBody,
            FreezeBody,
        ],
    )
