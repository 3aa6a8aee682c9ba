"""Cron expressions of deployment windows, as AWS documents them."""

from datetime import UTC, datetime, timedelta

import pytest

from hookline.cron import Cron, CronError, time_zone


def days(expression: str, year: int, month: int) -> list[int]:
    """The days of a month on which the expression holds at noon."""
    cron = Cron(expression)
    return [
        day
        for day in range(1, 32)
        if is_day(year, month, day) and cron.includes(noon(year, month, day))
    ]


def noon(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


def is_day(year: int, month: int, day: int) -> bool:
    try:
        noon(year, month, day)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("*", set(range(24))),
        ("10-12", {10, 11, 12}),
        ("22-2", {22, 23, 0, 1, 2}),
        ("0/6", {0, 6, 12, 18}),
        ("*/8", {0, 8, 16}),
        ("9-17/4", {9, 13, 17}),
        ("1,3,20-21", {1, 3, 20, 21}),
    ],
)
def test_hours(field: str, expected: set[int]) -> None:
    cron = Cron(f"* * {field} * * ?")
    assert {
        h for h in range(24) if cron.includes(datetime(2026, 1, 1, h, 59, tzinfo=UTC))
    } == expected


def test_minutes_and_years() -> None:
    cron = Cron("* 0/15 9 ? * * 2026-2027")
    assert cron.includes(datetime(2026, 1, 1, 9, 45, 59, tzinfo=UTC))
    assert not cron.includes(datetime(2026, 1, 1, 9, 46, tzinfo=UTC))
    assert not cron.includes(datetime(2025, 1, 1, 9, 45, tzinfo=UTC))
    assert cron.includes(datetime(2027, 1, 1, 9, 45, tzinfo=UTC))


# January 2026 begins on a Thursday; its Saturdays are 3, 10, 17, 24 and 31.
@pytest.mark.parametrize(
    ("day", "month", "weekday", "expected"),
    [
        (
            "?",
            "*",
            "MON-FRI",
            [1, 2, *range(5, 10), *range(12, 17), *range(19, 24), *range(26, 31)],
        ),
        ("?", "JAN", "sat,sun", [3, 4, 10, 11, 17, 18, 24, 25, 31]),
        ("?", "*", "FRI-SUN", [2, 3, 4, 9, 10, 11, 16, 17, 18, 23, 24, 25, 30, 31]),
        ("?", "1", "7", [3, 10, 17, 24, 31]),
        ("?", "*", "L", [3, 10, 17, 24, 31]),
        ("?", "*", "6L", [30]),
        ("?", "*", "SATL", [31]),
        ("?", "*", "6#3", [16]),
        ("?", "*", "SAT#5", [31]),
        ("?", "*", "SUN#5", []),
        ("L", "*", "?", [31]),
        ("L-3", "*", "?", [28]),
        ("LW", "*", "?", [30]),
        ("3W", "*", "?", [2]),
        ("4W", "*", "?", [5]),
        ("31W", "*", "?", [30]),
        ("15W", "*", "?", [15]),
        ("1,15-17", "*", "?", [1, 15, 16, 17]),
        ("*", "2", "?", []),
        ("*", "12-1", "*", list(range(1, 32))),
    ],
)
def test_days_of_january_2026(day: str, month: str, weekday: str, expected: list[int]) -> None:
    assert days(f"* * * {day} {month} {weekday}", 2026, 1) == expected


def test_the_nearest_weekday_does_not_leave_the_month() -> None:
    assert days("* * * 1W * ?", 2026, 8) == [3]  # the first is a Saturday
    assert days("* * * LW * ?", 2026, 5) == [29]  # the last is a Sunday
    assert days("* * * 31W * ?", 2026, 2) == [27]  # there is none: the last day's
    assert days("* * * L * ?", 2028, 2) == [29]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * * * *",
        "0 * * ? * *",
        "* 60 * ? * *",
        "* -1 * ? * *",
        "* * 24 ? * *",
        "* * * 0 * ?",
        "* * * 32 * ?",
        "* * * ? 13 *",
        "* * * ? JANUARY *",
        "* * * ? * 0",
        "* * * ? * 8L",
        "* * * ? * MON#6",
        "* * * 1 * MON",
        "* * * LW-3 * ?",
        "* * * W * ?",
        "* */0 * ? * *",
        "* 1/x * ? * *",
        "* ? * ? * *",
        "* * * ? * * 1969",
        "* * * ? * * 2200",
        "* \u0661 * ? * *",
        "* , * ? * *",
        "* * * " + "1," * 200 + "1 * ?",
    ],
)
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(CronError):
        Cron(expression)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("UTC", timedelta()),
        ("UTC+05:30", timedelta(hours=5, minutes=30)),
        ("UTC-03:00", -timedelta(hours=3)),
        ("Europe/Berlin", timedelta(hours=2)),
        ("America/New_York", -timedelta(hours=4)),
        ("EST", -timedelta(hours=5)),
    ],
)
def test_time_zones(text: str, offset: timedelta) -> None:
    assert noon(2026, 7, 1).astimezone(time_zone(text)).utcoffset() == offset


@pytest.mark.parametrize(
    "text",
    ["", "Mars/Base", "UTC+19:00", "UTC+5", "../../etc/passwd", "/etc/passwd", "Europe", "x\0"],
)
def test_what_is_no_time_zone_is_refused(text: str) -> None:
    with pytest.raises(CronError):
        time_zone(text)
