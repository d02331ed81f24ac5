"""The arithmetic behind the figures."""

from __future__ import annotations

import pytest

from benchmarks.proxy import Request, asked
from benchmarks.report import Aim, judged, medians, spread
from benchmarks.running import kept_up
from benchmarks.starts import calls


def read(*times: float) -> list[Request]:
    return [Request(at, "GET /v1/secret/data/bench/a", ["bench/a"]) for at in times]


def share(requests: list[Request], keys: int = 1) -> float:
    found = kept_up(requests, keys=keys, start=0, end=120, interval=30)
    assert isinstance(found["share"], float)
    return found["share"]


def test_a_read_each_interval_is_all_that_was_due() -> None:
    assert share(read(10, 40, 70, 100)) == 1
    assert share(read(29.9, 60.8, 90, 119.9)) == 1


def test_an_interval_without_a_read_is_a_refresh_that_was_not_made() -> None:
    assert share(read(10, 40, 100)) == 3 / 4
    assert share(read(10, 40)) == 2 / 4


def test_a_key_that_is_never_read_counts_with_all_its_refreshes() -> None:
    assert share(read(10, 40, 70, 100), keys=2) == 4 / 8


def test_a_batch_refreshes_all_of_its_keys() -> None:
    batches = [Request(at, "BatchGetSecretValue", ["a", "b"]) for at in (10, 40, 70, 100)]
    assert share(batches, keys=2) == 1


@pytest.mark.parametrize(
    ("head", "body", "found"),
    [
        (b"GET /v1/secret/data/bench/a?version=1 HTTP/1.1\r\n\r\n", b"", ("GET /v1/secret/data/bench/a", ["bench/a"])),
        (b"POST /v1/auth/approle/login HTTP/1.1\r\n\r\n", b"{}", ("POST /v1/auth/approle/login", [])),
        (
            b"POST / HTTP/1.1\r\nX-Amz-Target: secretsmanager.BatchGetSecretValue\r\n\r\n",
            b'{"SecretIdList":["a","b"]}',
            ("BatchGetSecretValue", ["a", "b"]),
        ),
        (
            b"POST / HTTP/1.1\r\nx-amz-target: secretsmanager.GetSecretValue\r\n\r\n",
            b'{"SecretId":"a"}',
            ("GetSecretValue", ["a"]),
        ),
        (b"POST / HTTP/1.1\r\nX-Amz-Target: secretsmanager.ListSecrets\r\n\r\n", b"{}", ("ListSecrets", [])),
    ],
)
def test_what_is_asked_of_either_backend_is_told(head: bytes, body: bytes, found: tuple[str, list[str]]) -> None:
    assert asked(head, body) == found


def test_how_many_calls_a_start_may_take() -> None:
    assert calls(1000, 20, not_full=20) == 70
    assert calls(50, 20, not_full=3) == 6
    assert calls(1000, 1, not_full=20) == 1010


def test_logins_are_no_refreshes() -> None:
    assert share([Request(1, "POST /v1/auth/approle/login", [])]) == 0


def test_spread_is_by_nearest_rank() -> None:
    assert spread([float(number) for number in range(1, 101)]) == {"p50_s": 50, "p95_s": 95, "max_s": 100}
    assert spread([0.5]) == {"p50_s": 0.5, "p95_s": 0.5, "max_s": 0.5}


def test_medians_pass_over_what_is_no_number() -> None:
    assert medians([{"cpu_s": 1, "beside": {}}, {"cpu_s": 5, "beside": {}}, {"cpu_s": 2, "beside": {}}]) == {"cpu_s": 2}


def test_aims_are_told() -> None:
    document = judged({"ratio": {"wall": 1.7}}, [Aim("ratio.wall", 2), Aim("ratio.wall", 2, at_least=True)])
    assert [(aim["aim"], aim["is"], aim["met"]) for aim in document["aims"]] == [
        ("≤ 2", 1.7, True),
        ("≥ 2", 1.7, False),
    ]
