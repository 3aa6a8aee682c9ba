"""RegisterWebhookWithThirdParty, DeregisterWebhookWithThirdParty; GitHub's hooks follow webhooks.

No transaction is open while GitHub is asked. What was asked is compared afterwards, under the lock
that puts of webhooks take, with what the webhook says then: of concurrent changes the last one wins
at GitHub, too.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Connection

from hookline.api.dependencies import Dependencies
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
from hookline.github.hook_client import HookClient, WantedHook
from hookline.model import Authentication, Registration, Scope, Webhook
from hookline.store import pipeline_secrets, pipelines, webhooks

_ROUNDS = 3
_NOT_REGISTERED = "Webhook could not be registered with GitHub. "
_OF_GITHUB = ("ThirdParty", "GitHub")
_NOT_REMOVED = "Webhook could not be removed from GitHub. "
_UNCHANGED = (
    " The webhook's new definition counts here, but GitHub's hook is as it was, its secret "
    "included: register the webhook again."
)
_NO_ANSWER = "0"
# All that one operation asks of GitHub, its answers included.
_TOTAL_S = 15.0
# A delete should not wait long for what it can do without.
_UNREGISTER_RETRY_S = 2.0
_log = structlog.get_logger()


def url_of(settings: Settings, webhook: Webhook) -> str:
    """The URL that the webhook's sender is given (contract P3)."""
    return f"{settings.trigger_url}/trigger?t={webhook.token}&v=1"


