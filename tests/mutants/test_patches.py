"""The planted bugs still fit the house: each applies, and names a check that there is."""

import subprocess

import pytest

from tests.mutants.patches import PAGE, ROOT, Mutant, mutants

MUTANTS = mutants()


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 30


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_still_applies_and_its_check_is_there(mutant: Mutant) -> None:
    """A patch that rots is made anew: change the file as it says, and `git diff` it."""
    applied = subprocess.run(
        ["git", "apply", "--check", str(mutant.path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert applied.stderr == ""
    assert not any(name.startswith("tests/") for name in mutant.files)
    file, _, test = mutant.check.partition("::")
    assert f"def {test.partition('[')[0]}(" in (ROOT / file).read_text("utf-8")


def test_the_page_tells_of_each() -> None:
    page = PAGE.read_text("utf-8")
    assert [
        mutant.name
        for mutant in MUTANTS
        if f"| {mutant.name} | {mutant.breaks} |" not in page or f"`{mutant.check}`" not in page
    ] == []
