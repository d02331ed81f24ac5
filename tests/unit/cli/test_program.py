"""The program calls itself as it was called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from beemflow_secrets import cli
from beemflow_secrets.cli.program import program

ADDED_DRIVER = Path(__file__).parent.parent / "library" / "added_driver"
"""A package that adds drivers, as it is installed."""


@pytest.mark.parametrize(
    ("called", "named"),
    [
        ("/usr/local/bin/beemflow-secrets", "beemflow-secrets"),
        ("/usr/local/bin/kubectl-beemflow", "kubectl beemflow"),
        ("/lib/beemflow_secrets/__main__.py", "beemflow-secrets"),
    ],
)
def test_usage_and_errors_begin_with_what_was_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], called: str, named: str
) -> None:
    monkeypatch.setattr("sys.argv", [called, "get"])
    assert program() == named
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"Missing argument 'KEY'; {named} get --help says what there is\n"


def typed(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program after some code: in a process of its own, since what is imported stays."""
    program = f"import sys\n{code}\nfrom beemflow_secrets.cli import main\nmain()"
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    told = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=told)


@pytest.mark.parametrize(("module", "verb"), [("typer", ("crds",)), ("rich", ("list",))])
def test_an_extra_that_is_missing_is_named(module: str, verb: tuple[str, ...]) -> None:
    ran = typed(f"sys.modules[{module!r}] = None", *verb)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.endswith("is not installed: pip install 'beemflow-secrets[cli]'\n")
    assert len(ran.stderr.splitlines()) == 1


def test_what_a_driver_of_others_raises_is_one_line_without_its_text(tmp_path: Path) -> None:
    config = tmp_path / "flow.config.json"
    section = {
        "driver": "careless",
        "retry": {"attempts": 1},
        "options": {"secrets": {"a": "canary-41c7"}},
    }
    config.write_text(json.dumps({"secrets": section}))
    for verb in (("health",), ("list",), ("get", "kept")):
        ran = typed(f"sys.path.insert(0, {str(ADDED_DRIVER)!r})", *verb, "--config", str(config))
        assert (ran.returncode, "canary-41c7" in ran.stdout + ran.stderr) == (1, False)
        assert "the driver failed unexpectedly (RuntimeError)" in ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
    ran = typed(f"sys.path.insert(0, {str(ADDED_DRIVER)!r})", "get", "a", "--show", "--config", str(config))
    assert (ran.returncode, ran.stdout) == (0, "canary-41c7\n")  # though it cannot be closed


def test_a_drivers_extra_that_is_missing_is_named(tmp_path: Path) -> None:
    config = tmp_path / "flow.config.json"
    section = {"driver": "aws-sm", "aws": {"region": "us-east-1"}, "retry": {"attempts": 1}}
    config.write_text(json.dumps({"secrets": section}))
    for verb in (("get", "x"), ("health",)):
        ran = typed("sys.modules['boto3'] = sys.modules['botocore'] = None", *verb, "--config", str(config))
        assert (ran.returncode, ran.stdout) == (1, "")
        assert "pip install 'beemflow-secrets[aws]'" in ran.stderr
        assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "verb", [("get", "x"), ("list",), ("health",), ("validate",), ("export", "--key", "x"), ("run",)]
)
def test_what_cannot_be_opened_is_a_wrong_configuration(verb: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "flow.config.json").write_text(
        '{"secrets": {"driver": "kubernetes", "kubernetes": {"namespace": "x"}}}'
    )
    (tmp_path / "flow.yaml").write_text('{"steps": [{"id": "a", "with": {"text": "{{ secrets.X }}"}}]}')
    more = ("flow.yaml",) if verb == ("validate",) else ()
    ran = typed(f"import os; os.chdir({str(tmp_path)!r}); os.environ['KUBECONFIG'] = '/nope'", *verb, *more)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "/nope does not exist" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "No such command 'nothing'; beemflow-secrets --help says what there is"),
        (("get", "x", "--output", "xml"), "beemflow-secrets get --help says what there is"),
        (("run", "--http-address", "x"), "must be HOST:PORT"),
    ],
)
def test_misuse_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    ran = typed("", *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_nothing_typed_is_answered_with_what_there_is() -> None:
    ran = typed("")
    assert (ran.returncode, ran.stderr) == (2, "")
    for verb in ("get", "render", "diff", "status", "run"):
        assert f" {verb} " in ran.stdout


def test_the_operator_loads_nothing_that_shows_tables_or_tracebacks() -> None:
    told = "import atexit; atexit.register(lambda: print([one for one in ('rich', 'pygments') if one in sys.modules]))"
    ran = typed(told, "run", KUBECONFIG="/nonexistent")
    assert (ran.returncode, ran.stdout) == (2, "[]\n")
    assert "/nonexistent" in ran.stderr
