"""A limit on every request's body, whether its route reads it or not.

A body that says it is larger is refused unread; one that does not say is counted as it comes. An
answer that is given before a long body is over ends the connection: nobody reads the rest.
"""

from typing import Final

from starlette.types import Message, Receive, Scope

from runtime import limits
from runtime.http.problem import ProblemError
from runtime.http.scope import BODY_BYTES_MAX, HEADERS, header_values

_LONG_DIGITS: Final = 5
"""A length of fewer digits is small, whatever it is."""


class LongBody:
    """A body of unknown or notable length, counted while it is read."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._size = 0
        self.is_over = False
        """Whether all of it was read."""

    async def receive(self) -> Message:
        """The next part; ProblemError 413 past the limit of the route."""
        message = await self._receive()
        self._size += len(message.get("body", b""))
        demand_size(self._size, self._scope)
        self.is_over = not message.get("more_body", False)
        return message


def is_long(scope: Scope) -> bool:
    """Whether the body may be longer than one cares to read for nothing."""
    headers = scope[HEADERS]
    if b"transfer-encoding" in headers:
        return True
    return any(len(length) >= _LONG_DIGITS for length in headers.get(b"content-length", ()))


def demand_declared_size(scope: Scope) -> None:
    """ProblemError 413 if the body says that it is larger than the route's limit."""
    for length in header_values(scope, b"content-length"):
        # Longer than any number is no number that matters.
        demand_size(int(length[:20]) if length.isdigit() else 0, scope)


def demand_size(size: int, scope: Scope) -> None:
    """ProblemError 413 for a body of this size in bytes, if it is past the route's limit."""
    bytes_max: int = scope.get(BODY_BYTES_MAX, limits.BODY_BYTES_MAX)
    if size > bytes_max:
        raise ProblemError(
            413,
            "body_too_large",
            f"the body is larger than {bytes_max} bytes",
            headers={"Connection": "close"},
        )
