"""The Idempotency-Key header."""

import re
from typing import Final

from starlette.types import Scope

from runtime import limits
from runtime.http.problem import ProblemError
from runtime.http.scope import header_values

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"

_KEY = re.compile(rf"[\x21-\x7e]{{1,{limits.IDEMPOTENCY_KEY_CHARACTERS_MAX}}}\Z")
_ESCAPE = re.compile(r"\\([\"\\])")
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"\Z')


def idempotency_key_of(scope: Scope) -> str | None:
    """The request's key, or None if it has none; ProblemError 400 if it has two or a broken one.

    Structured-field quotes (`"abc"`) are accepted and mean the same key as without them.
    """
    values = header_values(scope, b"idempotency-key")
    if not values:
        return None
    if len(values) > 1:
        raise ProblemError(400, "idempotency_key_repeated", "send one Idempotency-Key")
    return parse_idempotency_key(values[0].decode("latin-1"))


def parse_idempotency_key(text: str) -> str:
    """A key as sent, without its quotes; ProblemError 400 if it is malformed."""
    if text.startswith('"'):
        quoted = _QUOTED.match(text)
        text = _ESCAPE.sub(r"\1", quoted[1]) if quoted else ""
    if not _KEY.match(text):
        raise ProblemError(
            400,
            "invalid_idempotency_key",
            f"an Idempotency-Key has 1 to {limits.IDEMPOTENCY_KEY_CHARACTERS_MAX} visible "
            "ASCII characters and no spaces",
        )
    return text


def key_required() -> ProblemError:
    """The problem of a request that must carry a key and does not."""
    return ProblemError(
        400,
        "idempotency_key_required",
        "send an Idempotency-Key of your own, and the same one when you repeat the request",
    )


def key_reused() -> ProblemError:
    """The problem of a key that comes back with another body."""
    return ProblemError(
        422,
        "idempotency_key_reuse",
        "this Idempotency-Key was used with another body; nothing was done",
    )
