"""What a template may cost, and that it costs nobody else anything."""

from __future__ import annotations

import asyncio
import resource
import time
import tracemalloc
from pathlib import Path

import pytest

from beemflow_secrets.providers.errors import Denied, NotFound, SecretsError, Unavailable
from beemflow_secrets.rendering.template import aside
from beemflow_secrets.rendering.template.aside import Aside
from beemflow_secrets.rendering.template.budget import here
from beemflow_secrets.rendering.template.faults import TemplateError, TooMuch, Unread
from beemflow_secrets.rendering.template.job import Job
from beemflow_secrets.rendering.template.values import Secret, Secrets
from beemflow_secrets.rendering.template.work import pack, run_packed
from tests.unit.rendering.template.rendering import CANARY, HELD, refusal, rendered


def doubled(start: str, made: str, times: int = 60) -> str:
    """Return a template whose `n.a` is made of itself, again and again."""
    return f"{{% set n = namespace(a={start}, b={start}) %}}{{% for i in range({times}) %}}{made}{{% endfor %}}"


AGAIN = "{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}"

BOMBS = {
    "a text many times": "{{ 'a' * 10 ** 10 }}",
    "a list many times": "{{ [1] * 10 ** 10 }}",
    "the same from the left": "{{ 10 ** 10 * 'a' }}",
    "a text doubled": doubled("'x'", "{% set n.a = n.a + n.a %}"),
    "a list doubled": doubled("[1]", "{% set n.a = n.a + n.a %}"),
    "text joined to itself": doubled("'x'", "{% set n.a = n.a ~ n.a %}"),
    "a power of powers": "{{ 10 ** (10 ** 10) }}",
    "powers in steps": doubled("9", "{% set n.a = n.a ** 9 %}"),
    "a large product": doubled("9", "{% set n.a = n.a * n.a %}", 9999),
    "a wide placeholder": "{{ '%1000000000d' % 1 }}",
    "a placeholder that takes many digits": "{{ '%.1000000000f' % 1 }}",
    "a placeholder whose width begins with zeros": "{{ '%.000000000001000000000f' | format(1) }}",
    "padding": "{{ 'a' | center(1000000000) }}",
    "indenting": "{{ 'a\n' * 1000 | indent(1000) }}{{ ('a\n' * 100000) | indent('b' * 100000) }}",
    "indenting at once": "{{ 'a' | indent(1000000000) }}",
    "indenting JSON": "{{ [1] | tojson(1000000000) }}",
    "a placeholder that is named many times": "{{ ('%(a)s' * 9000) % {'a': 'b' * 20000} }}",
    "the same by a filter": "{{ ('%(a)s' * 9000) | format(a='b' * 20000) }}",
    "wide placeholders": "{{ ('%(a)999d' * 100000) % {'a': 1} }}",
    "wrapping by more": "{{ ('a ' * 9000) | wordwrap(1, wrapstring='b' * 20000) }}",
    "a number of many digits": "{% set a = ('f' * 200000) | int(0, 16) %}{{ a // 3 }}",
    "macros that call each other": (
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ b() }}"
    ),
    "callers in callers": (
        "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}" + "{% call m() %}" * 40 + "{% endcall %}" * 40
    ),
    "a text coded again and again": doubled("'x'", "{% set n.a = n.a | base64encode %}"),
    "lists that share, as YAML": doubled("'xxxxxxxx'", AGAIN, 40) + "{{ n.a | yaml }}",
    "lists that share, in a placeholder": doubled("'xxxxxxxx'", AGAIN, 40) + "{{ '%s' % [n.a] }}",
    "wrapping": "{{ 'a' | wordwrap(1000000000) }}",
    "replacing by more": "{{ ('a' * 10000) | replace('a', 'b' * 100000) }}",
    "joining by more": "{{ range(10000) | join('b' * 100000) }}",
    "a batch that is filled up": "{{ [1] | batch(1000000000, 0) }}",
    "many slices": "{{ [1] | slice(1000000000) }}",
    "a long range": "{{ range(1000000000) }}",
    "a range that is looked through": "{{ 'a' in range(1000000000) }}",
    "loops in loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a sum over loops": "{% for a in range(99999) %}{{ range(99999) | sum }}{% endfor %}",
    "sorting again and again": "{% for a in range(99999) %}{% if range(99999) | sort %}{% endif %}{% endfor %}",
    "a macro without end": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a macro that calls itself twice": (
        "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(40) }}"
    ),
    "much output": "{% for a in range(99999) %}{{ 'aaaaaaaaaaaaaaaaaaaa' }}{% endfor %}",
    "much output by blocks": "{% filter upper %}{% for a in range(99999) %}{{ 'b' * 9999 }}{% endfor %}{% endfilter %}",
    "map over filters": "{% for a in range(9999) %}{% if range(9999) | map('string') | list %}{% endif %}{% endfor %}",
    "a list of lists": doubled("[1]", "{% set n.a = [n.a] %}", 9999) + "{{ n.a }}",
    "lists that share": doubled("'xxxxxxxx'", AGAIN, 40) + "{{ n.a | json }}",
    "lists that share, compared": doubled("1", AGAIN, 40) + "{{ n.a == n.b }}",
    "lists that share, looked through": doubled("1", AGAIN, 40) + "{{ n.a in [n.b] }}",
}  # fmt: skip


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
async def test_a_bomb_ends_in_time_where_it_is_and_in_a_process_of_its_own(text: str) -> None:
    began = time.process_time()
    with pytest.raises(TemplateError):
        rendered(text)
    assert time.process_time() - began < 1.0  # on a slow machine; a bomb takes milliseconds
    with pytest.raises(TemplateError):
        await Aside().render(job_of(text))


