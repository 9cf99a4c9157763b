"""Pictures inside a PDF, drawn anew: a camera writes beside its picture who took it, and where.

A JPEG is decoded and encoded again where that cannot change its colours. Where it could (inks,
palettes, a transform that the PDF names) its parts are copied, but for those that only tell.
"""

import io
import re
import warnings
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pikepdf
from PIL import Image

from domain.document import DocumentFault, NotTaken, demand_pixels

JPEG_QUALITY: Final = 90

# What it takes to draw a picture or a form (ISO 32000-2, 8.9.5 and 8.10); the rest stays behind.
_PICTURE_KEYS: Final = frozenset(
    {"/Type", "/Subtype", "/Width", "/Height", "/ColorSpace", "/BitsPerComponent", "/Decode"}
    | {"/ImageMask", "/Mask", "/SMask", "/SMaskInData", "/Matte", "/Intent", "/Interpolate"}
    | {"/Length", "/Filter", "/DecodeParms"}
)
_FORM_KEYS: Final = frozenset(
    {"/Type", "/Subtype", "/FormType", "/BBox", "/Matrix", "/Resources", "/Group"}
    | {"/Length", "/Filter", "/DecodeParms"}
)
_KEYS_OF_SUBTYPE: Final = {"/Image": _PICTURE_KEYS, "/Form": _FORM_KEYS}
_JPEG: Final = frozenset({"/DCTDecode", "/DCT"})
_JPEG_2000: Final = frozenset({"/JPXDecode"})
_GREY_MODES: Final = frozenset({"1", "L", "LA", "I", "I;16", "F"})
_SAMPLES: Final = {"L": 1, "RGB": 3}
_SAMPLES_OF_SPACE: Final = {"/DeviceGray": 1, "/CalGray": 1, "/DeviceRGB": 3, "/CalRGB": 3}

_START, _SCAN, _END, _COMMENT = 0xD8, 0xDA, 0xD9, 0xFE
_ADOBE: Final = 0xEE
_TELLS: Final = frozenset({*range(0xE0, 0xF0), _COMMENT})
# Within a scan 0xFF stands before a zero, a restart, or the next segment.
_SCAN_ENDS: Final = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
_ADOBE_BYTES: Final = 12


def clean_picture(document: pikepdf.Pdf, stream: pikepdf.Object) -> None:
    """Leave of a picture or a form what is needed to draw it. NotTaken if a picture is broken."""
    subtype = str(stream.get("/Subtype", ""))
    filters = [str(each) for each in _listed(stream.get("/Filter"))]
    if (needed := _KEYS_OF_SUBTYPE.get(subtype)) is not None:
        for key in set(stream.keys()) - needed:
            del stream[key]
    if not (_JPEG | _JPEG_2000) & set(filters):
        return
    if (_JPEG | _JPEG_2000) & set(filters[:-1]):
        raise NotTaken(DocumentFault.UNREADABLE)
    coded = _unwrapped(document, stream, filters)
    if filters[-1] in _JPEG:
        made = _clean_jpeg(coded, _samples(stream) if subtype == "/Image" else None)
        parms = None
        if (transform := _colour_transform(stream)) is not None:
            parms = pikepdf.Dictionary({"/ColorTransform": transform})
        stream.write(made, filter=pikepdf.Name.DCTDecode, decode_parms=parms)
    else:
        _draw_jpeg_2000(stream, coded)


def loaded(coded: bytes, kind: str) -> Image.Image:
    """The picture of this kind, decoded. NotTaken if it is too large; anything if it is broken."""
    with warnings.catch_warnings():
        # What Pillow only warns of (a bomb) is decided here, by size.
        warnings.simplefilter("ignore")
        picture = Image.open(io.BytesIO(coded), formats=[kind])
        demand_pixels(*picture.size)
        picture.load()
    return picture


def plain_of(picture: Image.Image) -> Image.Image:
    """The picture in grey or in three colours, without transparency."""
    return picture.convert("L" if picture.mode in _GREY_MODES else "RGB")


def jpeg_of(picture: Image.Image) -> bytes:
    """The pixels as a JPEG, and nothing that came with them."""
    fresh = Image.frombytes(picture.mode, picture.size, picture.tobytes())
    made = io.BytesIO()
    fresh.save(made, "JPEG", quality=JPEG_QUALITY)
    return made.getvalue()


def _clean_jpeg(coded: bytes, samples: int | None) -> bytes:
    # A broken one is refused, whichever way it goes.
    picture = loaded(coded, "JPEG")
    if samples is not None and _SAMPLES.get(picture.mode) == samples:
        return jpeg_of(picture)
    return b"".join(_needed_parts(coded))


