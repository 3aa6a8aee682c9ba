"""Every constraint of the model, in AWS's words, with the path of the member, and no secret."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.api import constraints
from hookline.api.constraints import MAX_FAILURES
from hookline.api.service import CODEPIPELINE, Operation
from hookline.errors import ApiError, InvalidInputException, ValidationException
from support.broken_values import broken
from support.model_values import OPERATIONS, full

WEBHOOK: dict[str, Any] = {
    "name": "deploy",
    "targetPipeline": "release",
    "targetAction": "Source",
    "filters": [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}],
    "authentication": "GITHUB_HMAC",
    "authenticationConfiguration": {"SecretToken": "hush"},
}
ACTION = "pipeline.stages.1.member.actions.1.member"


def check(operation: str, parameters: dict[str, Any]) -> None:
    constraints.check(CODEPIPELINE.operations[operation], parameters)


def refused(operation: str | Operation, parameters: dict[str, Any]) -> str:
    named = CODEPIPELINE.operations[operation] if isinstance(operation, str) else operation
    with pytest.raises(ApiError) as caught:
        constraints.check(named, parameters)
    codepipeline = named.service is CODEPIPELINE
    assert type(caught.value) is (ValidationException if codepipeline else InvalidInputException)
    return caught.value.message


def refused_webhook(**changes: Any) -> str:
    return refused("PutWebhook", {"webhook": {**WEBHOOK, **changes}})


def pipeline_with(action: dict[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = copy.deepcopy(
        full(CODEPIPELINE.operations["CreatePipeline"].input_shape)
    )
    parameters["pipeline"]["stages"][0]["actions"][0].update(action)
    return parameters


def one(shown: str, path: str, constraint: str) -> str:
    return (
        f"1 validation error detected: Value {shown} at '{path}' failed to satisfy constraint: "
        f"{constraint}"
    )


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_w3_each_broken_constraint_names_its_member(operation: Operation) -> None:
    shape = operation.input_shape
    for parameters, path in broken(shape, full(shape), ""):
        assert f" at '{path}' failed to satisfy constraint: M" in refused(operation, parameters)


def test_w3_the_test_above_breaks_hundreds_of_constraints() -> None:
    count = 0
    for operation in OPERATIONS:
        shape = operation.input_shape
        count += sum(1 for _ in broken(shape, full(shape), ""))
    assert count > 500


def test_w3_pattern() -> None:
    assert refused_webhook(name="a b") == one(
        "'a b'",
        "webhook.name",
        r"Member must satisfy regular expression pattern: [A-Za-z0-9.@\-_]+",
    )


def test_w3_a_pattern_must_match_all_of_the_value() -> None:
    for name in ("good\n", "\ngood", "good bad", "é", "ﬁ"):
        assert "regular expression" in refused_webhook(name=name)


def test_w3_required() -> None:
    webhook = {key: item for key, item in WEBHOOK.items() if key != "name"}
    assert refused("PutWebhook", {"webhook": webhook}) == one(
        "null", "webhook.name", "Member must not be null"
    )
    assert refused("PutWebhook", {}) == one("null", "webhook", "Member must not be null")


def test_w3_length_and_range_and_enum() -> None:
    assert refused_webhook(name="a" * 101).endswith(
        "failed to satisfy constraint: Member must have length less than or equal to 100"
    )
    assert refused_webhook(filters=[{"jsonPath": ""}]) == one(
        "''",
        "webhook.filters.1.member.jsonPath",
        "Member must have length greater than or equal to 1",
    )
    assert refused("ListWebhooks", {"MaxResults": 101}) == one(
        "'101'", "maxResults", "Member must have value less than or equal to 100"
    )
    assert refused("ListWebhooks", {"MaxResults": 0}) == one(
        "'0'", "maxResults", "Member must have value greater than or equal to 1"
    )
    assert refused_webhook(authentication="NONE") == one(
        "'NONE'",
        "webhook.authentication",
        "Member must satisfy enum value set: [GITHUB_HMAC, IP, UNAUTHENTICATED]",
    )


def test_w3_length_counts_characters() -> None:
    check("TagResource", {"resourceArn": ARN, "tags": [{"key": "😀" * 128, "value": ""}]})
    tags = [{"key": "😀" * 129, "value": ""}]
    assert "'tags.1.member.key'" in refused("TagResource", {"resourceArn": ARN, "tags": tags})


ARN = "arn:aws:codepipeline:us-east-1:123456789012:webhook:deploy"


def test_w3_list_size_and_positions() -> None:
    rule = WEBHOOK["filters"][0]
    check("PutWebhook", {"webhook": {**WEBHOOK, "filters": [rule] * 5}})
    names = ", ".join(["WebhookFilterRule"] * 6)
    assert refused_webhook(filters=[rule] * 6) == one(
        f"'[{names}]'", "webhook.filters", "Member must have length less than or equal to 5"
    )
    assert refused_webhook(filters=[rule, {"matchEquals": "x"}]) == one(
        "null", "webhook.filters.2.member.jsonPath", "Member must not be null"
    )
    assert refused_webhook(filters=[None]) == one(
        "null", "webhook.filters.1.member", "Member must not be null"
    )


def test_w3_counts_and_joins_errors() -> None:
    message = refused_webhook(name="a b", filters=[{"jsonPath": "$", "matchEquals": ""}])
    first, second = message.split("; ")
    assert first.startswith("2 validation errors detected: Value 'a b' at 'webhook.name' ")
    assert second.startswith("Value '' at 'webhook.filters.1.member.matchEquals' failed ")


def test_w3_entries_that_are_scalars_are_named_by_their_list() -> None:
    assert refused("UntagResource", {"resourceArn": ARN, "tagKeys": ["fine", ""]}) == one(
        "'[fine, ]'",
        "tagKeys",
        "Member must satisfy constraint: [Member must have length less than or equal to 128, "
        "Member must have length greater than or equal to 1, Member must not be null]",
    )


def test_w3_maps_name_their_keys_and_values() -> None:
    parameters = {"jobId": full(CODEPIPELINE.shape("JobId")), "outputVariables": {"a b": "c"}}
    assert refused("PutJobSuccessResult", parameters) == one(
        "'{a b=c}'",
        "outputVariables",
        "Map keys must satisfy constraint: "
        r"[Member must satisfy regular expression pattern: [A-Za-z0-9@\-_]+]",
    )
    parameters["outputVariables"] = {"a": None}
    assert refused("PutJobSuccessResult", parameters) == one(
        "'{a=null}'",
        "outputVariables",
        "Map value must satisfy constraint: [Member must not be null]",
    )


def test_w3_at_most_25_errors_are_named() -> None:
    tags = [{"key": "", "value": ""}] * 40
    message = refused("TagResource", {"resourceArn": ARN, "tags": tags})
    assert message.startswith(f"{MAX_FAILURES} validation errors detected: ")
    assert message.count("; ") == MAX_FAILURES - 1


def test_w3_a_long_value_is_cut() -> None:
    message = refused_webhook(name="a" * 5000)
    assert f"Value '{'a' * 256}…' at 'webhook.name'" in message
    assert len(message) < 500


SECRET = "hush-hush"


@pytest.mark.parametrize(
    ("operation", "parameters", "path"),
    [
        (
            "PutWebhook",
            {"webhook": {**WEBHOOK, "authenticationConfiguration": {"SecretToken": SECRET * 20}}},
            "webhook.authenticationConfiguration.secretToken",
        ),
        (
            "CreatePipeline",
            pipeline_with({"configuration": {"OAuthToken": SECRET, "Branch": ""}}),
            f"{ACTION}.configuration",
        ),
        (
            "CreatePipeline",
            pipeline_with({"configuration": {SECRET * 10: "a"}}),
            f"{ACTION}.configuration",
        ),
        (
            "CreatePipeline",
            pipeline_with({"environmentVariables": [{"name": "A", "value": SECRET + "\n"}]}),
            f"{ACTION}.environmentVariables.1.member.value",
        ),
        (
            "GetThirdPartyJobDetails",
            {"jobId": "a", "clientToken": SECRET * 50},
            "clientToken",
        ),
    ],
)
def test_w3_secrets_never_appear_in_a_message(
    operation: str, parameters: dict[str, Any], path: str
) -> None:
    message = refused(operation, parameters)
    assert SECRET not in message
    assert f"Value '***' at '{path}' failed" in message


def test_w3_a_value_around_secrets_shows_none_of_them() -> None:
    action = full(CODEPIPELINE.shape("ActionDeclaration"))
    action["configuration"] = {"OAuthToken": SECRET}
    parameters = pipeline_with({})
    parameters["pipeline"]["stages"][0]["actions"] = [action] * 60
    parameters["pipeline"]["variables"] *= 51
    message = refused("CreatePipeline", parameters)
    assert SECRET not in message


def test_w3_what_the_model_marks_as_sensitive_is_never_shown() -> None:
    # No input of today's model has such a shape; a later one may.
    for name in ("SecretAccessKey", "SessionToken", "AccessKeyId"):
        assert constraints._shown(CODEPIPELINE.shape(name), SECRET) == "'***'"


@given(st.text(max_size=200))
def test_w3_any_name_is_judged_as_the_model_says(name: str) -> None:
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.@-_")
    parameters = {"webhook": {**WEBHOOK, "name": name}}
    if 1 <= len(name) <= 100 and set(name) <= allowed:
        check("PutWebhook", parameters)
    else:
        assert " at 'webhook.name' " in refused("PutWebhook", parameters)
