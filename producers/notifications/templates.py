"""What a notification says: sandboxed templates, a file a subject and language. Pure but for files.

A template is given what may be told and nothing else: `amount` and `name` are None where a
preference keeps them back, so no template has to know of preferences.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from babel.numbers import format_currency
from jinja2 import FileSystemLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from domain.money import EXPONENTS
from domain.notification import Detail, Subject

LANGUAGES: Final = ("en", "de")
"""Each has a folder of templates."""

SOMETHING: Final = "something"
"""The template that tells nothing but that there is news."""

TITLE_CHARACTERS_MAX: Final = 48
"""A longer title is cut off on a phone."""

BODY_CHARACTERS_MAX: Final = 178
"""Likewise a longer body."""

DIRECTORY: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What there is to tell. `name` is masked, and whose it is the subject says."""

    subject: Subject
    count: int = 1
    amount_minor: int | None = None
    currency: str | None = None
    code: str | None = None
    name: str | None = None


class Words(NamedTuple):
    """A notification in somebody's language."""

    title: str
    body: str


class Mail(NamedTuple):
    """The two forms of an e-mail."""

    text: str
    html: str


class Templates:
    """The templates of all languages, compiled when they are first used."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        self._environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(directory),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html.jinja"),
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def words(self, content: Content, *, locale: str, detail: Detail) -> Words:
        """Title and body, with as much in them as `detail` lets out."""
        name = SOMETHING if detail is Detail.NOTHING else content.subject.value
        template = self._environment.get_template(f"{language_of(locale)}/{name}.jinja")
        told = {
            "count": content.count,
            "amount": _amount(content, locale) if detail.rank >= Detail.AMOUNT.rank else None,
            "name": content.name if detail.rank >= Detail.PAYEE.rank else None,
            "code": content.code if detail.rank >= Detail.AMOUNT.rank else None,
        }
        return Words(_block(template, "title", told), _block(template, "body", told))

    def mail(self, words: Words, *, locale: str, unsubscribe_url: str | None) -> Mail:
        """The words as an e-mail, in both forms."""
        language = language_of(locale)
        given = {**words._asdict(), "unsubscribe_url": unsubscribe_url}
        return Mail(
            self._environment.get_template(f"{language}/email.txt.jinja").render(given),
            self._environment.get_template(f"{language}/email.html.jinja").render(given),
        )

    def unsubscribe_page(self, *, locale: str, is_done: bool) -> str:
        """The page behind the link of an e-mail."""
        name = f"{language_of(locale)}/unsubscribe.html.jinja"
        return self._environment.get_template(name).render(is_done=is_done)


def language_of(locale: str) -> str:
    """The folder of templates for a locale: `de` for `de-CH`."""
    return locale.partition("-")[0]


def _amount(content: Content, locale: str) -> str | None:
    """The amount as it is written where the reader is: no cents in yen, three places in dinars."""
    if content.amount_minor is None or content.currency is None:
        return None
    amount = Decimal(content.amount_minor).scaleb(-EXPONENTS[content.currency])
    return format_currency(amount, content.currency, locale=locale.replace("-", "_"))


def _block(template: Template, name: str, told: Mapping[str, object]) -> str:
    context = template.new_context(dict(told))
    return "".join(template.blocks[name](context)).strip()
