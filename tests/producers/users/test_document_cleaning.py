"""What strangers send, and what is left of it."""

import io
import zlib

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from domain.document import DocumentFault, MediaType, NotTaken
from producers.users.document_cleaning import cleaned
from producers.users.document_worker import Cleaner
from tests.producers.users import papers

PDF, JPEG, PNG = MediaType.PDF, MediaType.JPEG, MediaType.PNG

SOUND = {
    "png": (PNG, papers.png()),
    "grey png": (PNG, papers.png_that_says(100, 99)),
    "jpeg": (JPEG, papers.jpeg()),
    "pdf": (PDF, papers.pdf(3)),
    "pdf with bytes behind it": (PDF, papers.pdf() + b"\n<script>alert(1)</script>canary"),
    "pdf of a photograph": (PDF, papers.pdf_of_picture(papers.jpeg(), "/DCTDecode")),
    "png with a file behind it": (PNG, papers.png() + b"PK\x03\x04canary"),
    "jpeg with a script behind it": (JPEG, papers.jpeg() + b"<script>canary</script>"),
}


@pytest.mark.parametrize("name", SOUND)
def test_only_what_can_be_seen_is_left(name: str) -> None:
    media_type, document = SOUND[name]
    made = cleaned(document, media_type)
    assert b"canary" not in made
    assert b"<script>" not in made
    assert cleaned(made, media_type)
    if media_type is PDF:
        with pikepdf.open(io.BytesIO(made)) as left, pikepdf.open(io.BytesIO(document)) as sent:
            assert len(left.pages) == len(sent.pages)
            assert "/Info" not in left.trailer
            assert set(left.Root.keys()) <= {"/Type", "/Pages"}
    else:
        with Image.open(io.BytesIO(made)) as left, Image.open(io.BytesIO(document)) as sent:
            assert left.size == sent.size
            assert not left.getexif()
            assert not {"comment", "exif", "icc_profile", "Author"} & left.info.keys()


def test_a_photograph_stands_upright_without_the_tag_that_turned_it() -> None:
    made = cleaned(papers.jpeg(orientation=6), JPEG)
    with Image.open(io.BytesIO(made)) as left:
        assert left.size == (40, 80)
        assert left.convert("L").getpixel((20, 5)) == pytest.approx(0, abs=8)
        assert left.convert("L").getpixel((20, 70)) == pytest.approx(255, abs=8)


