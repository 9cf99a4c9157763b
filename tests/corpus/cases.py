"""The corpus: what is sent, and exactly what must be answered. Data files, and how to read them.

A file (`Book`) names the request that its cases begin with, or the routes (`each`) to which every
case of it goes; a case says how it differs:

* `change` sets fields of the body, `drop` leaves fields out, `raw` is the body's text, `hex` its
  bytes, `repeat` [text, times] a text many times over, `chunks` [text, times] the same without a
  length, and `stays_open` a body, or a head, whose end never comes.
* `headers` are pairs, in place of Content-Type where they name it; `no_type` sends none.
* `head` are the request's first lines as they are, where the protocol itself is bent.
* `before` are requests that are sent first, each with the `status` it gets.
* `status` and `code` are the answer, `pointer` is among its errors, `holds` are fields of its
  document, `has` are headers of it, and `lacks` are headers that it must not have.
* `served` is what a real server answers where that is not what the application would: the server's
  own parser refuses some requests unread. `reaches_log` marks a no that a stage says, not the edge.

`own_address` sends a case from an address of this machine that no other case has, because edges
meter addresses, and `as_person` signed in as somebody new. In every text `@ax3@` is aaa, and
`@new@` a word that no other case has.
"""

import json
import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import yaml
from pydantic import BaseModel, ConfigDict, Field

from tests.corpus.wire import Sent

FOLDER: Final = Path(__file__).parent
JSON: Final = ("content-type", "application/json")
INHERITED: Final = frozenset({"edge", "method", "path", "headers", "body"})
"""What the requests before a case have in common with it, unless they say otherwise."""
BOOKS: Final = sorted(path.stem for path in FOLDER.glob("*.yaml"))

_RUN: Final = uuid4().hex[:12]
_NUMBERS: Final = count()
_OK_MAX: Final = 399

Pair = Annotated[tuple[str, str], Field(strict=False)]
Times = Annotated[tuple[str, int], Field(strict=False)]


class Strict(BaseModel):
    """A misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Expected(Strict):
    """An answer: its status, and its code where it is a problem."""

    status: int
    code: str | None = None


class Request(Expected):
    """What is sent, and what is answered."""

    edge: str
    method: str = "POST"
    path: str
    own_address: bool = False
    as_person: bool = False
    query: str | None = None
    headers: list[Pair] = []
    no_type: bool = False
    body: dict[str, Any] | None = None
    change: dict[str, Any] = {}
    drop: list[str] = []
    raw: str | None = None
    hex: str | None = None
    repeat: Times | None = None
    chunks: Times | None = None
    stays_open: bool = False
    head: list[str] | None = None

    @property
    def target(self) -> str:
        """The path, with its query."""
        return self.path if self.query is None else f"{self.path}?{self.query}"

    @property
    def parts(self) -> list[bytes]:
        """The body, in the parts that it is sent in."""
        if self.chunks is not None:
            text, times = self.chunks
            return [text.encode()] * times
        if self.repeat is not None:
            text, times = self.repeat
            return [(text * times).encode()]
        if self.hex is not None:
            return [bytes.fromhex(self.hex)]
        if self.raw is not None:
            return [self.raw.encode()]
        if self.body is None:
            return [b""]
        body = {name: value for name, value in self.body.items() if name not in self.drop}
        return [json.dumps(body | self.change).encode()]

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        """The headers, with a content type unless the case has its own, or none, or no body."""
        is_typed = self.no_type or any(name == "content-type" for name, _ in self.headers)
        is_read = self.method == "POST" or self.parts != [b""]
        return [*self.headers, JSON] if is_read and not is_typed else self.headers

    def sent(self, bearer: str | None = None) -> Sent:
        """The request as its bytes, shown with a token where one is given."""
        if self.head is not None:
            head = _head(self.head)
            return Sent(head.removesuffix(b"\r\n") if self.stays_open else head, self.parts)
        lines = [f"{self.method} {self.target} HTTP/1.1", "host: localhost", "connection: close"]
        lines += [f"{name}: {value}" for name, value in self.all_headers]
        if bearer is not None:
            lines.append(f"authorization: Bearer {bearer}")
        if self.chunks is not None or self.stays_open:
            body = [b"%x\r\n%b\r\n" % (len(part), part) for part in self.parts if part]
            end = [] if self.stays_open else [b"0\r\n\r\n"]
            return Sent(_head([*lines, "transfer-encoding: chunked"]), [*body, *end])
        if not any(name == "content-length" for name, _ in self.headers):
            lines.append(f"content-length: {sum(map(len, self.parts))}")
        return Sent(_head(lines), self.parts)


class Case(Request):
    """One line of the corpus."""

    name: str
    pointer: str | None = None
    holds: dict[str, Any] = {}
    has: dict[str, str] = {}
    lacks: list[str] = []
    reaches_log: bool = False
    served: Expected | None = None
    before: list[Request] = []

    @property
    def is_accepted(self) -> bool:
        """Whether it is done, or taken in."""
        return self.status <= _OK_MAX

    @property
    def must_do_nothing(self) -> bool:
        """Whether it alone puts nothing on the log."""
        return not (self.is_accepted or self.reaches_log or self.before)

    @property
    def on_a_server(self) -> Expected:
        """What a real server answers."""
        return self.served or Expected(status=self.status, code=self.code)

    @property
    def wrong_words(self) -> list[str]:
        """What was sent and is wrong must not come back: it may be about a person."""
        if self.is_accepted:
            return []
        sent = [value for value in self.change.values() if isinstance(value, str)]
        named = {(self.pointer or "").removeprefix("/")}
        sent += self.change.keys() - (self.body or {}).keys() - named
        known = {str(value).casefold() for value in (self.body or {}).values()} | {"posted"}
        return [text for text in sent if len(text) > 3 and text.casefold() not in known]


class Route(Strict):
    """A route to which each case of a book is sent."""

    name: str
    request: dict[str, Any]


class Book(Strict):
    """A file of the corpus."""

    about: str
    request: dict[str, Any] = {}
    each: list[Route] = [Route(name="", request={})]
    cases: list[dict[str, Any]]


def read_book(name: str) -> list[Case]:
    """The cases of a file."""
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    book = Book.model_validate(yaml.safe_load(text))
    cases = []
    for route in book.each:
        for line in book.cases:
            base = book.request | route.request
            own = {name: line[name] for name in line.keys() & INHERITED}
            before = [base | own | step for step in line.get("before", [])]
            named = f"{line['name']}, {route.name}" if route.name else line["name"]
            document = base | line | {"before": before, "name": named}
            cases.append(Case.model_validate(expanded(document, f"{_RUN}-{next(_NUMBERS)}")))
    return cases


def expanded(value: Any, new: str) -> Any:
    """The value with `@ax3@` and `@new@` said in full, wherever they stand in it."""
    if isinstance(value, str):
        text = value.replace("@new@", new)
        return re.sub(r"@(.)x(\d+)@", lambda found: found[1] * int(found[2]), text)
    if isinstance(value, Mapping):
        return {expanded(name, new): expanded(item, new) for name, item in value.items()}
    return [expanded(item, new) for item in value] if isinstance(value, list) else value


def _head(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
