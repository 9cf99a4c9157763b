"""What an event's body says about money, accounts and handles, as numbers and digests."""

import struct
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from proof.route import (
    CHANGES,
    CONFLICTED,
    NOT_OPENED,
    OPENED,
    POSTED,
    REFUSED,
    REQUESTED,
    RESOLVED,
    SCREENED,
)

ZERO_ID: Final = bytes(16)
NO_CURRENCY: Final = b"   "

MALFORMED: Final = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What reading a body raises that is not as it should be."""

_AMOUNT_MINOR_MAX: Final = 2**62
_CURRENCY_LENGTH: Final = 3
_ID_BYTES: Final = 16
_versions: Final = struct.Struct(">QQ").pack
_fromhex: Final[Callable[[str], bytes]] = bytes.fromhex


class Said(NamedTuple):
    """What an event says about money; which fields mean what depends on its topic.

    Ids are 16 bytes, text is digested to 16. Absent is zero.
    """

    amount_minor: int = 0
    one: bytes = ZERO_ID
    """The payer: the account; of payment.requested the digest of the handle."""
    two: bytes = ZERO_ID
    """The payee, likewise."""
    currency: bytes = NO_CURRENCY
    digest: bytes = ZERO_ID
    """Of the body (payment.requested), of the reason (payment.refused)."""
    more: bytes = ZERO_ID
    """Versions of both handles, the posting, or the fingerprint's digest."""


class Fact(NamedTuple):
    """Something that a table must say as well, or that only later events rely on."""

    digest: bytes
    is_in_table: bool = True


def digest_of(*parts: object) -> bytes:
    """16 bytes for some texts; the tables are digested alike (proof/tables.py)."""
    return sha256("|".join(map(str, parts)).encode()).digest()[:16]


def id_of(text: str) -> bytes:
    """The 16 bytes of an id as text; ValueError if it is none."""
    raw = _fromhex(text.replace("-", ""))
    if len(raw) != _ID_BYTES:
        raise ValueError(text)
    return raw


def us_of(text: str) -> int:
    """Microseconds since 1970 of a time as text; ValueError if it is none, or has no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return round(moment.timestamp() * 1_000_000)


def _money(body: dict[str, Any]) -> tuple[int, bytes]:
    amount_minor, currency = body["amount_minor"], body["currency"].encode("ascii")
    if type(amount_minor) is not int or not 1 <= amount_minor < _AMOUNT_MINOR_MAX:
        raise ValueError(amount_minor)
    if len(currency) != _CURRENCY_LENGTH:
        raise ValueError(currency)
    return amount_minor, currency


def _requested(body: dict[str, Any]) -> Said:
    amount_minor, currency = _money(body)
    payer, payee, fingerprint = body["from_handle"], body["to_handle"], body["fingerprint"]
    digest = digest_of(
        body["client_id"],
        payer,
        payee,
        amount_minor,
        body["currency"],
        body["payment_type"],
        fingerprint,
    )
    one, two = digest_of(payer), digest_of(payee)
    return Said(amount_minor, one, two, currency, digest, digest_of(fingerprint))


def _resolved(body: dict[str, Any]) -> Said:
    amount_minor, currency = _money(body)
    return Said(
        amount_minor,
        id_of(body["payer_account_id"]),
        id_of(body["payee_account_id"]),
        currency,
        more=_versions(body["from_handle_version"], body["to_handle_version"]),
    )


def _screened(body: dict[str, Any]) -> Said:
    amount_minor, currency = _money(body)
    payer, payee = id_of(body["payer_account_id"]), id_of(body["payee_account_id"])
    return Said(amount_minor, payer, payee, currency)


def _posted(body: dict[str, Any]) -> Said:
    return _screened(body)._replace(more=id_of(body["posting_id"]))


def _refused(body: dict[str, Any]) -> Said:
    payer = body.get("payer_account_id")
    one = ZERO_ID if payer is None else id_of(payer)
    return Said(one=one, digest=digest_of(body["code"]))


def _conflicted(body: dict[str, Any]) -> Said:
    return Said(more=digest_of(body["fingerprint"]))


MONEY: Final[dict[str, Callable[[dict[str, Any]], Said]]] = {
    REQUESTED: _requested,
    RESOLVED: _resolved,
    SCREENED: _screened,
    POSTED: _posted,
    REFUSED: _refused,
    CONFLICTED: _conflicted,
}


def said_of(
    topic: str, body: dict[str, Any]
) -> tuple[Said, tuple[Fact, ...], tuple[bytes, int] | None]:
    """What a body says: money, facts, and the handle's digest and version if one changed."""
    read = MONEY.get(topic)
    if read is not None:
        return read(body), (), None
    if topic == OPENED:
        return Said(), _opened(body), None
    if topic in CHANGES:
        return _changed(CHANGES[topic], body)
    if topic == NOT_OPENED:
        str(body["code"])
    return Said(), (), None


def _opened(body: dict[str, Any]) -> tuple[Fact, ...]:
    """The account's profile, and the account in the ledger: only a system account may owe."""
    account, kind, currency = id_of(body["account_id"]).hex(), body["kind"], body["currency"]
    minimum_minor = -(2**63) if kind == "system" else 0
    return (
        Fact(digest_of("account", account, body["client_id"], kind, body["tier"], currency)),
        Fact(digest_of("ledger", account, currency, minimum_minor)),
    )


def _changed(
    kind: str, body: dict[str, Any]
) -> tuple[Said, tuple[Fact, ...], tuple[bytes, int] | None]:
    handle, version = body["handle"], body.get("version", "")
    account = id_of(body["account_id"]).hex() if "account_id" in body else ""
    request = id_of(body["request_id"]).hex()
    change = Fact(
        digest_of("change", request, kind, handle, version, account, body.get("code", ""))
    )
    if kind == "refused":
        return Said(), (change,), None
    entry = Fact(digest_of("handle", handle, version, account), is_in_table=False)
    facts = [change, entry]
    if account:
        name = name_of(
            digest_of(handle),
            version.to_bytes(8, "big"),
            bytes.fromhex(account),
            body["currency"].encode(),
        )
        facts.append(Fact(name, is_in_table=False))
    return Said(), tuple(facts), (digest_of(handle), version)


def name_of(handle: bytes, version: bytes, account: bytes, currency: bytes) -> bytes:
    """The digest of what a handle, given by its digest, names in one of its versions.

    The version is 8 bytes, the most significant first.
    """
    return sha256(b"%b%b%b%b" % (handle, version, account, currency)).digest()[:16]
