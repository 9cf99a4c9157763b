"""`titan docs` and `titan topics docs`: write the generated documents, or check them."""

from typing import Annotated

import typer

from titan.documents import Document, all_documents, topic_documents
from titan.terminal import JsonOption, fail, say, say_json

CheckOption = Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 if one differs.")]


def docs(*, check: CheckOption = False, as_json: JsonOption = False) -> None:
    """Write every generated document: the flow, AsyncAPI, settings and limits."""
    _write(all_documents(), check=check, as_json=as_json)


def topic_docs(*, check: CheckOption = False, as_json: JsonOption = False) -> None:
    """Draw the topic map: docs/flow.md, docs/asyncapi.yaml and the picture in README.md."""
    _write(topic_documents(), check=check, as_json=as_json)


def _write(documents: list[Document], *, check: bool, as_json: bool) -> None:
    stale = [document for document in documents if not document.is_current]
    names = [document.name for document in stale]
    if not check:
        for document in stale:
            document.path.parent.mkdir(exist_ok=True)
            document.path.write_text(document.text, encoding="utf-8")
    if as_json:
        say_json({"stale" if check else "written": names})
    elif not check:
        say(f"wrote {', '.join(names)}" if names else "nothing to write: all are current")
    if check and names:
        fail(f"not current: {', '.join(names)}: run `titan docs` and commit")
    elif check and not as_json:
        say(f"{len(documents)} documents are current")
