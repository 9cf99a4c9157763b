"""The page at /docs: the OpenAPI document for people to read. No script, no foreign host."""

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from typing import Any, Final

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h2{border-top:1px solid #8886;padding-top:1rem;font-size:1.1rem}"
    "code{font-family:ui-monospace,monospace}b{display:inline-block;min-width:4.5rem}"
    "table{border-collapse:collapse}td,th{padding:.15rem .75rem .15rem 0;text-align:left;"
    "vertical-align:top}"
)
_STYLE_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; frame-ancestors 'none'"
)
"""What the page needs: its own style, and nothing else."""


def docs_html(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document; every text in it is escaped."""
    title = escape(document["info"]["title"])
    operations = "".join(
        _operation(method, path, operation, document)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1><p>{escape(document['info']['description'])}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a></p>{operations}</html>'
    )


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    words = f"{operation.get('summary', '')}. {operation.get('description', '')}"
    rows = [
        (parameter["name"], parameter["in"], parameter.get("description", ""))
        for parameter in operation.get("parameters", [])
    ]
    rows += _fields("body", operation.get("requestBody", {}), document)
    rows += [
        (status, "answer", answer["description"])
        for status, answer in operation["responses"].items()
    ]
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code><td>{escape(kind)}<td>{escape(text)}"
        for name, kind, text in rows
    )
    return (
        f"<h2><b>{escape(method.upper())}</b> <code>{escape(path)}</code></h2>"
        f"<p>{escape(words)}</p><table>{cells}</table>"
    )


def _fields(
    place: str, holder: dict[str, Any], document: dict[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """The fields of a JSON body, one row each."""
    schema = holder.get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    model = document["components"]["schemas"].get(name, {})
    required = model.get("required", [])
    for field, form in model.get("properties", {}).items():
        kind = form.get("type") or form.get("$ref", "").rpartition("/")[2]
        need = "required" if field in required else "optional"
        yield field, place, " ".join(filter(None, [kind, need, form.get("description")]))
