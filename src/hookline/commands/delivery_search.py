"""Conditions on deliveries, as written on the command line, and the store's search for them."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from hookline.errors import HooklineError
from hookline.model import Verdict
from hookline.store.deliveries import Search
from hookline.store.webhooks import WebhookName

Names = Mapping[int, WebhookName]

_AGO = re.compile(r"(\d{1,9})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Conditions as texts; None is any. The names are those of the options and of `--where`."""

    webhook: str | None = None
    verdict: str | None = None
    event: str | None = None
    since: str | None = None
    until: str | None = None
    account: str | None = None
    region: str | None = None


def parse_where(text: str) -> Conditions:
    """The conditions of `--where`, such as `verdict=filtered since=2h`. Raises HooklineError."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise HooklineError(f"--where {text} can't be read: {error}") from error
    names = [item.name for item in fields(Conditions)]
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
    return Conditions(**values)


def search_of(conditions: Conditions, names: Names, now: float) -> Search:
    """The search that the conditions mean at `now`, epoch seconds. Raises HooklineError."""
    return Search(
        webhook_ids=_webhook_ids(conditions, names),
        verdicts=None if conditions.verdict is None else _verdicts_of(conditions.verdict),
        event=conditions.event,
        since=None if conditions.since is None else _time_of(conditions.since, now),
        until=None if conditions.until is None else _time_of(conditions.until, now),
    )


def find_webhook(names: Names, name: str, account: str | None, region: str | None) -> int:
    """The id of the one webhook of that name. Raises HooklineError for none and for several."""
    found = [item for item in _in_scope(names, account, region) if names[item].name == name]
    if not found:
        where = "".join(f" in {place}" for place in (account, region) if place)
        raise HooklineError(f"There is no webhook {name}{where}")
    if len(found) > 1:
        places = "; ".join(sorted(_place(names[item]) for item in found))
        raise HooklineError(
            f"There are {len(found)} webhooks {name}: {places}. Add --account or --region."
        )
    return found[0]


def label_of(names: Names, webhook_id: int) -> str:
    """How a webhook is called among the others: by its name, and its place where that is needed."""
    webhook = names.get(webhook_id)
    if webhook is None:
        return "(deleted)"
    same = Counter(item.name for item in names.values())[webhook.name]
    return webhook.name if same == 1 else f"{webhook.name} ({_place(webhook)})"


def _webhook_ids(conditions: Conditions, names: Names) -> list[int] | None:
    if conditions.webhook is not None:
        return [find_webhook(names, conditions.webhook, conditions.account, conditions.region)]
    if conditions.account is None and conditions.region is None:
        return None
    return _in_scope(names, conditions.account, conditions.region)


def _in_scope(names: Names, account: str | None, region: str | None) -> list[int]:
    return [
        webhook_id
        for webhook_id, webhook in names.items()
        if account in {None, webhook.scope.account} and region in {None, webhook.scope.region}
    ]


def _place(webhook: WebhookName) -> str:
    return f"account {webhook.scope.account}, region {webhook.scope.region}"


def _verdicts_of(text: str) -> list[Verdict]:
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


def _time_of(text: str, now: float) -> float:
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
