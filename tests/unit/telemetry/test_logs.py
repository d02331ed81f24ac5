"""telemetry/logs.py: every line parses, and no text of an exception is in it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from beemflow_secrets.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "canary-in-an-exception"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def fail(value: str) -> None:
    raise ValueError(value)


def caught() -> ValueError:
    try:
        fail(CANARY)
    except ValueError as error:
        return error
    raise AssertionError


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_ours_and_the_libraries_lines_have_one_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", form="json")
    structlog.get_logger("ours").info("Read", key="a\nb", number=1, odd=object())
    logging.getLogger("theirs").warning("failed: %s", "x\ny")
    ours, theirs = written(capsys)
    assert (ours["event"], ours["level"], ours["key"], ours["number"]) == ("Read", "info", "a\nb", 1)
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("failed: x\ny", "warning", "theirs")
    assert ours.keys() & theirs.keys() >= {"event", "level", "timestamp"}


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exceptions_text_is_left_out_and_its_place_is_told(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="debug", form=form)
    try:
        fail(CANARY)
    except ValueError:
        logging.getLogger("theirs").exception("It failed")
    logging.getLogger("theirs").error("It failed", exc_info=caught())
    err = capsys.readouterr().err
    assert CANARY not in err
    assert err.count("ValueError") == 2
    assert err.count("test_logs.py") >= 2
    assert "Traceback" not in err


def test_where_names_places_only() -> None:
    places = logs.where(caught())
    assert places[-1].endswith(" fail")
    assert places[-1].startswith("test_logs.py:")
    assert CANARY not in repr(places)


def test_where_is_bounded() -> None:
    def deeper(depth: int) -> None:
        if depth:
            deeper(depth - 1)
        fail(CANARY)

    with pytest.raises(ValueError, match=CANARY) as caught:
        deeper(50)
    assert len(logs.where(caught.value)) == logs.FRAMES


@pytest.mark.parametrize(("level", "told"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level(level: str, told: int, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level=level, form="json")
    log = structlog.get_logger("ours")
    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("Said")
    assert len(written(capsys)) == told


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
def test_the_libraries_info_is_about_their_insides(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level=level, form="json")
    logging.getLogger("kopf.objects").info("handled")
    assert written(capsys) == []
