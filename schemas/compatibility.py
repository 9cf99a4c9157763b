"""Whether a changed event still reads all that was written before: backward compatibility.

Additive in place: a field may be added with a default, an enum may gain a value, a range may
widen. Whatever takes something away needs a `.v2` topic, fed beside the old one during the move.
Compared are JSON Schemas as pydantic writes them; other keywords of JSON Schema are not known.
"""

from collections.abc import Iterator
from typing import Any, Final

JsonSchema = dict[str, Any]

_LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_INCOMPARABLE: Final = ("pattern", "format")
"""Of two of these nobody can say which accepts more, so any new one counts as narrower."""


def breaks(old: JsonSchema, new: JsonSchema) -> list[str]:
    """Each way in which `new` refuses or drops what `old` allowed, with the field's place."""
    return sorted(_Comparison(old, new).of(old, new, "value"))


class _Comparison:
    """Walks two schemas side by side; `$ref` is looked up in the schema it stands in."""

    def __init__(self, old_root: JsonSchema, new_root: JsonSchema) -> None:
        self._old_definitions: JsonSchema = old_root.get("$defs", {})
        self._new_definitions: JsonSchema = new_root.get("$defs", {})

    def of(self, old: JsonSchema, new: JsonSchema, place: str) -> Iterator[str]:
        new_options = [_resolved(each, self._new_definitions) for each in _options(new)]
        for old_option in _options(old):
            before = _resolved(old_option, self._old_definitions)
            verdicts = [list(self._of_one(before, after, place)) for after in new_options]
            # One option that takes all of it is enough; else the nearest miss is told.
            yield from min(verdicts, key=len)

    def _of_one(self, old: JsonSchema, new: JsonSchema, place: str) -> Iterator[str]:
        if not _types(old) <= _types(new):
            yield f"{place}: {_named(old)} is no longer accepted, only {_named(new)}"
            return
        yield from _narrowed_values(old, new, place)
        yield from _narrowed_bounds(old, new, place)
        yield from self._of_objects(old, new, place)
        if "items" in new:
            yield from self.of(old.get("items", {}), new["items"], f"{place}[]")

    def _of_objects(self, old: JsonSchema, new: JsonSchema, place: str) -> Iterator[str]:
        old_fields: JsonSchema = old.get("properties", {})
        new_fields: JsonSchema = new.get("properties", {})
        for name in old_fields.keys() - new_fields.keys():
            yield f"{place}.{name}: was removed or renamed"
        for name in set(new.get("required", [])) - set(old.get("required", [])):
            yield f"{place}.{name}: is required now, and old events may lack it"
        if (
            new.get("additionalProperties") is False
            and old.get("additionalProperties") is not False
        ):
            yield f"{place}: unknown fields are refused now"
        for name in old_fields.keys() & new_fields.keys():
            yield from self.of(old_fields[name], new_fields[name], f"{place}.{name}")


def _options(schema: JsonSchema) -> list[JsonSchema]:
    options: list[JsonSchema] = schema.get("anyOf", [schema])
    return options


def _resolved(schema: JsonSchema, definitions: JsonSchema) -> JsonSchema:
    reference: str | None = schema.get("$ref")
    if reference is None:
        return schema
    definition: JsonSchema = definitions[reference.removeprefix("#/$defs/")]
    return definition


def _types(schema: JsonSchema) -> set[str]:
    """The JSON types a schema accepts; a number takes an integer too, no type takes all."""
    every = {"array", "boolean", "integer", "null", "number", "object", "string"}
    match schema.get("type"):
        case None:
            return every
        case "number":
            return {"integer", "number"}
        case str(name):
            return {name}
        case names:
            return set(names)


def _named(schema: JsonSchema) -> str:
    return str(schema.get("type", "anything"))


def _narrowed_values(old: JsonSchema, new: JsonSchema, place: str) -> Iterator[str]:
    after = _values(new)
    if after is None:
        return
    before = _values(old)
    if before is None:
        yield f"{place}: only listed values are accepted now"
        return
    for value in before:
        if value not in after:
            yield f"{place}: the value {value} is no longer accepted"


def _values(schema: JsonSchema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def _narrowed_bounds(old: JsonSchema, new: JsonSchema, place: str) -> Iterator[str]:
    for name in _LOWER_BOUNDS:
        if name in new and (name not in old or new[name] > old[name]):
            yield f"{place}: {name} rose to {new[name]}"
    for name in _UPPER_BOUNDS:
        if name in new and (name not in old or new[name] < old[name]):
            yield f"{place}: {name} fell to {new[name]}"
    for name in _INCOMPARABLE:
        if name in new and new[name] != old.get(name):
            yield f"{place}: {name} changed to {new[name]}"
