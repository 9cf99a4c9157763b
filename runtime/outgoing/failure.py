"""Why a call to the outside has no answer."""

from enum import StrEnum

from domain.errors import Unavailable


class Cause(StrEnum):
    """What went wrong."""

    ADDRESS_REFUSED = "address_refused"
    """The name leads to an address that may not be called; nothing was sent to it."""
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timeout"
    TLS_FAILED = "tls_failed"
    NOT_HTTP = "not_http"


class OutgoingFailure(Exception):  # noqa: N818 - no error of ours
    """A call without an answer."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class NoTurn(Unavailable):
    """A call that was not made: all that could look its name up is held up by names of others.

    Whoever was to be called has no part in it: it is no failure of theirs.
    """
