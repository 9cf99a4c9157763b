"""Canaries: words about a person that occur nowhere else, and every form they may leak in."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from random import SystemRandom
from urllib.parse import quote, quote_plus

_RANDOM = SystemRandom()
_BASE64_GROUP = 3


@dataclass(frozen=True)
class Canaries:
    """One person's secrets. Letters are in both cases, so that lower-casing makes another form."""

    email: str
    phone: str
    ssn: str
    legal_name: str
    display_name: str
    bank_number: str
    description: str
    password: str
    street: str
    device_token: str
    hook_url: str

    @classmethod
    def drawn(cls) -> "Canaries":
        """New ones, of a person whom nobody else knows."""
        return cls(
            email=f"Canary.{_word()}@Example.com",
            phone=f"+1202{_RANDOM.randrange(200, 999)}{_digits(4)}",
            ssn=f"{_RANDOM.randrange(100, 665)}-{_RANDOM.randrange(10, 99)}-{_digits(4)}",
            legal_name=f"Legal {_word()} O'Canary",
            display_name=f"Shown {_word()} Canary",
            bank_number=f"{_RANDOM.randrange(10**16, 10**17)}",
            description=f"For {_word()} & the canary",
            password=f"Pass {_word()} word",
            street=f"{_digits(4)} {_word()} Street",
            device_token=f"{_word()}:{_word()}",
            hook_url=f"https://hooks.example.com/{_word()}?for={_word()}",
        )

    def texts(self) -> dict[str, str]:
        """Each canary by its kind."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def needles(self) -> dict[bytes, str]:
        """Every form of every canary, and which one it tells of."""
        return needles_of(self.texts())


def needles_of(texts: Mapping[str, str]) -> dict[bytes, str]:
    """Every form of every text, and which one it tells of, by the texts' names."""
    found: dict[bytes, str] = {}
    for kind, text in texts.items():
        for spelling in _spellings(text):
            for name, form in _forms(spelling):
                found.setdefault(form, f"{kind} {name}")
    return found


def _spellings(text: str) -> set[str]:
    """As typed, folded, and as a number that was written with signs between its digits."""
    digits = "".join(filter(str.isdigit, text))
    plain = {digits} if not any(map(str.isalpha, text)) else set()
    return {text, text.lower(), text.upper(), *plain}


def _forms(text: str) -> Iterator[tuple[str, bytes]]:
    raw = text.encode()
    yield "in clear", raw
    yield "in hexadecimal", raw.hex().encode()
    yield "in hexadecimal capitals", raw.hex().upper().encode()
    yield "URL-encoded", quote(text, safe="").encode()
    yield "URL-encoded in lower case", quote(text, safe="").lower().encode()
    yield "URL-encoded as a form", quote_plus(text).encode()
    yield "as JSON", text.replace("'", "\\u0027").replace("&", "\\u0026").encode()
    for shift in range(_BASE64_GROUP):
        for name, alphabet in (("base64", b"+/"), ("URL-safe base64", b"-_")):
            yield f"in {name} shifted by {shift}", _within_base64(raw, shift, alphabet)
    yield "in UTF-16", text.encode("utf-16-le")


def _within_base64(raw: bytes, shift: int, alphabet: bytes) -> bytes:
    """What of it stands in base64 whatever is before and after it."""
    encoded = base64.b64encode(bytes(shift) + raw, alphabet).rstrip(b"=")
    first = -(-shift * 4 // _BASE64_GROUP)
    # The last character says something of the next byte too, unless a group ends there.
    is_whole = (shift + len(raw)) % _BASE64_GROUP == 0
    return encoded[first:] if is_whole else encoded[first:-1]


def _word() -> str:
    return "Zq" + "".join(_RANDOM.choice("bcdfghjkmnpqrstvwxz") for _ in range(10))


def _digits(count: int) -> str:
    return "".join(str(_RANDOM.randrange(10)) for _ in range(count))
