"""The style guide as a test: tests/support/tidy.py and tidy_house.py say the rules.

Each rule is shown once to catch what it is there to catch: a rule that cannot fail is no rule.
"""

import subprocess
from pathlib import Path

import pytest

from bench.side_by_side import KEY_VARIABLE, URL_VARIABLE
from runtime.settings import PREFIX, Settings
from runtime.topics import TOPICS_FILE, topic_map
from tests.support import tidy, tidy_house
from tests.support.tidy import MODULE_RULES, Module, Rule, modules

ROOT = Path(__file__).parents[1]
FLOORS = [
    *("titan", "proof", "replay", "producers", "consumers"),
    *("projections", "runtime", "ledger_adapter"),
]
HOUSE = modules(ROOT, [*FLOORS, "schemas", "domain"])
BESIDE = modules(ROOT, ["tests", "bench"])
FOR_TESTS_TOO: list[Rule] = [tidy.long_modules, tidy.long_functions, tidy.open_ends]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
STAGES = sorted(path.parent for path in (ROOT / "consumers").glob("*/decide.py"))
STARTS = "\n".join(
    (ROOT / name).read_text("utf-8")
    for name in ("Makefile", "Dockerfile", "docker-compose.yml", ".ci/run")
)


def faults(rule: Rule, listed: list[Module]) -> list[str]:
    return [f"{module.name}: {fault}" for module in listed for fault in rule(module)]


@pytest.mark.parametrize("rule", MODULE_RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule: Rule) -> None:
    assert faults(rule, HOUSE) == []


@pytest.mark.parametrize("rule", FOR_TESTS_TOO, ids=lambda rule: rule.__name__)
def test_tests_and_benchmarks_keep_the_rule_too(rule: Rule) -> None:
    others = [module for module in BESIDE if module.name != "tests/test_tidy.py"]
    assert faults(rule, others) == []


@pytest.mark.parametrize(
    ("rule", "name", "planted"),
    [
        (tidy.long_modules, "runtime/x.py", "x = 1\n" * 301),
        (tidy.long_functions, "runtime/x.py", "def f():\n" + "    x = 1\n" * 70),
        (tidy.long_functions, "runtime/x.py", "class A:\n  async def f():\n" + "   x = 1\n" * 70),
        (tidy.long_handlers, "consumers/x/handler.py", "x = 1\n" * 41),
        (tidy.own_clock_or_chance, "domain/x.py", "now = datetime.now(UTC)"),
        (tidy.own_clock_or_chance, "runtime/x.py", "started = time.monotonic()"),
        (tidy.own_clock_or_chance, "titan/x.py", "pick = random.choice(people)"),
        (tidy.own_clock_or_chance, "producers/x.py", "event_id = uuid4()"),
        (tidy.floats_for_money, "domain/x.py", "def f(total: float) -> None: ..."),
        (tidy.floats_for_money, "ledger_adapter/x.py", "fee = 0.01"),
        (tidy.floats_for_money, "consumers/x/decide.py", "half = amount_minor / 2"),
        (tidy.bare_amounts, "schemas/x.py", "class A:\n    amount: int"),
        (tidy.bare_amounts, "consumers/x/decide.py", "def f(amount: int) -> None: ..."),
        (tidy.sql_from_values, "projections/x.py", 'q = f"SELECT * FROM t WHERE id = {key}"'),
        (tidy.sql_from_values, "projections/x.py", 'q = "DELETE FROM t WHERE id = %s" % key'),
        (tidy.own_subscriptions, "consumers/x/app.py", 'broker.subscriber("payment.posted.v1")'),
        (tidy.own_subscriptions, "titan/x.py", 'AIOKafkaConsumer(group_id="mine")'),
        (tidy.open_ends, "domain/x.py", "x = 1  # TODO: later"),
        (tidy.other_words, "domain/x.py", '"""The debtor pays."""'),
        (tidy.short_names, "domain/x.py", "def f(acct: str) -> None: ..."),
        (tidy.short_names, "domain/x.py", "txn = 1"),
    ],
)
def test_a_planted_fault_is_caught(rule: Rule, name: str, planted: str) -> None:
    assert list(rule(Module(name, planted)))


@pytest.mark.parametrize(
    ("name", "innocent"),
    [
        ("runtime/clock.py", "def now(self) -> datetime:\n    return datetime.now(UTC)"),
        ("consumers/x/handler.py", '"""A.\n' + "\n" * 50 + '"""\n\n' + "# why\n" * 40 + "x = 1"),
        ("projections/x.py", 'Q: Final = f"SELECT {_COLUMNS} FROM t WHERE id = $1"'),
        ("titan/x.py", "AIOKafkaConsumer(group_id=None)"),
        ("runtime/x.py", 'AIOKafkaConsumer(group_id="a")'),
        ("domain/x.py", "whole = amount_minor // 2  # TODO(#12): thirds"),
        ("producers/payments/models.py", "class Body:\n    amount: int"),
    ],
)
def test_what_is_allowed_is_let_alone(name: str, innocent: str) -> None:
    assert [fault for rule in MODULE_RULES for fault in rule(Module(name, innocent))] == []


