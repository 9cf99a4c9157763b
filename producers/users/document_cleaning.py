"""Documents made anew from what can be seen of them: pixels and pages, nothing that came along.

Decoding what strangers send is the most dangerous thing this edge does, so it happens in a process
of its own (document_worker.py), which has nothing to lose and limits on time and memory.
"""

import io
import warnings
from typing import Final

import pikepdf
from PIL import Image, ImageOps

from domain.document import (
    IMAGE_PIXELS_MAX,
    IMAGE_SIDE_PIXELS_MAX,
    PAGES_MAX,
    PDF_OBJECTS_MAX,
    DocumentFault,
    MediaType,
    media_type_of,
)

JPEG_QUALITY: Final = 90

# What acts, carries, or fetches (ISO 32000-2, 7.11, 12.6 and 12.7), and forms that do so by XML.
_ACTIVE_KEYS: Final = frozenset(
    {"/JS", "/JavaScript", "/AA", "/OpenAction", "/Launch", "/EmbeddedFiles", "/EmbeddedFile"}
    | {"/EF", "/AF", "/XFA", "/RichMedia", "/RichMediaContent", "/Collection", "/Rendition"}
)
_ACTIVE_ACTIONS: Final = frozenset(
    {"/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToR", "/GoToE", "/Rendition"}
    | {"/RichMediaExecute", "/Movie", "/Sound", "/ResetForm", "/Hide", "/SetOCGState"}
)
_ACTIVE_SUBTYPES: Final = frozenset({"/FileAttachment", "/Movie", "/Sound", "/Screen", "/3D"})

# What a page needs to be seen; everything else of it stays behind.
_PAGE_KEYS: Final = frozenset(
    {"/Type", "/Contents", "/Resources", "/MediaBox", "/CropBox", "/Rotate", "/UserUnit", "/Parent"}
)


class NotTaken(Exception):  # noqa: N818 - it is a refusal on its way out of nested decoders
    """The document is not taken, and why."""

    def __init__(self, fault: DocumentFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def cleaned(document: bytes, media_type: MediaType) -> bytes:
    """The document made anew, of the same type; NotTaken if it is not one, or holds too much."""
    if not document:
        raise NotTaken(DocumentFault.EMPTY)
    if media_type_of(document) is not media_type:
        raise NotTaken(DocumentFault.WRONG_TYPE)
    try:
        if media_type is MediaType.PDF:
            return _clean_pdf(document)
        return _clean_image(document, media_type)
    except NotTaken:
        raise
    except Image.DecompressionBombError:
        raise NotTaken(DocumentFault.TOO_MANY_PIXELS) from None
    except MemoryError:
        raise NotTaken(DocumentFault.TOO_COMPLEX) from None
    except Exception:  # noqa: BLE001 - a decoder may raise anything over bytes made to hurt it
        raise NotTaken(DocumentFault.UNREADABLE) from None


def _clean_image(document: bytes, media_type: MediaType) -> bytes:
    """Pixels only: no EXIF, no colour profile, no text, no second frame, no trailing bytes."""
    wanted = "JPEG" if media_type is MediaType.JPEG else "PNG"
    with warnings.catch_warnings():
        # What Pillow only warns of (a bomb, a broken EXIF) is decided here, by size.
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(document), formats=[wanted]) as image:
            width, height = image.size
            if width * height > IMAGE_PIXELS_MAX or max(width, height) > IMAGE_SIDE_PIXELS_MAX:
                raise NotTaken(DocumentFault.TOO_MANY_PIXELS)
            image.load()
            upright = ImageOps.exif_transpose(image)
            grey = upright.mode in {"1", "L", "LA", "I", "I;16", "F"}
            plain = upright.convert("L" if grey else "RGB")
    fresh = Image.frombytes(plain.mode, plain.size, plain.tobytes())
    made = io.BytesIO()
    if media_type is MediaType.JPEG:
        fresh.save(made, "JPEG", quality=JPEG_QUALITY)
    else:
        fresh.save(made, "PNG", optimize=False)
    return made.getvalue()


def _clean_pdf(document: bytes) -> bytes:
    """The pages in a new file: no metadata, names, forms, attachments, outlines or trailing bytes.

    One that could do something is refused rather than mended: it was made by somebody for a
    purpose, and a reviewer should not see half of it.
    """
    try:
        source = pikepdf.open(io.BytesIO(document), suppress_warnings=True)
    except pikepdf.PasswordError:
        raise NotTaken(DocumentFault.ENCRYPTED) from None
    with source, pikepdf.new() as made:
        if source.is_encrypted:
            raise NotTaken(DocumentFault.ENCRYPTED)
        if len(source.objects) > PDF_OBJECTS_MAX:
            raise NotTaken(DocumentFault.TOO_COMPLEX)
        for each in source.objects:
            _refuse_active(each, depth=0)
        _refuse_active(source.trailer, depth=0)
        if not 1 <= len(source.pages) <= PAGES_MAX:
            fault = DocumentFault.TOO_MANY_PAGES if source.pages else DocumentFault.UNREADABLE
            raise NotTaken(fault)
        for page in source.pages:
            made.pages.append(page)
        for page in made.pages:
            for key in set(page.obj.keys()) - _PAGE_KEYS:
                del page.obj[key]
        kept = io.BytesIO()
        # Streams are copied as they are: to unpack them here would be to meet their bombs.
        made.save(kept, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)
    return kept.getvalue()


_DEPTH_MAX: Final = 64


def _refuse_active(thing: pikepdf.Object, *, depth: int) -> None:
    """Look at what stands in this object itself; what it refers to is an object of its own."""
    if depth > _DEPTH_MAX:
        raise NotTaken(DocumentFault.TOO_COMPLEX)
    if isinstance(thing, pikepdf.Array):
        for item in thing:
            if not getattr(item, "is_indirect", False):
                _refuse_active(item, depth=depth + 1)
    elif isinstance(thing, pikepdf.Dictionary | pikepdf.Stream):
        _refuse_active_dictionary(thing, depth=depth)


def _refuse_active_dictionary(thing: pikepdf.Object, *, depth: int) -> None:
    keys = set(thing.keys())
    if keys & _ACTIVE_KEYS:
        raise NotTaken(DocumentFault.ACTIVE)
    if str(thing.get("/S", "")) in _ACTIVE_ACTIONS:
        raise NotTaken(DocumentFault.ACTIVE)
    subtype = str(thing.get("/Subtype", ""))
    if subtype in _ACTIVE_SUBTYPES:
        raise NotTaken(DocumentFault.ACTIVE)
    if subtype == "/Image":
        width, height = int(thing.get("/Width", 0)), int(thing.get("/Height", 0))
        if width * height > IMAGE_PIXELS_MAX or max(width, height) > IMAGE_SIDE_PIXELS_MAX:
            raise NotTaken(DocumentFault.TOO_MANY_PIXELS)
    for key in keys:
        item = thing[key]
        if not getattr(item, "is_indirect", False):
            _refuse_active(item, depth=depth + 1)