class RegistrationOperations:
    """The operations that make GitHub's side of a webhook, and what keeps it so."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._database = dependencies.database
        self._seal = dependencies.seal
        self._settings = dependencies.settings
        self._github = HookClient(dependencies.settings.github_api_url)

    def register_webhook_with_third_party(
        self, caller: Caller, parameters: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Make the webhook's hook in its target's repository, or bring the one there up to date.

        Raises WebhookNotFoundException, and ValidationException where the target is not GitHub,
        where the webhook has no secret to sign with, or in AWS's words where GitHub refuses.
        """
        try:
            self._reconcile(caller.scope, _name(parameters), _deadline())
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
            if webhook.registration is not None:
                _, token = self._repository(connection, webhook)
        if webhook.registration is not None:
            hidden = webhook.secret_token or "", webhook.token
            try:
                self._github.remove(webhook.registration, token, _deadline(), hidden=hidden)
            except GitHubError as error:
                self._note_failure(webhook, error, message := _NOT_REMOVED + error.message)
                raise ValidationException(message) from error
        self._note_removed(webhook)
        return {}

    def sync(self, previous: Webhook) -> None:
        """Bring the hook of a registered webhook to what was put over `previous` (contract P11).

        What GitHub refuses is kept as the webhook's error. Where the webhook has become one that
        can't be registered, its hook is removed.
        """
        with self._database.read() as connection:
            earlier_token = self._token(
                connection, previous.scope, previous.target_pipeline, previous.target_action
            )
        deadline = _deadline()
        try:
            self._reconcile(previous.scope, previous.name, deadline, earlier_token)
        except GitHubError as error:
            message = _NOT_REGISTERED + error.message + _UNCHANGED
            self._note_failure(previous, error, message)
            _log.warning("a webhook's change is not at GitHub", webhook=previous.arn, why=message)
        except WebhookNotFoundException:
            _log.info("a webhook was deleted while it was put", webhook=previous.arn)
        except ValidationException:
            self._remove_hook(previous, deadline, earlier_token)

    def unregister(self, scope: Scope, registration: Registration) -> None:
        """Remove the hook of a deleted webhook (contract D4); a failure is logged."""
        token = None
        with suppress(StoreUnavailableError), self._database.read() as connection:
            token = self._token(
                connection, scope, registration.target_pipeline, registration.target_action
            )
        self._github.try_to_remove(
            registration, (token,), _deadline(), retry_for=_UNREGISTER_RETRY_S
        )

    def _reconcile(
        self, scope: Scope, name: str, deadline: float, earlier_token: str | None = None
    ) -> None:
        """Make GitHub's hook what the webhook says; `earlier_token` is for the hook it had.

        Raises GitHubError, which is noted, and what `_wanted` raises.
        """
        for _ in range(_ROUNDS):
            with self._database.read() as connection:
                wanted = self._wanted(connection, scope, name)
            try:
                hook_id = self._github.upsert(wanted, deadline)
            except GitHubError as error:
                self._note_failure(wanted.webhook, error, _NOT_REGISTERED + error.message)
                raise
            if self._note_registered(wanted, hook_id, earlier_token, deadline):
                return
        raise ThrottlingException("The webhook is being changed by others at once. Try again.")

    def _wanted(self, connection: Connection, scope: Scope, name: str) -> WantedHook:
        webhook = self._found(connection, scope, name)
        if webhook.authentication is not Authentication.GITHUB_HMAC or not webhook.secret_token:
            raise ValidationException(
                f"Webhook {name} can't be registered with GitHub: its authentication is "
                f"{webhook.authentication}, and GitHub's deliveries need GITHUB_HMAC"
            )
        repository, token = self._repository(connection, webhook)
        return WantedHook(
            webhook=webhook,
            webhook_id=webhook.id,
            repository=repository,
            token=token,
            url=url_of(self._settings, webhook),
            secret=webhook.secret_token,
            filters=webhook.filters,
        )

    def _found(self, connection: Connection, scope: Scope, name: str) -> Webhook:
        webhook = webhooks.find(connection, self._seal, scope, name)
        if webhook is None:
            raise WebhookNotFoundException(f"Webhook with name '{name}' does not exist")
        return webhook

    def _repository(self, connection: Connection, webhook: Webhook) -> tuple[str, str]:
        """The repository that the webhook's target fetches, as owner/name, and the token for it."""
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
        return f"{configuration['Owner']}/{configuration['Repo']}", configuration["OAuthToken"]

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

    def _note_registered(
        self, wanted: WantedHook, hook_id: int, earlier_token: str | None, deadline: float
    ) -> bool:
        """Note the hook, remove the one it replaces; whether the webhook still says the same."""
        webhook, repository = wanted.webhook, wanted.repository
        with self._database.write() as connection:
            webhooks.lock_scope(connection, webhook.scope)
            current = webhooks.find(connection, self._seal, webhook.scope, webhook.name)
            kept = current is not None and current.id == webhook.id
            if kept:
                webhooks.registered(connection, webhook.id, hook_id, repository)
            settled = kept and self._is_settled(connection, wanted)
        new = replace(webhook, github_hook_id=hook_id, github_repository=repository)
        if not kept:
            self._try_to_remove(new, (wanted.token,), deadline)
            raise WebhookNotFoundException(f"Webhook with name '{webhook.name}' was deleted")
        # The same hook answers to the old and the new name of a repository.
        if hook_id != webhook.github_hook_id and not webhook.is_registered_in(repository):
            self._try_to_remove(webhook, (earlier_token, wanted.token), deadline)
        return settled

    def _is_settled(self, connection: Connection, wanted: WantedHook) -> bool:
        try:
            return self._wanted(connection, wanted.webhook.scope, wanted.webhook.name) == wanted
        except ValidationException:
            return False

    def _remove_hook(self, webhook: Webhook, deadline: float, token: str | None) -> None:
        """Remove the hook of a webhook that can't be registered any more."""
        failure = self._try_to_remove(webhook, (token,), deadline)
        if failure is None:
            self._note_removed(webhook)
        else:
            self._note_failure(webhook, failure, _NOT_REMOVED + failure.message)

    def _try_to_remove(
        self, webhook: Webhook, tokens: tuple[str | None, ...], deadline: float
    ) -> GitHubError | None:
        if webhook.registration is None:
            return None
        return self._github.try_to_remove(webhook.registration, tokens, deadline)

    def _note_removed(self, webhook: Webhook) -> None:
        with self._database.write() as connection:
            webhooks.deregistered(connection, webhook.id, webhook.github_hook_id)

    def _note_failure(self, webhook: Webhook, error: GitHubError, message: str) -> None:
        code = _NO_ANSWER if error.status is None else str(error.status)
        with self._database.write() as connection:
            webhooks.failed(connection, webhook.id, code, message)


def _deadline() -> float:
    return time.monotonic() + _TOTAL_S


def _name(parameters: Mapping[str, Any]) -> str:
    name = parameters.get("webhookName")
    if name is None:
        # The model does not ask for it, although without it there is nothing to do.
        raise ValidationException("webhookName is missing")
    return str(name)
