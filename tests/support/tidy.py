"""The house's style as rules: each takes a module and tells its faults, one line each.

Numbers and words come from docs/adr/ and docs/glossary.md. What ruff, mypy or import-linter can
check is not repeated here.
"""

import ast
import gc
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 70
HANDLER_CODE_LINES_MAX = 40

CHANCE_AND_CLOCK = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("time.time", "time.time_ns", "time.monotonic", "time.perf_counter"),
    *("uuid.uuid1", "uuid.uuid4", "uuid1", "uuid4"),
}
MONEY = ("domain/", "ledger_adapter/", "schemas/", "projections/")
SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|TRUNCATE|MERGE INTO|COPY)\s")

WORDS = {
    r"\b(debtor|creditor)s?\b": "payer, payee",
    r"\b(sender|recipient)_(account|handle|id)\b": "payer, payee",
    r"\bledger transactions?\b": "posting",
    r"\bpayment transactions?\b": "payment",
    r"\b(Payment|payment\.)[Ff]ailed\b": "refused, rejected or returned",
    r"\bdedupe (key|id|table)s?\b": "idempotency id, inbox",
    r"\bpoison (pill|message)s?\b": "dead letter",
    r"\b(master|slave|whitelist|blacklist)\b": "primary, replica, allowed, refused",
}
"""What is not said, and what is said instead: docs/glossary.md."""

SHORT_NAMES = {
    *("acct", "amt", "bal", "ccy", "cfg", "cnt", "ctx", "curr", "dest", "fn", "hdr", "idx"),
    *("mgr", "msg", "num", "obj", "pmt", "prev", "req", "res", "resp", "src", "tmp", "tx", "txn"),
}


def parsed(text: str) -> ast.Module:
    """The tree of a module.

    CPython 3.11 loses count of its recursion when the collector runs in here, and what it ends
    parses too (python/cpython#106905): once in many runs a SystemError.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True)
class Module:
    """A Python file of the house; `name` is its path from the root."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return parsed(self.text)

    def calls(self) -> Iterator[tuple[int, str, ast.Call]]:
        """Line, dotted name and node of every call."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node.lineno, ast.unparse(node.func), node


Rule = Callable[[Module], Iterator[str]]


def modules(root: Path, folders: list[str]) -> list[Module]:
    """Every module below these folders."""
    paths = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    return [
        Module(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        for path in paths
    ]


def long_modules(module: Module) -> Iterator[str]:
    count = len(module.text.splitlines())
    if count > MODULE_LINES_MAX:
        yield f"{count} lines, at most {MODULE_LINES_MAX}"


def long_functions(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = (node.end_lineno or node.lineno) - node.lineno + 1
            if count > FUNCTION_LINES_MAX:
                yield f"{node.name} has {count} lines, at most {FUNCTION_LINES_MAX}"


def long_handlers(module: Module) -> Iterator[str]:
    if module.name.startswith("consumers/") and module.name.endswith("/handler.py"):
        # Unparsed, so that comments, blank lines and layout do not count.
        code = parsed(module.text)
        for node in ast.walk(code):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                node.body = [each for each in node.body if not _is_text(each)] or [ast.Pass()]
        count = len([line for line in ast.unparse(code).splitlines() if line.strip()])
        if count > HANDLER_CODE_LINES_MAX:
            yield f"{count} lines of code, at most {HANDLER_CODE_LINES_MAX}"


def own_clock_or_chance(module: Module) -> Iterator[str]:
    if module.name != "runtime/clock.py":
        for line, name, _ in module.calls():
            if name in CHANCE_AND_CLOCK or name.startswith(("random.", "secrets.")):
                yield f"line {line}: {name} beside runtime/clock.py"


def floats_for_money(module: Module) -> Iterator[str]:
    is_decision = module.name.startswith("consumers/") and module.name.endswith("/decide.py")
    if not is_decision and not module.name.startswith(MONEY):
        return
    for node in ast.walk(module.tree):
        match node:
            case ast.Name(id="float") | ast.Constant(value=float()):
                yield f"line {node.lineno}: a float where money is counted"
            case ast.BinOp(op=ast.Div()):
                yield f"line {node.lineno}: a division that makes a float"


def bare_amounts(module: Module) -> Iterator[str]:
    """`amount` says no unit; the API's own word is allowed at the edge only."""
    if not module.name.startswith(("domain/", "schemas/", "ledger_adapter/", "consumers/")):
        return
    for node in ast.walk(module.tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id="amount")) | ast.arg(arg="amount"):
                yield f"line {node.lineno}: amount has no unit; say amount_minor"


def sql_from_values(module: Module) -> Iterator[str]:
    """SQL is text of our own, put together at import from constants: values are parameters."""
    for node in ast.walk(module.tree):
        match node:
            case ast.JoinedStr(values=[ast.Constant(value=str(begin)), *_] as parts) if SQL.match(
                begin
            ):
                inserted = [part.value for part in parts if isinstance(part, ast.FormattedValue)]
                if not all(_is_constant_name(value) for value in inserted):
                    yield f"line {node.lineno}: SQL put together from values"
            case ast.BinOp(left=ast.Constant(value=str(begin)), op=ast.Mod() | ast.Add()) if (
                SQL.match(begin)
            ):
                yield f"line {node.lineno}: SQL put together from values"


def own_subscriptions(module: Module) -> Iterator[str]:
    """The library's defaults lose payments, so only runtime/ joins a group; ghosts do no work."""
    if module.name.startswith("runtime/") or module.name == "titan/chaos/ghosts.py":
        return
    for line, name, call in module.calls():
        joins = any(
            keyword.arg == "group_id" and not _is_none(keyword.value) for keyword in call.keywords
        )
        if name.endswith((".subscriber", ".subscribe")) or (
            name.endswith("AIOKafkaConsumer") and joins
        ):
            yield f"line {line}: {name} beside runtime/"


def open_ends(module: Module) -> Iterator[str]:
    for number, line in enumerate(module.text.splitlines(), 1):
        if re.search(r"\b(TO[D]O|FIX[M]E)\b(?!.*#\d+)", line):
            yield f"line {number}: an open end without an issue's number"


def other_words(module: Module) -> Iterator[str]:
    for number, line in enumerate(module.text.splitlines(), 1):
        for pattern, instead in WORDS.items():
            found = re.search(pattern, line)
            if found:
                yield f"line {number}: {found.group()}; say {instead}"


def short_names(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        match node:
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                if name.strip("_") in SHORT_NAMES:
                    yield f"line {node.lineno}: {name} is not a word"


MODULE_RULES: list[Rule] = [
    *(long_modules, long_functions, long_handlers, own_clock_or_chance, floats_for_money),
    *(bare_amounts, sql_from_values, own_subscriptions, open_ends, other_words, short_names),
]


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_constant_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == node.id.upper()