PICTURES: dict[str, tuple[bytes, list[str], dict[str, object]]] = {
    "photograph": (papers.jpeg(), ["/DCTDecode"], {}),
    "grey": (papers.jpeg(mode="L"), ["/DCTDecode"], {"ColorSpace": pikepdf.Name.DeviceGray}),
    "by a profile": (
        papers.jpeg(),
        ["/DCTDecode"],
        {"ColorSpace": pikepdf.Array([pikepdf.Name.ICCBased, pikepdf.Dictionary({"/N": 3})])},
    ),
    "in inks": (papers.jpeg(mode="CMYK"), ["/DCTDecode"], {"ColorSpace": pikepdf.Name.DeviceCMYK}),
    "with a transform": (
        papers.jpeg(),
        ["/DCTDecode"],
        {"DecodeParms": pikepdf.Dictionary({"/ColorTransform": 0})},
    ),
    "with colours that are not drawn": (
        papers.jpeg(),
        ["/DCTDecode"],
        {"Mask": pikepdf.Array([250, 255, 250, 255, 250, 255])},
    ),
    "packed": (zlib.compress(papers.jpeg()), ["/FlateDecode", "/DCTDecode"], {}),
    "as text": (papers.jpeg().hex().encode() + b">", ["/ASCIIHexDecode", "/DCTDecode"], {}),
    "packed with a transform": (
        zlib.compress(papers.jpeg()),
        ["/FlateDecode", "/DCTDecode"],
        {"DecodeParms": pikepdf.Array([pikepdf.Dictionary(), {"/ColorTransform": 1}])},
    ),
    "with bytes behind it": (papers.jpeg() + b"canary", ["/DCTDecode"], {}),
    "in JPEG 2000": (papers.jpeg_2000(), ["/JPXDecode"], {}),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_in_a_pdf_keeps_its_looks_and_nothing_else(name: str) -> None:
    coded, filters, entries = PICTURES[name]
    document = papers.pdf_of_picture(coded, *filters, **entries)
    made = cleaned(document, PDF)
    assert b"canary" not in made
    assert b"Exif" not in made
    [(picture, left, as_coded)] = papers.pictures_of(made)
    assert b"canary" not in as_coded
    assert not picture.getexif()
    assert not {"comment", "exif", "icc_profile"} & picture.info.keys()
    assert {"/Metadata", "/PieceInfo", "/Name"}.isdisjoint(left.keys())
    assert left["/Filter"] == repr(pikepdf.Name.DCTDecode)
    assert ("ColorTransform" in str(left.get("/DecodeParms", ""))) is ("DecodeParms" in entries)
    assert picture.size == (80, 40)
    light = picture.convert("L")
    assert light.getpixel((5, 20)) == pytest.approx(0, abs=12)
    assert light.getpixel((60, 20)) == pytest.approx(255, abs=12)


LAUNCH = papers.action("/Launch")

HOSTILE = {
    "nothing": (PNG, b"", DocumentFault.EMPTY),
    "png sent as pdf": (PDF, papers.png(), DocumentFault.WRONG_TYPE),
    "svg": (PNG, b"<svg onload='alert(1)'/>", DocumentFault.WRONG_TYPE),
    "html": (PDF, b"<html><script>1</script>", DocumentFault.WRONG_TYPE),
    "gif and script": (JPEG, b"GIF89a/*", DocumentFault.WRONG_TYPE),
    "archive": (PDF, b"PK\x03\x04" + bytes(100), DocumentFault.WRONG_TYPE),
    "magic and no more": (PNG, b"\x89PNG\r\n\x1a\n", DocumentFault.UNREADABLE),
    "cut png": (PNG, papers.png()[:-300], DocumentFault.UNREADABLE),
    "cut jpeg": (JPEG, papers.jpeg()[:200], DocumentFault.UNREADABLE),
    "gif in a png's clothes": (PNG, b"\x89PNG\r\n\x1a\nGIF89a", DocumentFault.UNREADABLE),
    "no pdf": (PDF, b"%PDF-1.7\nnothing of the kind", DocumentFault.UNREADABLE),
    "bomb": (PNG, papers.png_that_says(50_000, 50_000), DocumentFault.TOO_MANY_PIXELS),
    "long strip": (PNG, papers.png_that_says(20_001, 1), DocumentFault.TOO_MANY_PIXELS),
    "too many pages": (PDF, papers.pdf(51), DocumentFault.TOO_MANY_PAGES),
    "bomb in a pdf": (PDF, papers.pdf_of_large_image(), DocumentFault.TOO_MANY_PIXELS),
    "password": (PDF, papers.encrypted_pdf(), DocumentFault.ENCRYPTED),
    "cut photograph in a pdf": (
        PDF,
        papers.pdf_of_picture(papers.jpeg()[:-200], "/DCTDecode"),
        DocumentFault.UNREADABLE,
    ),
    "no photograph in a pdf": (
        PDF,
        papers.pdf_of_picture(b"canary", "/DCTDecode"),
        DocumentFault.UNREADABLE,
    ),
    "photograph in a pdf, coded in no order": (
        PDF,
        papers.pdf_of_picture(papers.jpeg(), "/DCTDecode", "/FlateDecode"),
        DocumentFault.UNREADABLE,
    ),
    "photograph in a pdf that is larger than it says": (
        PDF,
        papers.pdf_of_picture(papers.long_jpeg(), "/DCTDecode"),
        DocumentFault.TOO_MANY_PIXELS,
    ),
    "script at opening": (
        PDF,
        papers.pdf(OpenAction=papers.action("/JavaScript", JS="app.alert(1)")),
        DocumentFault.ACTIVE,
    ),
    "program at opening": (
        PDF,
        papers.pdf(OpenAction=papers.action("/Launch", F="cmd.exe")),
        DocumentFault.ACTIVE,
    ),
    "script on a page": (
        PDF,
        papers.pdf_with_page_entry(
            "/AA", pikepdf.Dictionary({"/O": papers.action("/JavaScript", JS="1")})
        ),
        DocumentFault.ACTIVE,
    ),
    "script in a note, in an object stream": (
        PDF,
        papers.pdf_with_page_entry(
            "/Annots",
            pikepdf.Array(
                [
                    pikepdf.Dictionary(
                        {"/Subtype": pikepdf.Name.Link, "/A": papers.action("/Launch")}
                    )
                ]
            ),
        ),
        DocumentFault.ACTIVE,
    ),
    "form that sends": (
        PDF,
        papers.pdf_with_page_entry("/X", papers.action("/SubmitForm")),
        DocumentFault.ACTIVE,
    ),
    "attached file": (
        PDF,
        papers.pdf(Names=pikepdf.Dictionary({"/EmbeddedFiles": pikepdf.Dictionary({})})),
        DocumentFault.ACTIVE,
    ),
    "form by XML": (
        PDF,
        papers.pdf(AcroForm=pikepdf.Dictionary({"/XFA": pikepdf.String("x")})),
        DocumentFault.ACTIVE,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_or_broken_is_refused_by_its_name(name: str) -> None:
    media_type, document, fault = HOSTILE[name]
    with pytest.raises(NotTaken) as caught:
        cleaned(document, media_type)
    assert caught.value.fault is fault


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(["png", "jpeg", "pdf", "pdf of a photograph"]),
    edits=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 200),
)
def test_no_broken_document_raises_anything_else(
    name: str, edits: list[tuple[int, int]], cut: int
) -> None:
    media_type, sound = SOUND[name]
    document = bytearray(sound[: len(sound) - cut])
    for place, value in edits:
        document[place % len(document)] = value
    try:
        made = cleaned(bytes(document), media_type)
    except NotTaken:
        return
    # A changed byte may make of the photograph's coding something that is no photograph.
    assert b"canary" not in made or name == "pdf of a photograph"


@pytest.mark.parametrize("name", ["png", "jpeg", "pdf", "pdf of a photograph"])
async def test_the_process_that_cleans_answers_as_the_function_does(name: str) -> None:
    media_type, document = SOUND[name]
    made = await Cleaner().clean(document, media_type)
    assert isinstance(made, bytes)
    assert cleaned(made, media_type)
    assert b"canary" not in made


async def test_the_process_that_cleans_says_why_it_does_not() -> None:
    media_type, document, fault = HOSTILE["script at opening"]
    assert await Cleaner().clean(document, media_type) is fault


async def test_a_document_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.documents.limits.CLEAN_S_MAX", 0.01)
    made = await Cleaner().clean(papers.png(), PNG)
    assert made is DocumentFault.TOO_COMPLEX


async def test_a_document_that_takes_too_much_memory_is_given_up() -> None:
    # Python and its libraries take some 100 MB of addresses; the picture takes as much again.
    cleaner = Cleaner(memory_bytes_max=160 * 1024 * 1024)
    assert isinstance(await cleaner.clean(papers.png(), PNG), bytes)
    assert await cleaner.clean(papers.blank_png(6_000, 6_000), PNG) is DocumentFault.TOO_COMPLEX
