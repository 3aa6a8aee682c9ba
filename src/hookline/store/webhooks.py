"""Webhooks: definitions, state, and the sealed secrets of their senders and URLs."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, select, update

from hookline.model import Authentication, Filter, Registration, Scope, Webhook
from hookline.sealing import Seal
from hookline.store import dialect
from hookline.store.tables import webhooks

_SECRET = "webhook-secret"  # noqa: S105 - the purpose a secret is sealed for
_TOKEN = "webhook-token"  # noqa: S105 - the same


def lock_scope(connection: Connection, scope: Scope) -> None:
    """Let nobody else put webhooks of this scope until the transaction ends."""
    dialect.serialize(connection, f"webhooks:{scope.account}:{scope.region}")


def put(connection: Connection, seal: Seal, webhook: Webhook) -> None:
    """Keep a webhook's definition; an existing one keeps its URL (contract P2).

    `webhook.token` counts only when the webhook is new.
    """
    secret = webhook.secret_token
    definition = {
        "account": webhook.scope.account,
        "region": webhook.scope.region,
        "name": webhook.name,
        "target_pipeline": webhook.target_pipeline,
        "target_action": webhook.target_action,
        "filters": [[rule.json_path, rule.match_equals] for rule in webhook.filters],
        "authentication": webhook.authentication.value,
        "allowed_ip_range": webhook.allowed_ip_range,
        "secret_sealed": None if secret is None else seal.seal(secret, _SECRET),
    }
    changed = connection.execute(
        update(webhooks).where(_is(webhook.scope, webhook.name)).values(**definition)
    ).rowcount
    if not changed:
        token = {
            "token_hash": token_hash(webhook.token),
            "token_sealed": seal.seal(webhook.token, _TOKEN),
        }
        connection.execute(webhooks.insert().inline().values(**definition, **token))


def token_hash(token: str) -> bytes:
    """What a URL's token is looked up by (contract P3)."""
    return hashlib.sha256(token.encode()).digest()


def find(connection: Connection, seal: Seal, scope: Scope, name: str) -> Webhook | None:
    """A webhook by name."""
    row = connection.execute(select(webhooks).where(_is(scope, name))).first()
    return None if row is None else _webhook(row, seal)


def get(connection: Connection, seal: Seal, webhook_id: int) -> Webhook | None:
    """A webhook by the id that deliveries hold."""
    row = connection.execute(select(webhooks).where(webhooks.c.id == webhook_id)).first()
    return None if row is None else _webhook(row, seal)


def exists(connection: Connection, scope: Scope, name: str) -> bool:
    """Whether there is a webhook of this name."""
    query = select(webhooks.c.id).where(_is(scope, name))
    return connection.execute(query).first() is not None


def find_by_token(connection: Connection, seal: Seal, token: str) -> Webhook | None:
    """The webhook whose URL holds `token`."""
    query = select(webhooks).where(webhooks.c.token_hash == token_hash(token))
    row = connection.execute(query).first()
    return None if row is None else _webhook(row, seal)


def page(
    connection: Connection, seal: Seal, scope: Scope, after: str | None, limit: int
) -> list[Webhook]:
    """Up to `limit` webhooks by name, those after the name `after`."""
    query = select(webhooks).where(
        webhooks.c.account == scope.account, webhooks.c.region == scope.region
    )
    if after is not None:
        query = query.where(webhooks.c.name > after)
    rows = connection.execute(query.order_by(webhooks.c.name).limit(limit))
    return [_webhook(row, seal) for row in rows]


def count(connection: Connection, scope: Scope) -> int:
    """How many webhooks the scope has."""
    query = select(func.count()).where(
        webhooks.c.account == scope.account, webhooks.c.region == scope.region
    )
    return connection.execute(query).scalar_one()


@dataclass(frozen=True, slots=True)
class WebhookName:
    """A webhook, as the list of deliveries names it."""

    scope: Scope
    name: str


def names_by_id(connection: Connection) -> dict[int, WebhookName]:
    """All webhooks of all scopes, by the ids that deliveries hold."""
    query = select(webhooks.c.id, webhooks.c.account, webhooks.c.region, webhooks.c.name)
    return {
        row.id: WebhookName(Scope(row.account, row.region), row.name)
        for row in connection.execute(query)
    }


def remove(connection: Connection, scope: Scope, name: str) -> Registration | None:
    """Delete a webhook, which may be absent; what it leaves at GitHub."""
    # In the statement that deletes, so that a registration just written is not overlooked.
    row = connection.execute(
        delete(webhooks)
        .where(_is(scope, name))
        .returning(
            webhooks.c.github_hook_id,
            webhooks.c.github_repository,
            webhooks.c.target_pipeline,
            webhooks.c.target_action,
        )
    ).first()
    if row is None or row.github_hook_id is None:
        return None
    return Registration(scope.webhook_arn(name), *row)


def registered(connection: Connection, webhook_id: int, hook_id: int, repository: str) -> None:
    """Note that GitHub has the webhook as its hook `hook_id` now."""
    _note(
        connection,
        webhook_id,
        github_hook_id=hook_id,
        github_repository=repository,
        error_code=None,
        error_message=None,
    )


def deregistered(connection: Connection, webhook_id: int, hook_id: int | None) -> None:
    """Note that GitHub's hook `hook_id` is gone, and with it what was wrong there."""
    connection.execute(
        update(webhooks)
        # Another one, made meanwhile, is still there.
        .where(webhooks.c.id == webhook_id, webhooks.c.github_hook_id.is_not_distinct_from(hook_id))
        .values(github_hook_id=None, github_repository=None, error_code=None, error_message=None)
    )


def failed(connection: Connection, webhook_id: int, code: str, message: str) -> None:
    """Note why GitHub's hook is not as the webhook says."""
    _note(connection, webhook_id, error_code=code, error_message=message)


def _note(connection: Connection, webhook_id: int, **values: Any) -> None:
    connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))


def triggered(connection: Connection, webhook_ids: Iterable[int], now: float) -> None:
    """Note that deliveries to these webhooks started executions (contract L4)."""
    for webhook_id in sorted(set(webhook_ids)):
        dialect.rows(
            connection,
            "UPDATE hookline_webhooks SET last_triggered = ? WHERE id = ?",
            now,
            webhook_id,
        )


def _is(scope: Scope, name: str) -> Any:
    return and_(
        webhooks.c.account == scope.account,
        webhooks.c.region == scope.region,
        webhooks.c.name == name,
    )


def _webhook(row: Row[Any], seal: Seal) -> Webhook:
    secret = None if row.secret_sealed is None else seal.open(row.secret_sealed, _SECRET)
    return Webhook(
        id=row.id,
        scope=Scope(row.account, row.region),
        name=row.name,
        target_pipeline=row.target_pipeline,
        target_action=row.target_action,
        filters=tuple(Filter(*rule) for rule in row.filters),
        authentication=Authentication(row.authentication),
        token=seal.open(row.token_sealed, _TOKEN),
        secret_token=secret,
        allowed_ip_range=row.allowed_ip_range,
        last_triggered=row.last_triggered,
        error_code=row.error_code,
        error_message=row.error_message,
        github_hook_id=row.github_hook_id,
        github_repository=row.github_repository,
    )
