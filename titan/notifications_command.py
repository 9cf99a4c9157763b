"""`titan notifications`: see what people would read, and whether every template is fit."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from domain.errors import Invalid
from domain.money import is_currency
from domain.notification import LOCALES, Detail, Subject
from producers.notifications.checking import template_faults
from producers.notifications.templates import DIRECTORY, Content, Templates
from titan.terminal import JsonOption, command_group, fail, say, say_json

app: Final[typer.Typer] = command_group("What notifications say.")

_LINK: Final = "https://titan.example/unsubscribe/..."


class Form(StrEnum):
    """What a notification can look like."""

    PUSH = "push"
    TEXT = "text"
    HTML = "html"


DirectoryOption = Annotated[Path, typer.Option("--directory", help="Other templates to look at.")]


@app.command()
def preview(
    subject: Annotated[Subject, typer.Argument(help="What it is about.")],
    *,
    locale: Annotated[str, typer.Option(help=f"One of {', '.join(LOCALES)}.")] = "en",
    detail: Annotated[Detail, typer.Option(help="How much it tells.")] = Detail.PAYEE,
    form: Annotated[Form, typer.Option("--as", help="A push, or an e-mail's form.")] = Form.PUSH,
    amount_minor: Annotated[int, typer.Option("--amount", help="In minor units.")] = 1_000,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "USD",
    count: Annotated[int, typer.Option(min=1, help="More than 1: the rest of a burst.")] = 1,
    code: Annotated[str | None, typer.Option(help="Why it was refused.")] = None,
    name: Annotated[str | None, typer.Option(help="The other side's, masked.")] = "B*** S***",
    directory: DirectoryOption = DIRECTORY,
    as_json: JsonOption = False,
) -> None:
    """Show a notification as somebody would read it; nothing is sent."""
    if locale not in LOCALES:
        raise Invalid("unknown_locale", f"--locale is one of {', '.join(LOCALES)}")
    if not is_currency(currency):
        raise Invalid("unknown_currency", "--currency is an ISO 4217 code such as USD")
    templates = Templates(directory)
    content = Content(
        subject=subject,
        count=count,
        amount_minor=amount_minor,
        currency=currency,
        code=code,
        name=name,
    )
    words = templates.words(content, locale=locale, detail=detail)
    mail = templates.mail(words, locale=locale, unsubscribe_url=_LINK)
    if as_json:
        say_json({**words._asdict(), **mail._asdict()})
        return
    match form:
        case Form.PUSH:
            say(f"{words.title}\n{words.body}")
        case Form.TEXT:
            say(f"{words.title}\n\n{mail.text}")
        case Form.HTML:
            say(mail.html)


@app.command()
def validate(*, directory: DirectoryOption = DIRECTORY, as_json: JsonOption = False) -> None:
    """Render every template with all it may be given; exit 1, with each fault, if one is unfit."""
    faults = template_faults(directory)
    if as_json:
        say_json({"faults": faults})
    elif faults:
        for fault in faults:
            say(fault)
    else:
        say(f"the templates of {len(Subject)} subjects are fit in {len(LOCALES)} locales")
    if faults:
        fail(f"{len(faults)} faults in the templates")
