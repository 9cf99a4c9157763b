"""Strict reading of JSON bodies: what is unclear is refused, and refused before it costs much."""

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from runtime import limits
from runtime.http.problem import ProblemError, body_problem
from runtime.http.scope import header_values

Model = TypeVar("Model", bound=BaseModel)

# After these the rest of the body is not read, so the connection cannot be used again.
_CLOSE: Final = {"Connection": "close"}

_JSON_TYPE = re.compile(
    rb"application/json[ \t]*(;[ \t]*charset=\"?utf-8\"?[ \t]*)?\Z", re.IGNORECASE
)
_FORM_TYPE = re.compile(
    rb"application/x-www-form-urlencoded[ \t]*(;[ \t]*charset=\"?utf-8\"?[ \t]*)?\Z", re.IGNORECASE
)
_FORM_FIELDS_MAX: Final = 16
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

# The closing quote is optional, so that an unclosed string is swallowed once, not tried again from
# each quote in it: the scan stays linear whatever comes.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


class RequestModel(BaseModel):
    """The base of every request body: strict types, no unknown fields, no input in errors."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A body that is sound JSON."""

    raw: bytes
    value: Any
    canonical: bytes

    @property
    def fingerprint(self) -> str:
        """The body's identity: order of keys and spaces do not change it."""
        return hashlib.sha256(self.canonical).hexdigest()

    def parse(self, model: type[Model]) -> Model:
        """The body as its model; ProblemError 422 with every fault."""
        try:
            return model.model_validate_json(self.raw)
        except ValidationError as error:
            raise body_problem(error, model) from None


async def read_json(request: Request, *, bytes_max: int = limits.BODY_BYTES_MAX) -> JsonBody:
    """The request's JSON; ProblemError 415, 413, 408 or 400 if it is none.

    The size is counted while the body streams in, so a chunked one is cut at the limit too.
    """
    _check_type(request, _JSON_TYPE, "application/json")
    return parse_json(await _read(request, bytes_max))


async def read_form(request: Request) -> dict[str, str]:
    """The request's form, for what OAuth wants so; ProblemError 415, 413, 408 or 400 if it is none.

    Refused too: bytes that are not UTF-8, and a field that comes twice.
    """
    _check_type(request, _FORM_TYPE, "application/x-www-form-urlencoded")
    raw = await _read(request, limits.BODY_BYTES_MAX)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=_FORM_FIELDS_MAX,
        )
    except ValueError:
        raise ProblemError(400, "malformed_form", "the body is not a form") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ProblemError(400, "malformed_form", "the body names one field twice")
    return fields


async def read_raw(request: Request, *, bytes_max: int) -> bytes:
    """The request's body as it came, of whatever type; ProblemError 413, 408 or 400.

    For what is signed byte by byte.
    """
    return await _read(request, bytes_max)


def parse_json(raw: bytes) -> JsonBody:
    """Strict JSON (RFC 8259 and I-JSON): ProblemError 400 on all that two parsers may read apart.

    Refused: a byte order mark, bytes that are not UTF-8, lone surrogates, repeated keys, NaN and
    infinities, numbers beyond a double, trailing bytes, nesting deeper than JSON_DEPTH_MAX.
    """
    if raw.startswith(_BYTE_ORDER_MARK):
        raise _malformed("the body begins with a byte order mark")
    _check_depth(raw)
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
        # What has no canonical spelling (a lone surrogate, an infinity) is found by spelling it.
        return JsonBody(raw, value, canonical_json(value))
    except UnicodeError:
        raise _malformed("the body is not UTF-8 text") from None
    except (ValueError, RecursionError):
        raise _malformed("the body is not JSON") from None


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - JSON is anything
    """One spelling of a JSON value: sorted keys, no spaces, UTF-8. ValueError if there is none."""
    return _ENCODER.encode(value).encode("utf-8")


def fingerprint_of(value: Any) -> str:  # noqa: ANN401 - JSON is anything
    """SHA-256, in hexadecimal, of a JSON value's canonical spelling."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _check_type(request: Request, pattern: re.Pattern[bytes], name: str) -> None:
    types = header_values(request.scope, b"content-type")
    if len(types) != 1 or not pattern.match(types[0]):
        raise ProblemError(
            415,
            "unsupported_media_type",
            f"send Content-Type: {name}",
            headers=_CLOSE | {"Accept-Post": name},
        )
    for encoding in header_values(request.scope, b"content-encoding"):
        if encoding.strip().lower() != b"identity":
            raise ProblemError(
                415,
                "unsupported_content_encoding",
                "send the body as it is, without Content-Encoding",
                headers=_CLOSE | {"Accept-Encoding": "identity"},
            )


async def _read(request: Request, bytes_max: int) -> bytes:
    for length in header_values(request.scope, b"content-length"):
        if len(length) > len(str(bytes_max)) + 1 or (length.isdigit() and int(length) > bytes_max):
            raise _too_large(bytes_max)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.BODY_S_MAX):
            while True:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ProblemError(400, "incomplete_body", "the body broke off")
                chunk: bytes = message.get("body", b"")
                size += len(chunk)
                if size > bytes_max:
                    raise _too_large(bytes_max)
                chunks.append(chunk)
                if not message.get("more_body", False):
                    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    except TimeoutError:
        raise ProblemError(
            408, "request_timeout", "the body took too long to arrive", headers=_CLOSE
        ) from None


def _check_depth(raw: bytes) -> None:
    if raw.count(b"{") + raw.count(b"[") <= limits.JSON_DEPTH_MAX:
        return
    depth = 0
    for match in _BRACKET.finditer(_STRING.sub(b"", raw)):
        depth += 1 if match[0] in b"[{" else -1
        if depth > limits.JSON_DEPTH_MAX:
            raise ProblemError(
                400,
                "json_too_deep",
                f"the body is nested deeper than {limits.JSON_DEPTH_MAX} levels",
            )


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ProblemError(400, "duplicate_json_key", "an object of the body names one key twice")
    return value


def _refuse_constant(_name: str) -> NoReturn:
    raise _malformed("NaN and infinities are not JSON")


def _malformed(detail: str) -> ProblemError:
    return ProblemError(400, "malformed_json", detail)


def _too_large(bytes_max: int) -> ProblemError:
    return ProblemError(
        413, "body_too_large", f"the body is larger than {bytes_max} bytes", headers=_CLOSE
    )


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object_without_repeats, parse_constant=_refuse_constant
)
_ENCODER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
