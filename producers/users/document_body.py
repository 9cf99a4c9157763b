"""A document as it comes over HTTP: raw bytes, with their type and kind said beside them.

No multipart form and no file name: a name says nothing that the first bytes do not say better, and
much that nobody should keep.
"""

import asyncio
from typing import Final

from starlette.requests import Request

from domain.document import DOCUMENT_BYTES_MAX, MediaType
from runtime.documents import limits
from runtime.http.problem import ProblemError
from runtime.http.scope import header_values

_CLOSE: Final = {"Connection": "close"}
_TYPES: Final = {media_type.value.encode(): media_type for media_type in MediaType}


def media_type_sent(request: Request) -> MediaType:
    """The type that the body is said to be; ProblemError 415 if we take no such thing."""
    types = header_values(request.scope, b"content-type")
    media_type = _TYPES.get(types[0].strip().lower()) if len(types) == 1 else None
    encodings = header_values(request.scope, b"content-encoding")
    if media_type is None or any(each.strip().lower() != b"identity" for each in encodings):
        raise ProblemError(
            415,
            "unsupported_media_type",
            f"send the document as it is, as {', '.join(MediaType)}",
            headers=_CLOSE | {"Accept-Post": ", ".join(MediaType)},
        )
    return media_type


async def read_document_body(request: Request) -> bytes:
    """The body, counted while it streams in; ProblemError 413, 408 or 400."""
    for length in header_values(request.scope, b"content-length"):
        digits_max = len(str(DOCUMENT_BYTES_MAX)) + 1
        if len(length) > digits_max or (length.isdigit() and int(length) > DOCUMENT_BYTES_MAX):
            raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(limits.BODY_S_MAX):
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ProblemError(400, "incomplete_body", "the body broke off")
                body += message.get("body", b"")
                if len(body) > DOCUMENT_BYTES_MAX:
                    raise _too_large()
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise ProblemError(
            408, "request_timeout", "the document took too long to arrive", headers=_CLOSE
        ) from None


def _too_large() -> ProblemError:
    return ProblemError(
        413,
        "body_too_large",
        f"the document is larger than {DOCUMENT_BYTES_MAX} bytes",
        headers=_CLOSE,
    )
