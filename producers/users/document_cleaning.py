"""Documents made anew from what can be seen of them: pixels and pages, nothing that came along.

Decoding what strangers send is the most dangerous thing this edge does, so it happens in a process
of its own (document_worker.py), which has nothing to lose and limits on time and memory.
"""

import io
import warnings
from collections.abc import Iterable, Iterator
from typing import Final

import pikepdf
from PIL import Image, ImageOps

from domain.document import (
    PAGES_MAX,
    PDF_OBJECTS_MAX,
    DocumentFault,
    MediaType,
    NotTaken,
    demand_pixels,
    media_type_of,
)
from producers.users.document_pictures import clean_picture, jpeg_of, loaded, plain_of

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

# What tells of an object and is not seen (ISO 32000-2, 14.3 and 14.5): who made it, when, where.
_TELLING_KEYS: Final = frozenset(
    {"/Metadata", "/PieceInfo", "/LastModified", "/Thumb", "/Alternates", "/OPI"}
    | {"/Measure", "/PtData"}
)

# What a page needs to be seen; everything else of it stays behind.
_PAGE_KEYS: Final = frozenset(
    {"/Type", "/Contents", "/Resources", "/MediaBox", "/CropBox", "/Rotate", "/UserUnit", "/Parent"}
)


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
        # Of a broken EXIF Pillow only warns, and it does not stay.
        warnings.simplefilter("ignore")
        plain = plain_of(ImageOps.exif_transpose(loaded(document, wanted)))
    if media_type is MediaType.JPEG:
        return jpeg_of(plain)
    fresh = Image.frombytes(plain.mode, plain.size, plain.tobytes())
    made = io.BytesIO()
    fresh.save(made, "PNG", optimize=False)
    return made.getvalue()


def _clean_pdf(document: bytes) -> bytes:
    """The pages in a new file: no metadata, names, forms, attachments, outlines or trailing bytes.

    Their pictures are drawn anew.

    One that could do something is refused rather than mended: it was made by somebody for a
    purpose, and a reviewer should not see half of it.
    """
    try:
        source = pikepdf.open(io.BytesIO(document), suppress_warnings=True)
    except pikepdf.PasswordError:
        raise NotTaken(DocumentFault.ENCRYPTED) from None
    with source, pikepdf.new() as made:
        _demand_takeable(source)
        for page in source.pages:
            made.pages.append(page)
        for page in made.pages:
            for key in set(page.obj.keys()) - _PAGE_KEYS:
                del page.obj[key]
        for each in list(made.objects):
            _clean_object(made, each)
        kept = io.BytesIO()
        # Other streams are copied as they are: to unpack them would be to meet their bombs.
        made.save(kept, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)
    return kept.getvalue()


def _demand_takeable(source: pikepdf.Pdf) -> None:
    if source.is_encrypted:
        raise NotTaken(DocumentFault.ENCRYPTED)
    if len(source.objects) > PDF_OBJECTS_MAX:
        raise NotTaken(DocumentFault.TOO_COMPLEX)
    for each in (*source.objects, source.trailer):
        for dictionary in _dictionaries(each):
            _refuse_active(dictionary)
    if not 1 <= len(source.pages) <= PAGES_MAX:
        fault = DocumentFault.TOO_MANY_PAGES if source.pages else DocumentFault.UNREADABLE
        raise NotTaken(fault)


def _clean_object(made: pikepdf.Pdf, thing: pikepdf.Object) -> None:
    for dictionary in _dictionaries(thing):
        for key in _TELLING_KEYS & set(dictionary.keys()):
            del dictionary[key]
    if isinstance(thing, pikepdf.Stream):
        clean_picture(made, thing)


_DEPTH_MAX: Final = 64


def _dictionaries(thing: pikepdf.Object, depth: int = 0) -> Iterator[pikepdf.Object]:
    """Those that stand in this object itself; what it refers to is an object of its own."""
    if depth > _DEPTH_MAX:
        raise NotTaken(DocumentFault.TOO_COMPLEX)
    items: Iterable[pikepdf.Object] = ()
    if isinstance(thing, pikepdf.Array):
        items = thing
    elif isinstance(thing, pikepdf.Dictionary | pikepdf.Stream):
        yield thing
        items = [thing[key] for key in set(thing.keys())]
    for item in items:
        if not getattr(item, "is_indirect", False):
            yield from _dictionaries(item, depth + 1)


def _refuse_active(thing: pikepdf.Object) -> None:
    if set(thing.keys()) & _ACTIVE_KEYS:
        raise NotTaken(DocumentFault.ACTIVE)
    if str(thing.get("/S", "")) in _ACTIVE_ACTIONS:
        raise NotTaken(DocumentFault.ACTIVE)
    subtype = str(thing.get("/Subtype", ""))
    if subtype in _ACTIVE_SUBTYPES:
        raise NotTaken(DocumentFault.ACTIVE)
    if subtype == "/Image":
        demand_pixels(int(thing.get("/Width", 0)), int(thing.get("/Height", 0)))