def test_a_stage_has_few_files(tmp_path: Path) -> None:
    assert list(tidy_house.stage_files(STAGES)) == []
    for number in range(6):
        (tmp_path / f"x{number}.py").touch()
    assert list(tidy_house.stage_files([tmp_path]))


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_handler_begins_with_its_route_as_the_map_has_it(stage: Path) -> None:
    handler = (stage / "handler.py").read_text("utf-8")
    assert list(tidy_house.route_faults(stage.name, handler, topic_map())) == []


@pytest.mark.parametrize(
    "said",
    [
        "payment.screened -> payment.posted",
        "payment.resolved -> payment.posted | payment.refused",
        "(no route)",
    ],
)
def test_another_route_than_the_maps_is_caught(said: str) -> None:
    handler = f'"""Post.\n\n{said}\n"""'
    assert list(tidy_house.route_faults("ledger_posting", handler, topic_map()))


@pytest.mark.parametrize("topic", topic_map().topics, ids=lambda topic: topic.name)
def test_an_event_says_its_source_key_units_and_errors(topic: object) -> None:
    named = next(each for each in topic_map().topics if each is topic)
    assert list(tidy_house.event_faults(named)) == []


def test_an_event_that_says_too_little_is_caught() -> None:
    posted = topic_map()["payment.posted.v1"]
    silent = posted.model_copy(update={"schema_reference": "schemas.event:PaymentEvent"})
    assert len(list(tidy_house.event_faults(silent))) == len(tidy_house.EVENT_SECTIONS) + 1
    assert list(tidy_house.event_faults(posted.model_copy(update={"name": "payment.post.v1"})))


def test_nothing_lies_about_that_nothing_uses() -> None:
    assert list(tidy_house.unused_modules(HOUSE, STARTS)) == []
    bench = "\n".join(module.text for module in BESIDE if module.name.startswith("bench/"))
    assert list(tidy_house.unused_names(HOUSE, bench + STARTS)) == []


def test_what_nothing_uses_is_caught() -> None:
    used = Module("runtime/used.py", "def helped() -> None: ...\n")
    user = Module("titan/cli.py", "from runtime.used import helped\nhelped()\n")
    stray = Module("runtime/stray.py", "def lonely() -> None: ...\n")
    house = [used, user, stray]
    starts = "python -m titan.cli"
    assert list(tidy_house.unused_modules(house, starts)) == [
        "runtime/stray.py is imported and started by nobody"
    ]
    assert list(tidy_house.unused_names(house, starts)) == [
        "runtime/stray.py line 1: nobody uses lonely"
    ]


def test_every_page_can_be_reached_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    assert list(tidy_house.unlinked_pages(ROOT / "docs", ROOT)) == []
    assert list(tidy_house.dead_links(ROOT, PAGES)) == []
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "lonely.md").write_text("[gone](gone.md) [here](lonely.md#part)", "utf-8")
    (tmp_path / "README.md").write_text("[site](https://example.org/)", "utf-8")
    assert list(tidy_house.dead_links(tmp_path, [docs / "lonely.md"]))
    (docs / "lonely.md").write_text("", "utf-8")
    assert list(tidy_house.unlinked_pages(docs, tmp_path))


def test_pages_speak_only_of_commands_that_there_are() -> None:
    pages = {path.name: path.read_text("utf-8") for path in PAGES}
    assert list(tidy_house.unknown_targets(pages, MAKEFILE)) == []
    assert list(tidy_house.unknown_targets({"a.md": "say `make coffee`"}, MAKEFILE))


def test_pages_and_containers_speak_only_of_settings_that_there_are() -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    known |= {"TITAN_TEST_SERVERS", URL_VARIABLE, KEY_VARIABLE}
    texts = {path.name: path.read_text("utf-8") for path in PAGES} | {"how it starts": STARTS}
    assert list(tidy_house.unknown_variables(texts, known)) == []
    assert list(tidy_house.unknown_variables({"a.md": "set TITAN_COLOUR=red"}, known))


def test_no_file_names_a_registry_or_a_place_of_one_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert TOPICS_FILE.name in names
    assert [
        fault
        for name in names
        if name != "tests/test_tidy.py"
        for fault in tidy_house.places_of_a_machine(
            name, (ROOT / name).read_text("utf-8", errors="replace")
        )
    ] == []


@pytest.mark.parametrize(
    "planted", ["--index https://pypi" + ".org/simple", 'HOME = "/home/somebody/titan"']
)
def test_a_place_of_one_machine_is_caught(planted: str) -> None:
    assert list(tidy_house.places_of_a_machine("x", planted))
