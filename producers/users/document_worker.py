"""One document cleaned in a process of its own.

The document comes on standard input, the cleaned one goes to standard output; the exit status says
what became of it, and on REFUSED standard error holds the fault's code. The process gives itself
limits before it reads a byte, keeps nothing of the environment, and ends with its document.
"""

import asyncio
import os
import resource
import sys
from typing import Final

from domain.document import DocumentFault, MediaType, NotTaken
from domain.errors import Unavailable
from runtime.documents import limits

REFUSED: Final = 3
_FORBIDDEN_FILE_BYTES: Final = 0


class Cleaner:
    """Cleans documents, a few at a time: each takes a process and its memory."""

    def __init__(self, *, memory_bytes_max: int = limits.CLEAN_BYTES_MAX) -> None:
        self._memory_bytes_max = memory_bytes_max
        self._turns = asyncio.Semaphore(limits.WORKERS_MAX)

    async def clean(self, document: bytes, media_type: MediaType) -> bytes | DocumentFault:
        """The document made anew, or why it is not taken. Unavailable if no turn comes in time."""
        try:
            async with asyncio.timeout(limits.TURN_S_MAX):
                await self._turns.acquire()
        except TimeoutError as error:
            raise Unavailable("too many documents are being read") from error
        try:
            return await _cleaned_elsewhere(document, media_type, self._memory_bytes_max)
        finally:
            self._turns.release()


async def _cleaned_elsewhere(
    document: bytes, media_type: MediaType, memory_bytes_max: int
) -> bytes | DocumentFault:
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-c", _START, media_type.value, str(memory_bytes_max)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"TITAN_PATHS": os.pathsep.join(sys.path)},
    )
    try:
        async with asyncio.timeout(limits.CLEAN_S_MAX):
            made, said = await worker.communicate(document)
    except TimeoutError:
        return DocumentFault.TOO_COMPLEX
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
    if worker.returncode == 0:
        return made
    if worker.returncode == REFUSED:
        return DocumentFault(said.decode("ascii").strip())
    # Out of time or memory, or it broke its decoder.
    return DocumentFault.TOO_COMPLEX


_START: Final = (
    "import os, sys; sys.path[:] = os.environ.pop('TITAN_PATHS').split(os.pathsep);"
    " from producers.users.document_worker import main; main(*sys.argv[1:])"
)


def main(media_type: str, memory_bytes_max: str) -> None:
    """Clean the document on standard input."""
    # Imported here: the edge itself never decodes, and should not carry the decoders.
    from producers.users.document_cleaning import cleaned  # noqa: PLC0415

    _limit_self(int(memory_bytes_max))
    try:
        made = cleaned(sys.stdin.buffer.read(), MediaType(media_type))
    except NotTaken as refusal:
        sys.stderr.write(refusal.fault.value)
        sys.stderr.flush()
        os._exit(REFUSED)
    sys.stdout.buffer.write(made)
    sys.stdout.buffer.flush()


def _limit_self(memory_bytes_max: int) -> None:
    seconds = limits.CLEAN_CPU_S_MAX
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes_max, memory_bytes_max))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FORBIDDEN_FILE_BYTES, _FORBIDDEN_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
