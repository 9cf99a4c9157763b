"""Documents that prove who somebody is: what they may be, by their first bytes and their size."""

from enum import StrEnum
from typing import Final

DOCUMENT_BYTES_MAX: Final = 10 * 1024 * 1024
"""A document as it is sent has at most so many bytes."""

DOCUMENTS_MAX: Final = 20
"""Documents that one person may have with us."""

DOCUMENTS_BYTES_MAX: Final = 60 * 1024 * 1024
"""Bytes of all documents of one person, as they are kept."""

IMAGE_PIXELS_MAX: Final = 40_000_000
"""A page at 600 dots an inch has 35 million; a decoded pixel takes up to four bytes."""

IMAGE_SIDE_PIXELS_MAX: Final = 20_000
"""Pixels of the longer side."""

PAGES_MAX: Final = 50
"""Pages of a PDF."""

PDF_OBJECTS_MAX: Final = 20_000
"""Objects of a PDF: each is looked at."""


class DocumentKind(StrEnum):
    """What a document is said to show."""

    PASSPORT = "passport"
    IDENTITY_CARD = "identity_card"
    DRIVING_LICENCE = "driving_licence"
    PROOF_OF_ADDRESS = "proof_of_address"
    BUSINESS_REGISTRATION = "business_registration"


class MediaType(StrEnum):
    """What a document may be. Not SVG and not HTML: both run what is in them."""

    PDF = "application/pdf"
    JPEG = "image/jpeg"
    PNG = "image/png"


SUFFIXES: Final[dict[MediaType, str]] = {
    MediaType.PDF: "pdf",
    MediaType.JPEG: "jpg",
    MediaType.PNG: "png",
}

_MAGIC: Final[dict[bytes, MediaType]] = {
    b"%PDF-": MediaType.PDF,
    b"\xff\xd8\xff": MediaType.JPEG,
    b"\x89PNG\r\n\x1a\n": MediaType.PNG,
}


class DocumentFault(StrEnum):
    """Why a document is not taken; stable, shown to the person."""

    EMPTY = "document_empty"
    WRONG_TYPE = "document_type_differs"
    """Its first bytes are not those of the type it was sent as."""
    UNREADABLE = "document_unreadable"
    """It does not decode: broken, cut, or not what it begins as."""
    ENCRYPTED = "document_encrypted"
    ACTIVE = "document_active_content"
    """A PDF that would run, open, send or carry something."""
    TOO_MANY_PIXELS = "document_too_many_pixels"
    TOO_MANY_PAGES = "document_too_many_pages"
    TOO_COMPLEX = "document_too_complex"
    """Decoding it would take more time or memory than a document is worth."""


class NotTaken(Exception):  # noqa: N818 - it is a refusal on its way out of nested decoders
    """The document is not taken, and why."""

    def __init__(self, fault: DocumentFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def demand_pixels(width: int, height: int) -> None:
    """NotTaken if a picture of this size is more than we decode."""
    if width * height > IMAGE_PIXELS_MAX or max(width, height) > IMAGE_SIDE_PIXELS_MAX:
        raise NotTaken(DocumentFault.TOO_MANY_PIXELS)


def media_type_of(document: bytes) -> MediaType | None:
    """What a document's first bytes say it is; None if that is nothing we take."""
    for magic, media_type in _MAGIC.items():
        if document.startswith(magic):
            return media_type
    return None
