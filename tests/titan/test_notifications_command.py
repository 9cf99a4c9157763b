"""`titan notifications`, and that `validate` finds what is wrong with a template."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from producers.notifications.checking import template_faults
from producers.notifications.templates import DIRECTORY
from titan.cli import app


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DIRECTORY, tmp_path / "templates"))


def test_the_templates_are_fit() -> None:
    assert template_faults() == []
    done = CliRunner().invoke(app, ["notifications", "validate"])
    assert done.exit_code == 0
    assert "fit in 7 locales" in done.output


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("de/payment-sent.jinja", "{% block title %}x{% endblock %}", "has no block 'body'"),
        ("en/signed-in.jinja", "{% block title %}", "TemplateSyntaxError"),
        ("en/payment-sent.jinja", "{% block title %}{{ who }}{% endblock %}", "UndefinedError"),
        (
            "en/payment-received.jinja",
            "{% block title %}a{% endblock %}{% block body %}{{ ''.__class__.mro }}{% endblock %}",
            "SecurityError",
        ),
        (
            "en/payment-refused.jinja",
            "{% block title %}" + "x" * 49 + "{% endblock %}{% block body %}b{% endblock %}",
            "a title of 49 characters",
        ),
        (
            "de/email.html.jinja",
            "{{ body | safe }}",
            "lets a name be more than text",
        ),
        ("de/somebody.jinja", "", "de/somebody.jinja is nobody's"),
    ],
)
def test_a_template_that_is_not_fit_is_told(copy: Path, name: str, text: str, fault: str) -> None:
    (copy / name).write_text(text, "utf-8")
    assert any(fault in each for each in template_faults(copy)), template_faults(copy)
    done = CliRunner().invoke(app, ["notifications", "validate", "--directory", str(copy)])
    assert done.exit_code == 1


def test_a_language_that_lacks_a_subject_is_told(copy: Path) -> None:
    (copy / "de" / "password-changed.jinja").unlink()
    assert "de/password-changed.jinja is missing" in template_faults(copy)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--locale", "de-CH"], "Du hast $ 10.00 an B*** S*** gesendet."),
        (["--detail", "subject"], "You sent a payment."),
        (["--detail", "nothing"], "There is news in the app."),
        (["--amount", "1000", "--currency", "JPY", "--count", "4"], "4 more payments, ¥1,000 in"),
        (["--as", "html"], "<h1"),
    ],
)
def test_a_preview_is_what_somebody_would_read(options: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["notifications", "preview", "payment-sent", *options])
    assert done.exit_code == 0
    assert said in done.output.replace("\xa0", " ")


@pytest.mark.parametrize(
    "options", [["--locale", "xx"], ["--currency", "usd"]], ids=["locale", "currency"]
)
def test_what_there_is_not_cannot_be_previewed(options: list[str]) -> None:
    done = CliRunner().invoke(app, ["notifications", "preview", "payment-sent", *options])
    assert done.exit_code == 2
