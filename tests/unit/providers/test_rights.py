from __future__ import annotations

from beemflow_secrets.providers.rights import Right


def test_a_refused_right_is_asked_for_again_after_an_hour() -> None:
    now = 0.0
    right = Right(lambda: now)
    assert not right.lacking
    right.refused()
    now = 3599
    assert right.lacking
    now = 3600
    assert not right.lacking
