"""Cron expressions as AWS documents them for deployment windows: is a moment inside of one?

Source: "DeploymentWindow" in the rule reference of the AWS CodePipeline user guide. The format is
Quartz's, without times of less than a minute.
"""

import calendar
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import NoReturn
from zoneinfo import ZoneInfo

_OFFSET = re.compile(r"UTC(?:([+-])(\d\d):([0-5]\d))?")
_LONGEST = 256
_MOST_HOURS = 18
_WITHOUT_YEAR, _WITH_YEAR = 6, 7
_FREE = frozenset("*?")


class CronError(ValueError):
    """The expression or the time zone can't be used; the text says why."""


@dataclass(frozen=True, slots=True)
class _Field:
    """What a field of an expression may hold; `names` are texts for values from `first` on."""

    name: str
    first: int
    last: int
    names: Sequence[str] = ()
    numbers: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        numbers = {name: self.first + index for index, name in enumerate(self.names)}
        object.__setattr__(self, "numbers", numbers)

    def values(self, text: str) -> frozenset[int]:
        """The values that a list such as `1-5,10/2` names."""
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def value(self, text: str) -> int:
        """One value, a number or a name."""
        number = self.numbers.get(text.upper())
        if number is None and re.fullmatch("[0-9]{1,4}", text):
            number = int(text)
        if number is None or not self.first <= number <= self.last:
            self.fail(text)
        return number

    def fail(self, text: str) -> NoReturn:
        """Refuse what a field holds."""
        allowed = f"{self.first}-{self.last}"
        if self.names:
            allowed += f" or {self.names[0]}-{self.names[-1]}"
        raise CronError(f"'{text}' can't be the {self.name} of a cron expression: use {allowed}")

    def _part(self, part: str) -> Sequence[int]:
        span, has_step, step = part.partition("/")
        if has_step and (not re.fullmatch("[0-9]{1,4}", step) or int(step) == 0):
            self.fail(part)
        return self._span(span, to_the_end=bool(has_step))[:: int(step) if has_step else 1]

    def _span(self, span: str, *, to_the_end: bool) -> Sequence[int]:
        if span == "*":
            return range(self.first, self.last + 1)
        low, is_range, high = span.partition("-")
        first = self.value(low)
        if not is_range:
            return range(first, (self.last if to_the_end else first) + 1)
        last = self.value(high)
        if first <= last:
            return range(first, last + 1)
        # FRI-MON and 22-6 go over the end, as in Quartz.
        return [*range(first, self.last + 1), *range(self.first, last + 1)]


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MINUTES = _Field("minutes", 0, 59)
_HOURS = _Field("hours", 0, 23)
_DAY = _Field("day of the month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day of the week", 1, 7, _WEEKDAYS)
_YEAR = _Field("year", 1970, 2199)
_SATURDAY = 7

Days = Callable[[date], bool]


class Cron:
    """A compiled expression; immutable."""

    __slots__ = ("_days", "_hours", "_minutes", "_months", "_weekdays", "_years")

    def __init__(self, expression: str) -> None:
        """Compile `seconds minutes hours day-of-month month day-of-week [year]`.

        Raises:
            CronError: it can't be used.
        """
        parts = expression.split()
        if len(expression) > _LONGEST or len(parts) not in {_WITHOUT_YEAR, _WITH_YEAR}:
            raise CronError(
                "a cron expression has 6 or 7 fields: seconds, minutes, hours, day of the month, "
                "month, day of the week, and maybe a year"
            )
        seconds, minutes, hours, day, month, weekday, *year = parts
        if seconds != "*":
            raise CronError(f"'{seconds}' can't be the seconds of a cron expression: use *")
        if not _FREE.intersection({day, weekday}):
            raise CronError(
                "a cron expression names days of the month or of the week: use ? for the other"
            )
        self._minutes = _MINUTES.values(minutes)
        self._hours = _HOURS.values(hours)
        self._days = _days_of_month(day)
        self._months = _MONTH.values(month)
        self._weekdays = _days_of_week(weekday)
        self._years = _YEAR.values(year[0] if year else "*")

    def includes(self, moment: datetime) -> bool:
        """Whether the minute of `moment`, as its own time zone shows it, is one of those named."""
        return (
            moment.minute in self._minutes
            and moment.hour in self._hours
            and moment.month in self._months
            and moment.year in self._years
            and self._days(moment.date())
            and self._weekdays(moment.date())
        )


def _any_day(_day: date) -> bool:
    return True


def _days_of_month(text: str) -> Days:
    if text in _FREE:
        return _any_day
    if not re.search("[LW]", text):
        values = _DAY.values(text)
        return lambda day: day.day in values
    found = re.fullmatch(
        r"(?P<last>L)(?:-(?P<before>[0-9]{1,2}))?(?P<w>W)?|(?P<day>[0-9]{1,2})W", text
    )
    if found is None:
        _DAY.fail(text)
    if found["day"]:
        wanted = _DAY.value(found["day"])
        return lambda day: day == _nearest_weekday(day, min(wanted, _length(day)))
    before = int(found["before"] or 0)
    if found["w"]:
        return lambda day: day == _nearest_weekday(day, _length(day) - before)
    return lambda day: day.day == _length(day) - before


def _days_of_week(text: str) -> Days:
    if text in _FREE:
        return _any_day
    if text.upper() == "L":
        return lambda day: _weekday(day) == _SATURDAY
    if found := re.fullmatch(r"(\w+)#([1-5])", text):
        weekday, number = _WEEKDAY.value(found[1]), int(found[2])
        return lambda day: _weekday(day) == weekday and (day.day - 1) // 7 + 1 == number
    if found := re.fullmatch(r"([1-7]|[A-Za-z]{3})L", text):
        last = _WEEKDAY.value(found[1])
        return lambda day: _weekday(day) == last and day.day > _length(day) - 7
    values = _WEEKDAY.values(text)
    return lambda day: _weekday(day) in values


def _weekday(day: date) -> int:
    """1 for Sunday to 7 for Saturday."""
    return day.isoweekday() % 7 + 1


def _length(day: date) -> int:
    """The days of the month."""
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, number: int) -> date:
    """The day from Monday to Friday in the month of `day` that is nearest to its `number`th."""
    wanted = day.replace(day=max(number, 1))
    if wanted.isoweekday() == 6:  # noqa: PLR2004 - Saturday
        return wanted - timedelta(1) if wanted.day > 1 else wanted + timedelta(2)
    if wanted.isoweekday() == 7:  # noqa: PLR2004 - Sunday
        return wanted + timedelta(1) if wanted.day < _length(day) else wanted - timedelta(2)
    return wanted


def time_zone(text: str) -> tzinfo:
    """The zone `UTC`, `UTC+05:30` or one of the tz database, such as `Europe/Berlin`.

    Raises:
        CronError: there is no such zone.
    """
    if found := _OFFSET.fullmatch(text):
        sign, hours, minutes = found.groups()
        if sign is None:
            return UTC
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        if offset <= timedelta(hours=_MOST_HOURS):
            return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError):
        raise CronError(
            f"'{text}' is no time zone: use UTC, an offset such as UTC+05:30, or a name such as "
            "Europe/Berlin"
        ) from None
