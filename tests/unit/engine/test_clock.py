"""The clock of what expires: it counts the time for which the process was frozen, and no jump of the wall's lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beemflow_secrets import SecretsConfig
from beemflow_secrets.engine.clock import Clock, SleeplessClock, loop_time
from beemflow_secrets.providers.aws import AwsDriver
from beemflow_secrets.providers.kubernetes import KubernetesDriver
from beemflow_secrets.providers.surroundings import Surroundings
from beemflow_secrets.providers.vault import VaultDriver

if TYPE_CHECKING:
    from collections.abc import Callable

    from beemflow_secrets.providers.base import Driver


async def test_a_moment_is_the_same_whenever_it_is_asked_for() -> None:
    late = iter([0.0, 0.003, 0.04, 0.001])
    clock = Clock(lambda: 1.7e9 + loop_time() + next(late))
    assert len({clock.loop(1.7e9 + 1000) for _ in range(4)}) == 1


async def test_a_jump_of_the_wall_clock_is_seen_at_once() -> None:
    jump = [0.0]
    clock = Clock(lambda: 1.7e9 + loop_time() + jump[0])
    before = clock.loop(1.7e9 + 1000)
    jump[0] = 600
    assert clock.loop(1.7e9 + 1000) == pytest.approx(before - 600)
    assert clock.wall(loop_time()) == pytest.approx(1.7e9 + loop_time() + 600)


class Machine:
    """Two clocks, which do not agree when the process is frozen or somebody sets the one on the wall."""

    def __init__(self) -> None:
        self.steady, self.wall = 100.0, 1.7e9
        self.clock = SleeplessClock(lambda: self.steady, lambda: self.wall)
        self.started = self.clock()

    def run(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds

    @property
    def passed(self) -> float:
        return self.clock() - self.started


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_it_counts_while_the_process_runs(machine: Machine) -> None:
    machine.run(5)
    assert machine.passed == pytest.approx(5)


def test_it_counts_while_the_process_is_frozen(machine: Machine) -> None:
    machine.run(5)
    machine.wall += 3600
    assert machine.passed == pytest.approx(3605)
    machine.run(1)
    assert machine.passed == pytest.approx(3606)


def test_many_short_sleeps_add_up(machine: Machine) -> None:
    for _ in range(1000):
        machine.run(0.1)
        machine.wall += 0.004
        machine.clock()
    assert machine.passed == pytest.approx(104, abs=0.02)


def test_the_distance_between_two_readings_adds_nothing_up(machine: Machine) -> None:
    for number in range(1000):
        machine.run(0.001)
        machine.wall += 0.0005 if number % 2 else -0.0005
        machine.clock()
    assert machine.passed == pytest.approx(1)


def test_a_wall_clock_that_is_put_back_changes_nothing(machine: Machine) -> None:
    machine.wall -= 7200
    machine.run(5)
    assert machine.passed == pytest.approx(5)
    machine.wall += 60  # frozen, after that
    assert machine.passed == pytest.approx(65)


def test_it_never_goes_back(machine: Machine) -> None:
    machine.wall += 3600
    assert machine.passed == pytest.approx(3600)
    machine.wall -= 3600
    assert machine.passed == pytest.approx(3600)


@pytest.mark.parametrize(
    ("driver", "block"),
    [
        (AwsDriver, {"driver": "aws-sm", "region": "eu-west-1"}),
        (VaultDriver, {"driver": "vault", "vault": {"address": "https://bao.test", "path": "secret", "token": "t"}}),
        (KubernetesDriver, {"driver": "kubernetes", "kubernetes": {"server": "https://api.test", "token": "t"}}),
    ],
)
async def test_the_logins_of_every_driver_go_by_it(
    monkeypatch: pytest.MonkeyPatch, driver: Callable[..., Driver], block: dict[str, Any]
) -> None:
    made: list[object] = []
    monkeypatch.setattr(SleeplessClock, "__init__", lambda clock: made.append(clock))  # noqa: PLW0108 - a built-in is no method
    spec = SecretsConfig.from_dict(block)
    await driver(spec, Surroundings(credential=no_credential)).close()
    assert len(made) == 1


async def no_credential(ref: object) -> str:
    raise AssertionError(ref)
