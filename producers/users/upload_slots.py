"""Room for documents that arrive: each is held in memory, and may take its minute to come.

A person has one slot at most. Otherwise eight slow uploads of one would shut everybody else out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from domain.errors import Unavailable
from runtime.documents import limits
from runtime.http.problem import ProblemError


class UploadSlots:
    """The slots of one process."""

    def __init__(self, slots: int = limits.UPLOADS_MAX) -> None:
        self._slots = slots
        self._taken: set[UUID] = set()

    @contextmanager
    def slot_for(self, person_id: UUID) -> Iterator[None]:
        """A slot for the block. ProblemError 429 if the person has one; Unavailable without any."""
        if person_id in self._taken:
            raise ProblemError(
                429,
                "upload_under_way",
                "another document of yours is arriving: send one after the other",
                # What comes of this body is not read: the next request needs its own connection.
                headers={
                    "Retry-After": str(limits.UPLOAD_RETRY_AFTER_S),
                    "Connection": "close",
                },
            )
        if len(self._taken) >= self._slots:
            raise Unavailable("too many documents arrive at once")
        self._taken.add(person_id)
        try:
            yield
        finally:
            self._taken.discard(person_id)
