"""RegisterWebhookWithThirdParty, DeregisterWebhookWithThirdParty; GitHub's hooks follow webhooks.

No transaction is open while GitHub is asked. What was asked is compared afterwards, under the lock
that puts of webhooks take, with what the webhook says then: of concurrent changes the last one wins
at GitHub, too.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy import Connection

from hookline.api.services import Services
from hookline.api.sigv4 import Caller
from hookline.config import Settings
from hookline.errors import (
    GitHubError,
    SealError,
    StoreUnavailableError,
    ThrottlingException,
    ValidationException,
    WebhookNotFoundException,
)
from hookline.model import Authentication, Filter, Scope, Webhook
from hookline.store import pipeline_secrets, pipelines, webhooks
from hookline.store.webhooks import Registration

_ROUNDS = 3
_NOT_REGISTERED = "Webhook could not be registered with GitHub. "
_OF_GITHUB = ("ThirdParty", "GitHub")
_NOT_REMOVED = "Webhook could not be removed from GitHub. "
_UNCHANGED = (
    " The webhook's new definition counts here, but GitHub's hook is as it was, its secret "
    "included: register the webhook again."
)
_NO_ANSWER = "0"
_PATIENCE_S = 8.0
# All that one operation asks of GitHub, its answers included.
_TOTAL_S = 15.0
# A delete should not wait long for what it can do without.
_LEAVING_S = 2.0
_log = structlog.get_logger()


def url_of(settings: Settings, webhook: Webhook) -> str:
    """The URL that the webhook's sender is given (contract P3)."""
    return f"{settings.trigger_url}/trigger?t={webhook.token}&v=1"


