"""A pytest plugin: the run ends with a table that says which driver passed which case of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beemflow_secrets.testing.contract import RECORD

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

_PASSED, _INSTEAD, _FAILED = "ok", "-", "FAIL"


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the table, where the run had cases of the contract. Reports of xdist's workers are among these too."""
    table: dict[str, dict[str, str]] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, told in getattr(report, "user_properties", ()):
                if name == RECORD:
                    driver, case, has = told
                    passed = _PASSED if has == "yes" else _INSTEAD
                    table.setdefault(case, {})[driver] = passed if outcome == "passed" else _FAILED
    if not table:
        return
    drivers = sorted({driver for row in table.values() for driver in row})
    first = max(map(len, table))
    terminalreporter.section("contract of providers: cases by driver")
    terminalreporter.write_line("  ".join([" " * first, *drivers]))
    for case, row in sorted(table.items()):
        marks = [row.get(driver, "").ljust(len(driver)) for driver in drivers]
        terminalreporter.write_line("  ".join([case.ljust(first), *marks]).rstrip())
    terminalreporter.write_line(f"{_PASSED}: passed  {_INSTEAD}: the backend lacks it, what must happen instead passed")
