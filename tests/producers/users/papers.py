"""Documents for tests: sound ones, and those that somebody made to do harm."""

import io
import zlib

import pikepdf
from PIL import Image


def png(width: int = 64, height: int = 48) -> bytes:
    """A picture with text in its metadata."""
    from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415

    info = PngInfo()
    info.add_text("Author", "canary-author")
    made = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(made, "PNG", pnginfo=info)
    return made.getvalue()


def blank_png(width: int, height: int) -> bytes:
    """A picture that is small until it is unpacked."""
    made = io.BytesIO()
    Image.new("RGB", (width, height)).save(made, "PNG")
    return made.getvalue()


def jpeg(*, orientation: int = 1) -> bytes:
    """A photograph that says where it was taken, wider than high as it is stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "canary-camera"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (48.0, 12.0, 30.0)
    made = io.BytesIO()
    picture = Image.new("RGB", (80, 40), "white")
    picture.paste("black", (0, 0, 20, 40))
    picture.save(made, "JPEG", exif=exif, comment=b"canary-comment")
    return made.getvalue()


def pdf(pages: int = 1, **root: object) -> bytes:
    """A PDF with metadata; `root` are further entries of its catalogue."""
    made = io.BytesIO()
    with pikepdf.new() as document:
        for _ in range(pages):
            document.add_blank_page(page_size=(200, 100))
        document.docinfo["/Author"] = "canary-author"
        for key, value in root.items():
            document.Root[f"/{key}"] = value
        document.save(made)
    return made.getvalue()


def pdf_with_page_entry(key: str, value: object) -> bytes:
    """A PDF whose first page has one more entry."""
    made = io.BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page(page_size=(200, 100))
        document.pages[0].obj[key] = value
        document.save(made, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return made.getvalue()


def action(kind: str, **more: object) -> pikepdf.Dictionary:
    """An action of a PDF."""
    entries = {f"/{key}": value for key, value in more.items()}
    return pikepdf.Dictionary({"/Type": pikepdf.Name.Action, "/S": pikepdf.Name(kind), **entries})


def encrypted_pdf() -> bytes:
    """A PDF that opens with a password only."""
    made = io.BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page()
        document.save(made, encryption=pikepdf.Encryption(owner="owner", user="user"))
    return made.getvalue()


def pdf_of_large_image() -> bytes:
    """A PDF with an image of 2.5 billion pixels in a few bytes."""
    made = io.BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page()
        image = document.make_stream(
            zlib.compress(bytes(1000)),
            Type=pikepdf.Name.XObject,
            Subtype=pikepdf.Name.Image,
            Width=50_000,
            Height=50_000,
            BitsPerComponent=8,
            ColorSpace=pikepdf.Name.DeviceGray,
            Filter=pikepdf.Name.FlateDecode,
        )
        xobjects = pikepdf.Dictionary({"/I": image})
        document.pages[0].obj["/Resources"] = pikepdf.Dictionary({"/XObject": xobjects})
        document.save(made)
    return made.getvalue()


def png_that_says(width: int, height: int) -> bytes:
    """A PNG whose header promises more than there is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return len(data).to_bytes(4, "big") + whole + zlib.crc32(whole).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    body = zlib.compress(bytes(10_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