@dataclass(frozen=True, slots=True)
class _Target:
    repository: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What GitHub should have for a webhook; two are equal when GitHub would not see a change."""

    webhook: Webhook = field(compare=False)
    webhook_id: int
    target: _Target
    url: str = field(repr=False)
    secret: str = field(repr=False)
    filters: tuple[Filter, ...]


class RegistrationOperations:
    """The operations that make GitHub's side of a webhook, and what keeps it so."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._seal = services.seal
        self._settings = services.settings

    def register_webhook_with_third_party(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Make the webhook's hook in its target's repository, or bring the one there up to date.

        Raises WebhookNotFoundException, and ValidationException where the target is not GitHub,
        where the webhook has no secret to sign with, or in AWS's words where GitHub refuses.
        """
        try:
            self._bring(caller.scope, _name(parameters), time.monotonic() + _TOTAL_S)
        except GitHubError as error:
            raise ValidationException(_NOT_REGISTERED + error.message) from error
        return {}

    def deregister_webhook_with_third_party(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Remove the webhook's hook; that it is gone, or never was, is success.

        Raises WebhookNotFoundException, and ValidationException where the target has no token to
        remove it with, or in AWS's words where GitHub refuses.
        """
        with self._database.read() as connection:
            webhook = self._found(connection, caller.scope, _name(parameters))
            registration = _registration(webhook)
            target = None if registration is None else self._target(connection, webhook)
        if registration is None or target is None:
            self._note_removed(webhook)
            return {}
        try:
            until = time.monotonic() + _TOTAL_S
            self._remove(registration, target.token, until, hidden=_hidden(webhook))
        except GitHubError as error:
            self._note_failure(webhook, error, message := _NOT_REMOVED + error.message)
            raise ValidationException(message) from error
        self._note_removed(webhook)
        return {}

    def carry(self, previous: Webhook) -> None:
        """Bring the hook of a registered webhook to what was put over `previous` (contract P11).

        What GitHub refuses is kept as the webhook's error. Where the webhook has become one that
        can't be registered, its hook is removed.
        """
        with self._database.read() as connection:
            spare = self._token(
                connection, previous.scope, previous.target_pipeline, previous.target_action
            )
        until = time.monotonic() + _TOTAL_S
        try:
            self._bring(previous.scope, previous.name, until, spare)
        except GitHubError as error:
            message = _NOT_REGISTERED + error.message + _UNCHANGED
            self._note_failure(previous, error, message)
            _log.warning("a webhook's change is not at GitHub", webhook=previous.arn, why=message)
        except WebhookNotFoundException:
            _log.info("a webhook was deleted while it was put", webhook=previous.arn)
        except ValidationException:
            self._withdraw(previous, until, spare)

    def leave(self, scope: Scope, registration: Registration) -> None:
        """Remove what a deleted webhook leaves at GitHub (contract D4); a failure is logged."""
        token = None
        with suppress(StoreUnavailableError), self._database.read() as connection:
            token = self._token(
                connection, scope, registration.target_pipeline, registration.target_action
            )
        until = time.monotonic() + _TOTAL_S
        self._try_to_remove(registration, until, token, patience=_LEAVING_S)

    def _bring(self, scope: Scope, name: str, until: float, spare: str | None = None) -> None:
        """Make GitHub's hook what the webhook says; `spare` is a token for the hook it had.

        Raises GitHubError, which is noted, and what `_wanted` raises.
        """
        for _ in range(_ROUNDS):
            with self._database.read() as connection:
                wanted = self._wanted(connection, scope, name)
            try:
                hook_id = self._place(wanted, until)
            except GitHubError as error:
                self._note_failure(wanted.webhook, error, _NOT_REGISTERED + error.message)
                raise
            if self._note_placed(wanted, hook_id, spare, until):
                return
        raise ThrottlingException("The webhook is being changed by others at once. Try again.")

    def _wanted(self, connection: Connection, scope: Scope, name: str) -> _Wanted:
        webhook = self._found(connection, scope, name)
        if webhook.authentication is not Authentication.GITHUB_HMAC or not webhook.secret_token:
            raise ValidationException(
                f"Webhook {name} can't be registered with GitHub: its authentication is "
                f"{webhook.authentication}, and GitHub's deliveries need GITHUB_HMAC"
            )
        return _Wanted(
            webhook=webhook,
            webhook_id=webhook.id,
            target=self._target(connection, webhook),
            url=url_of(self._settings, webhook),
            secret=webhook.secret_token,
            filters=webhook.filters,
        )

    def _found(self, connection: Connection, scope: Scope, name: str) -> Webhook:
        webhook = webhooks.find(connection, self._seal, scope, name)
        if webhook is None:
            raise WebhookNotFoundException(f"Webhook with name '{name}' does not exist")
        return webhook

    def _target(self, connection: Connection, webhook: Webhook) -> _Target:
        configuration = self._configuration(
            connection, webhook.scope, webhook.target_pipeline, webhook.target_action
        )
        if configuration is None:
            raise ValidationException(
                f"Webhook {webhook.name} has no third party to be registered with: its target "
                f"{webhook.target_pipeline}/{webhook.target_action} is not a source action of "
                "owner ThirdParty and provider GitHub"
            )
        missing = [key for key in ("Owner", "Repo", "OAuthToken") if not configuration.get(key)]
        if missing:
            raise ValidationException(
                f"The configuration of action {webhook.target_action} lacks {', '.join(missing)}"
            )
        repository = f"{configuration['Owner']}/{configuration['Repo']}"
        return _Target(repository, configuration["OAuthToken"])

    def _configuration(
        self, connection: Connection, scope: Scope, pipeline_name: str, action_name: str
    ) -> dict[str, str] | None:
        """The configuration, in clear, of an action that is GitHub's."""
        pipeline = pipelines.find(connection, scope, pipeline_name)
        action = None if pipeline is None else pipeline.source_action(action_name)
        if action is None or (action.type.owner, action.type.provider) != _OF_GITHUB:
            return None
        return pipeline_secrets.opened(action.configuration, self._seal)[0]

    def _token(
        self, connection: Connection, scope: Scope, pipeline_name: str, action_name: str
    ) -> str | None:
        try:
            found = self._configuration(connection, scope, pipeline_name, action_name)
        except SealError:
            return None
        return None if found is None else found.get("OAuthToken")

    def _place(self, wanted: _Wanted, until: float) -> int:
        from hookline import github  # noqa: PLC0415 - slow, and most calls do without

        access = github.Access(
            self._settings.github_api_url,
            wanted.target.repository,
            wanted.target.token,
            until,
            _hidden(wanted.webhook),
            _PATIENCE_S,
        )
        hook = github.Hook(wanted.url, wanted.secret, github.events_of(wanted.filters))
        known = wanted.webhook.github_hook_id
        return github.place(
            access, hook, known if _is_in(wanted.webhook, wanted.target.repository) else None
        )

    def _remove(
        self,
        registration: Registration,
        token: str,
        until: float,
        patience: float = _PATIENCE_S,
        hidden: tuple[str, ...] = (),
    ) -> None:
        from hookline import github  # noqa: PLC0415 - the same

        access = github.Access(
            self._settings.github_api_url, registration.repository, token, until, hidden, patience
        )
        github.remove(access, registration.hook_id)

    def _note_placed(self, wanted: _Wanted, hook_id: int, spare: str | None, until: float) -> bool:
        """Note the hook, clear away the one it follows; whether the webhook still says the same."""
        webhook, repository, token = wanted.webhook, wanted.target.repository, wanted.target.token
        with self._database.write() as connection:
            webhooks.lock_scope(connection, webhook.scope)
            current = webhooks.find(connection, self._seal, webhook.scope, webhook.name)
            kept = current is not None and current.id == webhook.id
            if kept:
                webhooks.registered(connection, webhook.id, hook_id, repository)
            settled = kept and self._is_settled(connection, wanted)
        placed = replace(webhook, github_hook_id=hook_id, github_repository=repository)
        if not kept:
            self._try_to_remove(_registration(placed), until, token)
            raise WebhookNotFoundException(f"Webhook with name '{webhook.name}' was deleted")
        # The same hook answers to the old and the new name of a repository.
        if hook_id != webhook.github_hook_id and not _is_in(webhook, repository):
            self._try_to_remove(_registration(webhook), until, spare, token)
        return settled

    def _is_settled(self, connection: Connection, wanted: _Wanted) -> bool:
        try:
            return self._wanted(connection, wanted.webhook.scope, wanted.webhook.name) == wanted
        except ValidationException:
            return False

    def _withdraw(self, webhook: Webhook, until: float, token: str | None) -> None:
        """Remove the hook of a webhook that can't be registered any more."""
        registration = _registration(webhook)
        failure = self._try_to_remove(registration, until, token)
        if failure is None:
            self._note_removed(webhook)
        else:
            self._note_failure(webhook, failure, _NOT_REMOVED + failure.message)

    def _try_to_remove(
        self,
        registration: Registration | None,
        until: float,
        *tokens: str | None,
        patience: float = _PATIENCE_S,
    ) -> GitHubError | None:
        """Remove a hook with the first token that can; what the last one met, logged, too."""
        if registration is None:
            return None
        failure = GitHubError("its target has no OAuthToken any more")
        for token in dict.fromkeys(filter(None, tokens)):
            try:
                self._remove(registration, token, until, patience)
            except GitHubError as error:
                failure = error
            else:
                return None
        _log.warning(
            "a hook was left at GitHub",
            webhook=registration.arn,
            repository=registration.repository,
            hook=registration.hook_id,
            why=failure.message,
        )
        return failure

    def _note_removed(self, webhook: Webhook) -> None:
        with self._database.write() as connection:
            webhooks.deregistered(connection, webhook.id, webhook.github_hook_id)

    def _note_failure(self, webhook: Webhook, error: GitHubError, message: str) -> None:
        code = _NO_ANSWER if error.status is None else str(error.status)
        with self._database.write() as connection:
            webhooks.failed(connection, webhook.id, code, message)


def _name(parameters: Mapping[str, Any]) -> str:
    name = parameters.get("webhookName")
    if name is None:
        # The model does not ask for it, although without it there is nothing to do.
        raise ValidationException("webhookName is missing")
    return str(name)


def _hidden(webhook: Webhook) -> tuple[str, ...]:
    return webhook.secret_token or "", webhook.token


def _registration(webhook: Webhook) -> Registration | None:
    if webhook.github_hook_id is None or webhook.github_repository is None:
        return None
    return Registration(
        webhook.arn,
        webhook.github_hook_id,
        webhook.github_repository,
        webhook.target_pipeline,
        webhook.target_action,
    )


def _is_in(webhook: Webhook, repository: str) -> bool:
    # GitHub's names are the same in capital and small letters.
    return (webhook.github_repository or "").casefold() == repository.casefold()
