"""Rules on the house as a whole: its folders, its map, its pages and what nothing uses."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from runtime.topics import Topic, TopicMap, group_of
from tests.support.tidy import Module

STAGE_FILES_MAX = 5
EVENT_SECTIONS = ("Source:", "Key:", "Units:", "Errors:")

# Written so that this file does not match itself.
REGISTRY_HOST = re.compile(
    r"\b(pypi|pythonhosted|npmjs|yarnpkg|crates|rubygems|maven|golang|docker|ghcr|quay)"
    r"\.(org|io|com|apache)\b"
)
MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:home|Users|work)/[\w.-]+")


def stage_files(stages: Iterable[Path]) -> Iterator[str]:
    for stage in stages:
        count = len([path for path in stage.glob("*.py") if path.name != "__init__.py"])
        if count > STAGE_FILES_MAX:
            yield f"{stage.name} has {count} files, at most {STAGE_FILES_MAX}"


def route_of(handler: str) -> tuple[set[str], set[str]]:
    """The topics in and out, as a handler's docstring says them: `in -> out | out`."""
    text = ast.get_docstring(ast.parse(handler)) or ""
    route = next((part for part in text.split("\n\n") if "->" in part), "")
    before, _, after = route.partition("->")
    return _topics(before), _topics(after)


def route_faults(stage: str, handler: str, topics: TopicMap) -> Iterator[str]:
    """What the handler's docstring says otherwise than the map."""
    said_in, said_out = route_of(handler)
    room = f"consumers.{stage}"
    reads = {_without_version(topic) for topic in topics.of_group(group_of(stage))}
    writes = {_without_version(topic) for topic in topics.topics if room in topic.producers}
    families = {name.partition(".")[0] for name in reads}
    if said_in != reads and said_in != {f"{family}.*" for family in families}:
        yield f"{room} reads {sorted(reads)}, its handler says {sorted(said_in)}"
    if said_out != writes and not (said_out == {"nothing"} and not writes):
        yield f"{room} writes {sorted(writes)}, its handler says {sorted(said_out)}"


def event_faults(topic: Topic) -> Iterator[str]:
    """An event's docstring says where it comes from, its key, its units and its errors."""
    text = topic.model.__doc__ or ""
    for section in EVENT_SECTIONS:
        if section not in text:
            yield f"{topic.model.__name__} does not say {section}"
    for room in topic.producers:
        # The first room is named in full, those after it may be by their own name.
        if room.rpartition(".")[2] not in text:
            yield f"{topic.model.__name__} does not name {room} as a source"
    if not re.search(r"(ed|sent|frozen|forgotten)\.v\d+$", topic.name):
        yield f"{topic.name} is not a past participle"


def unused_modules(house: Sequence[Module], mentions: str) -> Iterator[str]:
    """Modules that nothing imports, starts or names; `mentions` is the text of what starts them."""
    imported = {name for module in house for name in _imports(module)}
    texts = {module.name: module.text for module in house}
    for module in house:
        dotted = module.name.removesuffix(".py").replace("/", ".")
        # The memory implementations of the ports are there for tests, and ship with the house.
        if dotted in imported or dotted.endswith(("__init__", "__main__", ".memory")):
            continue
        if not _is_named(dotted, module.name, texts, mentions):
            yield f"{module.name} is imported and started by nobody"


def unused_names(house: Sequence[Module], others: str) -> Iterator[str]:
    """Functions and classes that no other line of the house names, tests not counted.

    Exempt are what a decorator or a base class of a library calls, and the memory implementations
    of the ports, which are there for tests.
    """
    counts: dict[str, int] = {}
    for text in [*(module.text for module in house), others]:
        for word in re.findall(r"[A-Za-z_]\w+", text):
            counts[word] = counts.get(word, 0) + 1
    for module in house:
        for node in _definitions(module.tree.body):
            if counts[node.name] == 1 and not node.name.startswith("Memory"):
                yield f"{module.name} line {node.lineno}: nobody uses {node.name}"


def unlinked_pages(docs: Path, root: Path) -> Iterator[str]:
    """Files under docs/ that no page leads to."""
    pages = [root / "README.md", *docs.rglob("*.md")]
    linked = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in pages
        for target in _links(page)
    }
    for path in sorted(docs.rglob("*")):
        if path.is_file() and path.resolve() not in linked:
            yield f"{path.relative_to(root).as_posix()} is linked from no page"


def dead_links(root: Path, pages: Iterable[Path]) -> Iterator[str]:
    """Links of a page to a file that is not there."""
    for page in pages:
        for target in _links(page):
            path = target.partition("#")[0]
            if path and not (page.parent / path).exists():
                yield f"{page.relative_to(root).as_posix()} links to {target}, which is not there"


def unknown_targets(pages: Mapping[str, str], makefile: str) -> Iterator[str]:
    """`make X` in a page, where the Makefile has no X."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    for name, text in pages.items():
        for target in re.findall(r"`(?:\w+=\S+ )*make ([a-z][a-z-]*)", text):
            if target not in targets:
                yield f"{name} speaks of `make {target}`, which the Makefile has not"


def unknown_variables(pages: Mapping[str, str], known: Iterable[str]) -> Iterator[str]:
    """TITAN_ variables that a page or a file of set-up speaks of, and nothing reads."""
    for name, text in pages.items():
        for variable in sorted(set(re.findall(r"\bTITAN_[A-Z_]+[A-Z]\b", text)) - set(known)):
            yield f"{name} speaks of {variable}, which is no setting"


def places_of_a_machine(name: str, text: str) -> Iterator[str]:
    """Package registries' hosts, and paths that only one machine has."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern in (REGISTRY_HOST, MACHINE_PATH):
            found = pattern.search(line)
            if found:
                yield f"{name} line {number}: {found.group()}"


def _topics(side: str) -> set[str]:
    return {name.strip(" \n()") for name in side.split("|")} - {""}


def _without_version(topic: Topic) -> str:
    return topic.name.rpartition(".")[0]


def _imports(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(source), names=names):
                yield source
                yield from (f"{source}.{alias.name}" for alias in names)


def _is_named(dotted: str, path: str, texts: Mapping[str, str], mentions: str) -> bool:
    others = [mentions, *(text for name, text in texts.items() if name != path)]
    # Stages and edges are started by a pattern: consumers.X.app:make_app.
    floor, _, rest = dotted.partition(".")
    pattern = f"{floor}.*.app" if rest.endswith(".app") else dotted
    started = re.compile(re.escape(pattern).replace(r"\*", r"[\w{}.]+") + r"\b")
    return any(started.search(text) for text in others)


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _definitions(body: Sequence[ast.stmt]) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, Definition) and not (node.decorator_list or _is_magic(node.name)):
            yield node
        if isinstance(node, ast.ClassDef) and not node.bases:
            yield from _definitions(node.body)


def _is_magic(name: str) -> bool:
    return name.startswith("__")


def _links(page: Path) -> list[str]:
    if not page.exists():
        return []
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [target for target in found if "://" not in target]
