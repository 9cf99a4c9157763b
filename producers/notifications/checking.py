"""Whether the templates are fit: every one rendered with everything that it may be given."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final

from jinja2 import TemplateError

from domain.money import AMOUNT_MINOR_MAX
from domain.notification import LOCALES, Detail, Subject
from domain.payment import RefusalCode
from producers.notifications.templates import (
    BODY_CHARACTERS_MAX,
    DIRECTORY,
    LANGUAGES,
    SOMETHING,
    TITLE_CHARACTERS_MAX,
    Content,
    Templates,
    Words,
    language_of,
)

HOSTILE_NAME: Final = "<script>{{ 7 * 7 }}"
"""A name that must stand in an e-mail as it is, and do nothing."""

_CURRENCIES: Final = ("USD", "JPY", "KWD")
_PAGES: Final = ("email.txt", "email.html", "unsubscribe.html")
_URL: Final = "https://example.org/unsubscribe/token?a=1&b=2"


def samples(subject: Subject) -> Iterator[Content]:
    """What may be told on a subject, the largest amounts and longest names included."""
    yield Content(subject=subject)
    if not subject.is_payment:
        return
    for code in RefusalCode:
        yield Content(subject=subject, code=code)
    yield Content(subject=subject, code="a_code_of_tomorrow")
    for currency, count, name in product(_CURRENCIES, (1, 999), (None, "W*** W*** W***")):
        yield Content(
            subject=subject,
            count=count,
            amount_minor=AMOUNT_MINOR_MAX,
            currency=currency,
            name=name,
        )


def template_faults(directory: Path = DIRECTORY) -> list[str]:
    """Every fault of the templates below a directory; an empty list if they are fit."""
    return [*_missing(directory), *_ill(directory)]


def _missing(directory: Path) -> Iterator[str]:
    names = [*(subject.value for subject in Subject), SOMETHING, *_PAGES]
    for language in LANGUAGES:
        wanted = {f"{name}.jinja" for name in names}
        there = {path.name for path in (directory / language).glob("*")}
        yield from (f"{language}/{name} is missing" for name in sorted(wanted - there))
        yield from (f"{language}/{name} is nobody's" for name in sorted(there - wanted))


def _ill(directory: Path) -> Iterator[str]:
    templates = Templates(directory)
    for locale, subject in product(LOCALES, Subject):
        where = f"{language_of(locale)}/{subject}.jinja ({locale})"
        try:
            told = {
                templates.words(content, locale=locale, detail=detail)
                for content in samples(subject)
                for detail in Detail
            }
            yield from (f"{where}: {fault}" for words in told for fault in _too_long(words))
            yield from (f"{where}: {fault}" for fault in _leaks(templates, subject, locale))
        except TemplateError as error:
            yield f"{where}: {type(error).__name__}: {error.message}"
        except KeyError as error:
            yield f"{where}: has no block {error}"


def _too_long(words: Words) -> Iterator[str]:
    if not (1 <= len(words.title) <= TITLE_CHARACTERS_MAX):
        yield f"a title of {len(words.title)} characters, at most {TITLE_CHARACTERS_MAX}"
    if not (1 <= len(words.body) <= BODY_CHARACTERS_MAX):
        yield f"a body of {len(words.body)} characters, at most {BODY_CHARACTERS_MAX}"


def _leaks(templates: Templates, subject: Subject, locale: str) -> Iterator[str]:
    """What is told though it was to be kept back, and what a name does where it is told."""
    content = Content(subject=subject, amount_minor=98_765, currency="USD", name=HOSTILE_NAME)
    for detail in Detail:
        words = templates.words(content, locale=locale, detail=detail)
        text = " ".join(words)
        if "987" in text and detail.rank < Detail.AMOUNT.rank:
            yield f"tells the amount at {detail}"
        if HOSTILE_NAME in text and detail is not Detail.PAYEE:
            yield f"tells a name at {detail}"
        mail = templates.mail(words, locale=locale, unsubscribe_url=_URL)
        if "<script>" in mail.html or "49" in mail.html:
            yield "lets a name be more than text in an e-mail"
