"""From what a person wants to what the store is asked for."""

from collections import Counter
from collections.abc import Mapping

from hookline.commands.wanted import Wanted, time_of, verdicts_of
from hookline.errors import HooklineError
from hookline.store.deliveries import Search
from hookline.store.webhooks import WebhookName

Names = Mapping[int, WebhookName]


def search_of(wanted: Wanted, names: Names, now: float) -> Search:
    """The search that `wanted` means at `now`, epoch seconds. Raises HooklineError."""
    return Search(
        webhook_ids=_webhook_ids(wanted, names),
        verdicts=None if wanted.verdict is None else verdicts_of(wanted.verdict),
        event=wanted.event,
        since=None if wanted.since is None else time_of(wanted.since, now),
        until=None if wanted.until is None else time_of(wanted.until, now),
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


def _webhook_ids(wanted: Wanted, names: Names) -> list[int] | None:
    if wanted.webhook is not None:
        return [find_webhook(names, wanted.webhook, wanted.account, wanted.region)]
    if wanted.account is None and wanted.region is None:
        return None
    return _in_scope(names, wanted.account, wanted.region)


def _in_scope(names: Names, account: str | None, region: str | None) -> list[int]:
    return [
        webhook_id
        for webhook_id, webhook in names.items()
        if account in {None, webhook.scope.account} and region in {None, webhook.scope.region}
    ]


def _place(webhook: WebhookName) -> str:
    return f"account {webhook.scope.account}, region {webhook.scope.region}"