def job_of(*texts: str, **names: object) -> Job:
    return Job([(f"template {place}", text) for place, text in enumerate(texts)], Secrets(HELD, whole=True), names)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give processes more time than 5 s: tests run on machines that are busy."""
    monkeypatch.setattr(aside, "LONGEST", 60.0)


PROGRAM = aside._PROGRAM
HEAVY = "{% for a in range(20000) %}{{ a % 10 }}{% endfor %}"


async def test_what_is_cheap_takes_no_process_and_what_is_not_takes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answered: list[bytes | None] = []

    async def answer(packed: bytes, *, most: int) -> bytes | None:
        assert CANARY.encode() in packed
        answered.append(await asked(packed, most=most))
        return answered[-1]

    asked = aside._answer
    monkeypatch.setattr(aside, "_answer", answer)
    assert await Aside().render(job_of("{{ secrets.token }}", "plain\n")) == [CANARY.encode(), b"plain\n"]
    assert not answered
    printed = await Aside().render(job_of("first {{ secrets.binary }}", HEAVY, "{{ x[0] }}", "last", x=["y"]))
    assert printed == [b"first \x00\xff\xfe", b"0123456789" * 2000, b"y", b"last"]
    assert len(answered) == 1


async def test_the_place_is_named_wherever_it_is_rendered() -> None:
    with pytest.raises(TemplateError, match=r"^template 1: secrets.nope is undefined$"):
        await Aside().render(job_of("a", "{{ secrets.nope }}"))
    with pytest.raises(TemplateError, match=r"^template 2: secrets.nope is undefined$"):
        await Aside().render(job_of("a", HEAVY, "{{ secrets.nope }}"))


async def test_keys_that_nobody_has_read_and_errors_of_reading_come_back_from_a_process_too() -> None:
    answers: dict[str, Secret | SecretsError] = {
        "denied": Denied("no right", key="denied"),
        "gone": NotFound("no", key="gone"),
        "a": Secret(CANARY),
    }
    secrets = Secrets(answers, whole=False)

    def one(text: str) -> Job:
        return Job([("here", HEAVY + text)], secrets, {})

    with pytest.raises(Unread, match=r"^other$"):
        await Aside().render(one("{{ secrets.other | default 'x' }}"))
    with pytest.raises(Denied, match="no right") as caught:
        await Aside().render(one("{{ secrets.denied | default 'x' }}"))
    assert caught.value is not answers["denied"]
    (printed,) = await Aside().render(one("{{ secrets.gone | default 'x' }}{{ secrets.a }}"))
    assert printed.endswith(f"x{CANARY}".encode())


async def test_a_process_that_hangs_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aside, "_PROGRAM", "import time; print('', flush=True); time.sleep(600)")
    monkeypatch.setattr(aside, "LONGEST", 0.5)
    one = Aside()
    with pytest.raises(TooMuch):
        await one.render(job_of(HEAVY))
    assert not children()
    monkeypatch.setattr(aside, "_PROGRAM", PROGRAM)
    monkeypatch.setattr(aside, "LONGEST", 60.0)  # a machine that was busy for once says nothing of the template
    assert await one.render(job_of(HEAVY)) == [b"0123456789" * 2000]


async def test_what_took_too_much_once_takes_no_process_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "_PROGRAM", "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)")
    one = Aside()
    with pytest.raises(TooMuch):
        await one.render(job_of(HEAVY))
    monkeypatch.setattr(aside, "_PROGRAM", "raise AssertionError")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(TooMuch):
        await one.render(job_of(HEAVY))
    with pytest.raises(TemplateError, match="none can be started"):
        await one.render(job_of(HEAVY + " "))


@pytest.mark.parametrize(
    "program",
    [
        "raise SystemExit(1)",
        "print('no JSON')",
        "while True: print('x' * 65536)",
        "print('[\"done\", []]')",
    ],
)
async def test_a_process_that_answers_nonsense(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(aside, "_PROGRAM", program)
    with pytest.raises(TooMuch, match=r"^template 0: it takes too much"):
        await Aside().render(job_of(HEAVY))
    with pytest.raises(TooMuch, match=r"^template 1 or one behind it: it takes too much"):
        await Aside().render(job_of("a", HEAVY, "b"))
    assert not children()


async def test_a_process_that_floods_is_let_go_of_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "_PROGRAM", "while True: print('x' * 65536)")
    for _ in range(50):
        assert len(await aside._answer(b"", most=2**21) or b"") > 2**21
    assert not children()


async def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(TemplateError, match="none can be started"):
        await Aside().render(job_of(HEAVY))


CONFINED = """
import json, os, resource, sys
sys.path[:] = sys.argv[1:]
from beemflow_secrets.rendering.template import child
child._confine()
names = ("RLIMIT_CPU", "RLIMIT_CORE", "RLIMIT_FSIZE")
limits = {name: resource.getrlimit(getattr(resource, name))[0] for name in names}
try:
    bytearray(512 * 1024 * 1024)
