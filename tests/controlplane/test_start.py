"""What a start costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.machine import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.operator import Operator


def test_a_start_takes_less_than_3_s_of_cpu_until_it_is_ready(start_operator: Callable[..., Operator]) -> None:
    running = start_operator()
    running.kill()
    running.start()  # the first may have had to compile its modules, which the image's are
    assert running.process is not None
    assert cpu_seconds(running.process.pid) < 3
