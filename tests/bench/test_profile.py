import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.insides import each_us
from bench.profile import Profile, as_markdown, functions_us
from bench.sampler import house_name, library_name

BUSY = """
import sys, time
from pathlib import Path
from bench.sampler import Sampler
from domain.money import format_amount
from domain.payment import payment_id_of

sampler = Sampler()
sampler.start()
end = time.process_time() + 0.3
while time.process_time() < end:
    for number in range(100):
        payment_id_of("demo", "key")
time.sleep(0.3)
format_amount(1, "USD")
sampler.write(Path(sys.argv[1]))
"""


def test_what_a_library_does_counts_for_the_function_of_ours_that_called_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "seen.json"
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", BUSY, str(path)], cwd=root, check=True, timeout=15)
    seen = json.loads(path.read_text("utf-8"))

    assert sum(seen.values()) >= 20
    assert seen["domain/payment.py payment_id_of"] >= 0.7 * sum(seen.values())
    assert "domain/money.py format_amount" not in seen


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (str(Path(__file__).parents[2] / "runtime" / "stage.py"), "runtime/stage.py"),
        (str(Path(__file__).parents[2] / ".venv/lib/python3/site-packages/a.py"), None),
        ("/usr/lib/python3.11/asyncio/runners.py", None),
    ],
)
def test_a_file_of_the_house_is_told_from_others(path: str, name: str | None) -> None:
    assert house_name(path) == name


def test_a_librarys_own_tasks_count_for_the_library() -> None:
    assert library_name("/x/site-packages/aiokafka/client.py") == "(aiokafka, its own tasks)"
    assert library_name("uvloop/loop.pyx") == "(event loop)"


def test_a_process_is_shared_out_by_how_often_each_function_was_seen() -> None:
    shared = functions_us({"a": 1, "b": 3}, 80.0)

    assert shared == {"b": 60.0, "a": 20.0}
    assert list(shared) == ["b", "a"]


def test_between_two_readings_the_dearest_comes_first() -> None:
    found = each_us({"old": 1.0}, {"new": 0.01, "old": 1.05}, 1_000)

    assert found == pytest.approx({"old": 50.0, "new": 10.0})
    assert list(found) == ["old", "new"]


def test_the_page_shows_the_dearest_functions_and_the_sum_of_all() -> None:
    functions = {f"f{number}": 1.0 for number in range(20)}
    profile = Profile(1_000, 4_000.0, {"ledger": 20.0}, {"ledger": functions}, {"a": 5.0}, {"b": 3})
    text = "\n".join(as_markdown(profile))

    assert "| **all of them** | 28.0 |" in text
    assert "| everything else | 8.0 |" in text
    assert Profile.from_json(json.loads(json.dumps(profile.as_json()))) == profile