except MemoryError:
    limits["memory"] = "bounded"
print(json.dumps(["fault", json.dumps([limits, os.nice(0), sorted(os.environ), os.getcwd()])]))
"""


async def test_a_process_has_bounds_of_its_own_and_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", CANARY)
    monkeypatch.setattr(aside, "_PROGRAM", CONFINED)
    with pytest.raises(TemplateError) as caught:
        await Aside().render(job_of(HEAVY))
    told = caught.value.message
    assert '"RLIMIT_CPU": 3, "RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0, "memory": "bounded"' in told
    assert ", 5, " in told
    assert "PASSWORD" not in told
    assert told.endswith('"/"]')


@pytest.mark.parametrize(
    "text",
    [
        "{{ ('%(a)s' * 2000) % {'a': value} }}",
        "{{ ('%(a)s' * 2000) | format(a=value) }}",
        "{{ ('a ' * 600) | wordwrap(1, wrapstring=value) }}",
        "{{ value | trim(chars=letters) }}",
    ],
)
def test_a_value_that_is_named_is_paid_for_before_more_is_made_of_it(text: str) -> None:
    """The operator's own memory would hold it before it was counted."""
    tracemalloc.start()
    try:
        with pytest.raises(TooMuch):
            rendered(text, value="b" * 200_000, letters="".join(map(chr, range(0x4E00, 0x9F00))) + "b")
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


