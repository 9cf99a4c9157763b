"""Four kinds of error, four fates.

* Refused       the business says no. A value from `decide`, an event out: so not here.
* TitanError
  x Invalid     cannot be understood. A record goes to its dead letter, a request gets a 4xx.
  x Unavailable a dependency is down or timed out. Nothing is committed; the same batch comes again.
    + Unknown   the request may or may not have taken effect. Ask again by id; never say "failed".
  x Defect      an invariant broke. Crash, keep the offset, page a person.
"""


class TitanError(Exception):
    """Anything Titan itself raises; catch one of the kinds below instead."""


class Invalid(TitanError):  # noqa: N818 - the kind's name is the vocabulary of the whole house
    """The input cannot be understood; `code` is stable snake_case, `message` holds no input."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Unavailable(TitanError):  # noqa: N818
    """A dependency did not answer; trying the same again later is safe and right."""


class Unknown(Unavailable):
    """No answer came in time, and the effect may have happened: ask by id before acting."""


class Defect(TitanError):  # noqa: N818
    """Something that cannot be is so; going on could lose money."""
