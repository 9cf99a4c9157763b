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


def jpeg(*, orientation: int = 1, mode: str = "RGB") -> bytes:
    """A photograph that says where it was taken, wider than high as it is stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "canary-camera"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (48.0, 12.0, 30.0)
    made = io.BytesIO()
    picture = Image.new("RGB", (80, 40), "white")
    picture.paste("black", (0, 0, 20, 40))
    picture.convert(mode).save(made, "JPEG", exif=exif, comment=b"canary-comment")
    return made.getvalue()


def long_jpeg() -> bytes:
    """A strip with a side that is too long."""
    made = io.BytesIO()
    Image.new("L", (20_001, 1)).save(made, "JPEG")
    return made.getvalue()


def jpeg_2000() -> bytes:
    """A photograph in the other coding that PDFs have, with a comment."""
    made = io.BytesIO()
    with Image.open(io.BytesIO(jpeg())) as picture:
        picture.save(made, "JPEG2000", comment="canary-comment")
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


def pdf_of_picture(
    coded: bytes,
    *filters: str,
    **entries: object,
) -> bytes:
    """A PDF with a picture, coded so, on its page, and with what programs write beside one."""
    made = io.BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page(page_size=(200, 100))
        told = {"/Private": pikepdf.String("canary-program")}
        image = document.make_stream(
            coded,
            Type=pikepdf.Name.XObject,
            Subtype=pikepdf.Name.Image,
            Width=80,
            Height=40,
            BitsPerComponent=8,
            ColorSpace=pikepdf.Name.DeviceRGB,
            Filter=pikepdf.Array([pikepdf.Name(each) for each in filters]),
            Metadata=document.make_stream(b"<x:xmpmeta>canary-xmp</x:xmpmeta>"),
            PieceInfo=pikepdf.Dictionary({"/Program": pikepdf.Dictionary(told)}),
            Name=pikepdf.Name("/canary-name"),
        )
        for key, value in entries.items():
            image[f"/{key}"] = value
        drawn = document.make_stream(
            b"q 80 0 0 40 0 0 cm /I Do Q",
            Type=pikepdf.Name.XObject,
            Subtype=pikepdf.Name.Form,
            BBox=[0, 0, 80, 40],
            Resources=pikepdf.Dictionary({"/XObject": pikepdf.Dictionary({"/I": image})}),
            LastModified=pikepdf.String("canary-time"),
            PieceInfo=pikepdf.Dictionary({"/Program": pikepdf.Dictionary(told)}),
        )
        xobjects = pikepdf.Dictionary({"/F": drawn})
        document.pages[0].obj["/Resources"] = pikepdf.Dictionary({"/XObject": xobjects})
        document.pages[0].contents_add(b"q 2 0 0 2 10 10 cm /F Do Q")
        document.save(made, compress_streams=False)
    return made.getvalue()


def pictures_of(document: bytes) -> list[tuple[Image.Image, dict[str, str], bytes]]:
    """The pictures that a PDF draws by forms: decoded, their entries, and as they are coded."""
    with pikepdf.open(io.BytesIO(document)) as opened:
        return [
            (
                Image.open(io.BytesIO(image.read_raw_bytes())).copy(),
                {str(key): repr(image[str(key)]) for key in image},
                image.read_raw_bytes(),
            )
            for page in opened.pages
            for form in page.obj.Resources.XObject.values()
            for image in form.Resources.XObject.values()
        ]


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