async def test_a_large_pkcs12_iteration_count_holds_up_nobody() -> None:
    with pytest.raises(TooMuch):
        rendered("{{ secrets.token | pkcs12key }}")
    with pytest.raises(TemplateError, match="is no PKCS#12 archive"):
        await Aside().render(job_of("{{ secrets.token | pkcs12key }}"))


async def test_others_are_rendered_while_a_bomb_is_taken_care_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "LONGEST", 5.0)  # it may end by either bound
    one = Aside()
    bombs = [asyncio.create_task(one.render(job_of(BOMBS["loops in loops"] + str(number)))) for number in range(4)]
    longest = 0.0
    while not all(bomb.done() for bomb in bombs):
        began = time.process_time()  # not the clock's: the machine may be busy with anything
        await asyncio.sleep(0.01)
        assert await one.render(job_of("{{ secrets.token }}")) == [CANARY.encode()]
        longest = max(longest, time.process_time() - began)
    assert {str(bomb.exception()) for bomb in bombs} == {"template 0: it takes too much time or memory"}
    assert longest < 1.0  # a bomb takes longer
    assert not children()


async def test_a_long_template_is_parsed_in_a_process_too() -> None:
    text = "{{ 1 }}" * 20_000
    began = time.process_time()
    with pytest.raises(TooMuch):
        rendered(text)
    assert time.process_time() - began < 0.1  # it takes half a second to parse
    assert await Aside().render(job_of(text)) == [b"1" * 20_000]


async def test_memory_returns() -> None:
    one = Aside()
    before = resident()
    for number in range(4):
        with pytest.raises(TemplateError):
            await one.render(job_of(BOMBS["a text doubled"] + "{{ n.a }}" + str(number)))
    assert resident() - before < 32 * 1024 * 1024


def test_one_mebibyte_is_printed_and_no_more() -> None:
    assert len(rendered("{{ x }}{{ x }}", x="a" * 512 * 1024)) == 1024 * 1024
    assert refusal("{{ x }}{{ x }}b", x="a" * 512 * 1024) == "it prints more than 1 MiB"
    assert refusal("{{ x }}", x="é" * 600 * 1024) == "it prints more than 1 MiB"


def test_a_cancelled_render_leaves_no_process() -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(Aside().render(job_of(BOMBS["loops in loops"])))
        async with asyncio.timeout(30):
            while not children():  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert not children()


def test_an_unavailable_backend_is_told_as_such() -> None:
    secrets = Secrets({"a": Unavailable("no answer", key="a")}, whole=False)
    with pytest.raises(Unavailable):
        Job([("", "{{ secrets.a | default 'x' }}")], secrets, {}).run(here(), [])
    packed = pack(Job([("", "{{ secrets.a }}")], secrets, {}), 0)
    assert run_packed(packed, here(), [Job]) == b'["raise", "a"]'


OTHERS: set[str] = set()
"""Processes that were there before the test: servers that other tests of this process have started."""


@pytest.fixture(autouse=True)
def _who_was_there_before() -> None:
    OTHERS.clear()
    OTHERS.update(children())


def children() -> set[str]:
    """Return the processes that the test has started and that are still there."""
    return {child for task in Path("/proc/self/task").iterdir() for child in _children_of(task)} - OTHERS


def _children_of(thread: Path) -> list[str]:
    try:
        return (thread / "children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):  # it has ended, and others have its children now
        return []


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
