import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.receiver import rates
from hookline.receiver.rates import Rate


def test_no_limit_allows_all() -> None:
    rate = Rate(0.0)
    assert all(rate.allows("a", 0.0) for _ in range(1_000))


def test_as_many_at_once_as_in_a_second_and_then_one_by_one() -> None:
    rate = Rate(4.0)
    assert [rate.allows("a", 0.0) for _ in range(5)] == [True] * 4 + [False]
    assert [rate.allows("a", 0.25), rate.allows("a", 0.25)] == [True, False]
    assert [rate.allows("a", 9.0) for _ in range(5)] == [True] * 4 + [False]


def test_less_than_one_a_second_allows_one() -> None:
    rate = Rate(0.5)
    assert [rate.allows("a", moment) for moment in (0.0, 1.0, 2.0, 2.5)] == [
        True,
        False,
        True,
        False,
    ]


def test_a_key_does_not_affect_another() -> None:
    rate = Rate(1.0)
    assert [rate.allows(key, 0.0) for key in ("a", "b", "a", "b", 1)] == [
        True,
        True,
        False,
        False,
        True,
    ]


@given(
    st.floats(0.01, 100.0), st.lists(st.floats(0.0, 2.0, allow_nan=False), min_size=1, max_size=200)
)
def test_never_more_than_the_rate_and_a_burst(per_second: float, waits: list[float]) -> None:
    rate, now, allowed = Rate(per_second), 0.0, 0
    for wait in waits:
        now += wait
        allowed += rate.allows("a", now)
    assert allowed <= max(1.0, per_second) + now * per_second + 1e-6


def test_what_is_remembered_is_bounded_and_the_busiest_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "_KEPT", 10)
    rate = Rate(1.0)
    assert rate.allows("busy", 0.0)
    for number in range(100):
        rate.allows(number, 0.0)
        assert not rate.allows("busy", 0.0)
    assert len(rate._buckets) == 10
