"""PutWebhook, ListWebhooks, DeleteWebhook."""

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Connection

from hookline import jsonpath
from hookline.api import tags as api_tags
from hookline.api.codepipeline.registration import RegistrationOperations, url_of
from hookline.api.dependencies import Dependencies
from hookline.api.sigv4 import Caller
from hookline.errors import (
    InvalidWebhookAuthenticationParametersException,
    InvalidWebhookFilterPatternException,
    LimitExceededException,
    PipelineNotFoundException,
    ValidationException,
)
from hookline.filter_warnings import literal_warnings
from hookline.model import Authentication, Filter, Scope, Webhook
from hookline.sealing import MASK, is_mask
from hookline.store import pipelines, tags, webhooks

_LIMIT = 300
_PAGE = 100
_log = structlog.get_logger()


class WebhookOperations:
    """The operations on webhooks."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._database = dependencies.database
        self._seal = dependencies.seal
        self._state = dependencies.state
        self._settings = dependencies.settings
        self._page_tokens = dependencies.page_tokens
        self._registration = RegistrationOperations(dependencies)

    def put_webhook(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create a webhook, or replace the definition of the one with its name.

        GitHub's hook of one that is registered follows in the same call (contract P11). When
        GitHub refuses, the definition counts nevertheless, and `errorCode` and `errorMessage` say
        that GitHub still signs with what it had.
        """
        definition = parameters["webhook"]
        rules = tuple(
            Filter(rule["jsonPath"], rule.get("matchEquals")) for rule in definition["filters"]
        )
        _check_filters(rules)
        given_tags = parameters.get("tags")
        new_tags = None if given_tags is None else api_tags.checked(given_tags)
        with self._database.write() as connection:
            # What is read here (URL, secret, count) must still be so when it is written.
            webhooks.lock_scope(connection, caller.scope)
            previous = webhooks.find(connection, self._seal, caller.scope, definition["name"])
            webhook = self._webhook(connection, caller.scope, definition, rules, previous)
            webhooks.put(connection, self._seal, webhook)
            if new_tags is not None:
                tags.replace(connection, webhook.arn, new_tags)
            listed = self._item(connection, webhook)
        self._state.definitions_changed()
        _warn_of_literals(webhook)
        if previous is not None and previous.github_hook_id is not None:
            self._registration.sync(previous)
            listed = self._listed_now(webhook) or listed
        return {"webhook": listed}

    def list_webhooks(self, caller: Caller, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """A page of the scope's webhooks by name; a read-only key sees no URL's token."""
        size, token = parameters.get("MaxResults", _PAGE), parameters.get("NextToken")
        page = self._page_tokens.page(caller.scope, "ListWebhooks", token, size)
        with self._database.read() as connection:
            found = webhooks.page(connection, self._seal, caller.scope, page.after, page.limit)
            shown, token = page.cut(found, lambda last: last.name)
            if caller.is_read_only:
                shown = [replace(webhook, token=MASK) for webhook in shown]
            tags_of = tags.of(connection, [webhook.arn for webhook in shown])
        return {
            "webhooks": [self._shape(webhook, tags_of[webhook.arn]) for webhook in shown],
            "NextToken": token,
        }

    def delete_webhook(self, caller: Caller, parameters: Mapping[str, Any]) -> None:
        """Delete a webhook, and its hook at GitHub if that can be done; its absence is success."""
        with self._database.write() as connection:
            # What is tagged at this moment must not leave its tags to a later webhook of the name.
            webhooks.lock_scope(connection, caller.scope)
            registration = webhooks.remove(connection, caller.scope, parameters["name"])
            tags.replace(connection, caller.scope.webhook_arn(parameters["name"]), {})
        self._state.definitions_changed()
        if registration is not None:
            self._registration.unregister(caller.scope, registration)

    def _webhook(
        self,
        connection: Connection,
        scope: Scope,
        definition: Mapping[str, Any],
        rules: tuple[Filter, ...],
        previous: Webhook | None,
    ) -> Webhook:
        authentication = Authentication(definition["authentication"])
        secret, allowed = _checked_configuration(
            authentication, definition["authenticationConfiguration"], previous
        )
        _check_target(connection, scope, definition)
        given: dict[str, Any] = {
            "target_pipeline": definition["targetPipeline"],
            "target_action": definition["targetAction"],
            "filters": rules,
            "authentication": authentication,
            "secret_token": secret,
            "allowed_ip_range": allowed,
        }
        if previous is not None:
            return replace(previous, **given)
        if webhooks.count(connection, scope) >= _LIMIT:
            raise LimitExceededException(
                f"Account '{scope.account}' already has {_LIMIT} webhooks in {scope.region}, "
                "which is the limit. Delete one that is no longer used."
            )
        token = self._seal.new_token()
        return Webhook(id=0, scope=scope, name=definition["name"], token=token, **given)

    def _listed_now(self, webhook: Webhook) -> dict[str, Any] | None:
        with self._database.read() as connection:
            current = webhooks.find(connection, self._seal, webhook.scope, webhook.name)
            return None if current is None else self._item(connection, current)

    def _item(self, connection: Connection, webhook: Webhook) -> dict[str, Any]:
        return self._shape(webhook, tags.of(connection, [webhook.arn])[webhook.arn])

    def _shape(self, webhook: Webhook, tags_of: Mapping[str, str]) -> dict[str, Any]:
        return {
            "definition": {
                "name": webhook.name,
                "targetPipeline": webhook.target_pipeline,
                "targetAction": webhook.target_action,
                "filters": [_rule_shape(rule) for rule in webhook.filters],
                "authentication": webhook.authentication.value,
                "authenticationConfiguration": self._configuration_shape(webhook),
            },
            "url": url_of(self._settings, webhook),
            "arn": webhook.arn,
            "tags": api_tags.listed(tags_of),
            "lastTriggered": webhook.last_triggered,
            "errorCode": webhook.error_code,
            "errorMessage": webhook.error_message,
        }

    def _configuration_shape(self, webhook: Webhook) -> dict[str, str]:
        if webhook.secret_token is not None:
            shown = webhook.secret_token if self._settings.reveal_secrets else MASK
            return {"SecretToken": shown}
        if webhook.allowed_ip_range is not None:
            return {"AllowedIPRange": webhook.allowed_ip_range}
        return {}


def _rule_shape(rule: Filter) -> dict[str, str | None]:
    return {"jsonPath": rule.json_path, "matchEquals": rule.match_equals}


def _check_filters(rules: tuple[Filter, ...]) -> None:
    for rule in rules:
        try:
            jsonpath.compile(rule.json_path)
        except jsonpath.CompileError as error:
            raise InvalidWebhookFilterPatternException(
                f"The JSON path '{rule.json_path}' can't be used: {error}"
            ) from error


def _check_target(connection: Connection, scope: Scope, definition: Mapping[str, Any]) -> None:
    name, action = definition["targetPipeline"], definition["targetAction"]
    pipeline = pipelines.find(connection, scope, name)
    if pipeline is None:
        raise PipelineNotFoundException(
            f"Account '{scope.account}' does not have a pipeline with name '{name}'"
        )
    if pipeline.source_action(action) is None:
        raise ValidationException(
            f"Action with name {action} was not found in the first stage of the pipeline"
        )


def _checked_configuration(
    authentication: Authentication, configuration: Mapping[str, str], previous: Webhook | None
) -> tuple[str | None, str | None]:
    """The secret token and the allowed range, of which the authentication takes one or none."""
    secret, allowed = configuration.get("SecretToken"), configuration.get("AllowedIPRange")
    match authentication, secret, allowed:
        case Authentication.GITHUB_HMAC, str(), None:
            return _kept_secret(secret, previous), None
        case Authentication.IP, None, str():
            return None, _checked_range(allowed)
        case Authentication.UNAUTHENTICATED, None, None:
            return None, None
    raise InvalidWebhookAuthenticationParametersException(_WANTED[authentication])


_WANTED = {
    Authentication.GITHUB_HMAC: "GITHUB_HMAC takes SecretToken, and only that",
    Authentication.IP: "IP takes AllowedIPRange, and only that",
    Authentication.UNAUTHENTICATED: "UNAUTHENTICATED takes no authentication configuration",
}


def _kept_secret(secret: str, previous: Webhook | None) -> str:
    if not is_mask(secret):
        return secret
    if previous is None or previous.secret_token is None:
        raise InvalidWebhookAuthenticationParametersException(
            f"SecretToken is '{secret}', which stands for the secret that a webhook has "
            "already, and this one has none. Give the secret itself."
        )
    return previous.secret_token


def _checked_range(text: str) -> str:
    if not _is_range(text):
        raise InvalidWebhookAuthenticationParametersException(
            f"AllowedIPRange '{text}' is not a valid CIDR range{_suggestion(text)}"
        )
    return text


def _is_range(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return _has_prefix_length(text)


def _has_prefix_length(text: str) -> bool:
    return text.partition("/")[2].isdecimal()


def _suggestion(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ", such as 192.0.2.0/24 or 2001:db8::/32"
    fault = "it has host bits set" if _has_prefix_length(text) else "it has no prefix length"
    return f": {fault}. Did you mean {network}?"


def _warn_of_literals(webhook: Webhook) -> None:
    for rule in webhook.filters:
        for warning in literal_warnings(rule):
            _log.warning(
                "a filter may never match",
                webhook=webhook.arn,
                json_path=rule.json_path,
                match_equals=rule.match_equals,
                reason=warning,
            )