def _draw_jpeg_2000(stream: pikepdf.Object, coded: bytes) -> None:
    """Make a JPEG of it: its boxes may hold anything, and its colours may be its own."""
    plain = plain_of(loaded(coded, "JPEG2000"))
    if "/ColorSpace" in stream and _samples(stream) is None:
        # A palette or inks: what the numbers mean is not ours to guess.
        raise NotTaken(DocumentFault.UNREADABLE)
    if _samples(stream) != _SAMPLES[plain.mode]:
        grey = plain.mode == "L"
        stream["/ColorSpace"] = pikepdf.Name.DeviceGray if grey else pikepdf.Name.DeviceRGB
    for key in {"/SMaskInData", "/Decode"} & set(stream.keys()):
        del stream[key]
    stream["/BitsPerComponent"] = 8
    stream.write(jpeg_of(plain), filter=pikepdf.Name.DCTDecode)


def _unwrapped(document: pikepdf.Pdf, stream: pikepdf.Object, filters: list[str]) -> bytes:
    """The picture's own bytes: often they are text, or packed once more.

    A bomb bursts here; this process has little to lose (document_worker.py).
    """
    raw = stream.read_raw_bytes()
    if len(filters) == 1:
        return raw
    outer = document.make_stream(raw)
    outer["/Filter"] = pikepdf.Array([pikepdf.Name(each) for each in filters[:-1]])
    parms = _listed(stream.get("/DecodeParms"))[: len(filters) - 1]
    if parms:
        outer["/DecodeParms"] = pikepdf.Array(parms)
    return outer.read_bytes()


def _samples(stream: pikepdf.Object) -> int | None:
    """Numbers to a pixel, where they are light; None of inks, palettes and what names itself."""
    mask = stream.get("/Mask")
    if _colour_transform(stream) is not None or isinstance(mask, pikepdf.Array):
        # The mask names numbers exactly, so none of them may move.
        return None
    family, *more = _listed(stream.get("/ColorSpace")) or [None]
    if str(family) == "/ICCBased" and more:
        return int(more[0].get("/N", 0))
    return _SAMPLES_OF_SPACE.get(str(family))


def _colour_transform(stream: pikepdf.Object) -> int | None:
    *_, last = _listed(stream.get("/DecodeParms")) or [None]
    if not isinstance(last, pikepdf.Dictionary) or "/ColorTransform" not in last:
        return None
    return int(last["/ColorTransform"])


def _listed(thing: pikepdf.Object | None) -> list[Any]:
    """What stands alone, or in a list."""
    if thing is None:
        return []
    return list(thing) if isinstance(thing, pikepdf.Array) else [thing]


class _Segment(NamedTuple):
    marker: int
    body: bytes
    """Without its length; of a scan with all that belongs to it."""


def _needed_parts(jpeg: bytes) -> Iterator[bytes]:
    """The JPEG's parts that it takes to decode it, in their order (ITU-T T.81, annex B)."""
    yield bytes([0xFF, _START])
    for marker, body in _segments(jpeg):
        if marker == _ADOBE and body.startswith(b"Adobe") and len(body) >= _ADOBE_BYTES:
            # Its last byte says how colours are coded; nothing else of it is needed.
            kept = b"Adobe\x00\x64\x00\x00\x00\x00" + body[_ADOBE_BYTES - 1 : _ADOBE_BYTES]
            yield _segment(marker, kept)
        elif marker == _SCAN:
            yield bytes([0xFF, marker]) + body
        elif marker not in _TELLS:
            yield _segment(marker, body)
    yield bytes([0xFF, _END])


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _segments(jpeg: bytes) -> Iterator[_Segment]:
    place = 2
    while True:
        while jpeg[place : place + 2] == b"\xff\xff":
            place += 1
        if jpeg[place] != 0xFF:  # noqa: PLR2004 - every marker begins so
            raise NotTaken(DocumentFault.UNREADABLE)
        marker = jpeg[place + 1]
        if marker == _END:
            return
        start = place + 2
        place = start + int.from_bytes(jpeg[start : start + 2], "big")
        if marker != _SCAN:
            yield _Segment(marker, jpeg[start + 2 : place])
            continue
        ends = _SCAN_ENDS.search(jpeg, place)
        if ends is None:
            raise NotTaken(DocumentFault.UNREADABLE)
        place = ends.start()
        yield _Segment(marker, jpeg[start:place])
