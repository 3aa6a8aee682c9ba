"""Which deliveries a person wants, as written on the command line."""

import re
import shlex
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from hookline.errors import HooklineError
from hookline.model import Verdict

_AGO = re.compile(r"(\d{1,9})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Conditions as texts; None is any. The names are those of the options and of `--where`."""

    webhook: str | None = None
    verdict: str | None = None
    event: str | None = None
    since: str | None = None
    until: str | None = None
    account: str | None = None
    region: str | None = None


def parse_where(text: str) -> Wanted:
    """The conditions of `--where`, such as `verdict=filtered since=2h`. Raises HooklineError."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise HooklineError(f"--where {text} can't be read: {error}") from error
    names = [item.name for item in fields(Wanted)]
    values: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in names or not equals or name in values:
            raise HooklineError(
                f"--where can't use '{word}'. Give conditions such as verdict=filtered since=2h, "
                f"each once; there are {', '.join(names)}."
            )
        values[name] = value
    if not values:
        raise HooklineError("--where needs a condition, such as verdict=filtered")
    return Wanted(**values)


def verdicts_of(text: str) -> list[Verdict]:
    """The verdicts of an outcome, or the one of that name. Raises HooklineError."""
    name = text.replace("-", "_").upper()
    found = [item for item in Verdict if name in {item.name, item.outcome.upper()}]
    if not found:
        outcomes = dict.fromkeys(item.outcome for item in Verdict)
        refused = [item.name for item in Verdict if item.refused]
        raise HooklineError(
            f"There is no verdict {text}. Verdicts are {', '.join(outcomes)}; of the refused, one "
            f"of {', '.join(refused)}."
        )
    return found


def time_of(text: str, now: float) -> float:
    """Epoch seconds of an ISO time (UTC unless it says otherwise), or of so long before `now`.

    Raises HooklineError.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now - int(ago[1]) * _SECONDS[ago[2]]
    try:
        given = datetime.fromisoformat(text.strip())
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise HooklineError(
            f"{text} is no time. Give how long ago (90s, 30m, 2h, 7d, 2w) or an ISO time such as "
            "2026-01-31T12:00:00Z."
        ) from error
