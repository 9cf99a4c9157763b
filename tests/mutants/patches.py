"""The planted bugs: one patch each, with what it breaks and the check that must catch it.

A patch begins with two lines and an empty one, and goes on as `git diff` wrote it:

    Breaks: what the bug does
    Caught by: tests/test_file.py::test_name
"""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
PAGE = ROOT / "docs" / "mutants.md"


@dataclass(frozen=True)
class Mutant:
    """One planted bug."""

    path: Path
    breaks: str
    check: str
    """The node of the test that must fail."""

    @property
    def name(self) -> str:
        """The file's name, which says the bug in a few words."""
        return self.path.stem

    @property
    def files(self) -> list[str]:
        """The files of the house that it changes."""
        lines = self.path.read_text("utf-8").splitlines()
        return [line.removeprefix("+++ b/") for line in lines if line.startswith("+++ b/")]


def mutants() -> list[Mutant]:
    """All planted bugs, by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.patch"))]


def _read(path: Path) -> Mutant:
    breaks, check, empty, *_ = path.read_text("utf-8").splitlines()
    if not breaks.startswith("Breaks: ") or not check.startswith("Caught by: ") or empty:
        raise ValueError(f"{path.name} does not begin with what it breaks and what catches it")
    return Mutant(path, breaks.removeprefix("Breaks: "), check.removeprefix("Caught by: "))
