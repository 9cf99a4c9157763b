"""A request's head: how large it may be, and how long it may take."""

from typing import Final

from starlette.types import Scope

from runtime.http.problem import ProblemError

HEAD_BYTES_MAX: Final = 32 * 1024
"""A request's headers together are at most this large (431)."""

HEAD_S_MAX: Final = 10.0
"""A head that has not arrived whole by then is given up (408)."""


def demand_small_head(scope: Scope) -> None:
    """ProblemError 431 if the headers are larger than HEAD_BYTES_MAX."""
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size > HEAD_BYTES_MAX:
        raise headers_too_large()


def headers_too_large() -> ProblemError:
    """The problem of a head that is too large."""
    return ProblemError(
        431,
        "headers_too_large",
        f"the headers are larger than {HEAD_BYTES_MAX} bytes",
        headers={"Connection": "close"},
    )
