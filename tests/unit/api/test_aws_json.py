"""AWS JSON 1.1: what is read, what is refused, and what is written."""

import json
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import pytest

from hookline.api.aws_json import AWS_JSON
from hookline.api.protocol import MAX_DEPTH
from hookline.api.service import CODEPIPELINE
from hookline.errors import SerializationException

if TYPE_CHECKING:
    pass

_CONFIGURATION = "pipeline.stages.1.member.actions.1.member.configuration"


def parse(operation: str, body: bytes) -> dict[str, Any]:
    return AWS_JSON.parse(CODEPIPELINE.operations[operation], body)


def render(operation: str, output: Any) -> bytes:
    return AWS_JSON.render(CODEPIPELINE.operations[operation], output)


def refused(operation: str, body: bytes) -> str:
    with pytest.raises(SerializationException) as caught:
        parse(operation, body)
    return caught.value.message


def test_w2_the_model_has_44_operations() -> None:
    assert len(CODEPIPELINE.operations) == 44


def test_w1_timestamps_are_numbers() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 250_000, timezone(timedelta(hours=2)))
    for given_time in (moment, moment.timestamp()):
        body = render("ListWebhooks", {"webhooks": [{"lastTriggered": given_time}]})
        assert json.loads(body)["webhooks"][0]["lastTriggered"] == 1767315845.25


def test_w1_only_members_of_the_model_are_rendered() -> None:
    class Word(StrEnum):
        IP = "IP"

    webhook = {"definition": {"authentication": Word.IP}, "token": "hush", "url": None}
    assert json.loads(render("PutWebhook", {"webhook": webhook, "extra": 1})) == {
        "webhook": {"definition": {"authentication": "IP"}}
    }
    assert render("DeletePipeline", None) == render("DeleteWebhook", None) == b"{}"


@pytest.mark.parametrize(
    "item",
    [
        {"url": 5},
        {"arn": ["hush"]},
        {"tags": {"key": "hush"}},
        {"lastTriggered": "2026-01-02T03:04:05Z"},
        {"lastTriggered": datetime(2026, 1, 2)},  # noqa: DTZ001 -- no time zone is the point
        {"lastTriggered": float("nan")},
        {"lastTriggered": True},
    ],
)
def test_w1_an_output_of_another_type_is_the_handlers_fault(item: dict[str, Any]) -> None:
    with pytest.raises(TypeError) as caught:
        render("ListWebhooks", {"webhooks": [item]})
    assert "hush" not in str(caught.value)


def test_w1_members_unknown_or_null_are_absent() -> None:
    body = b'{"name": "a", "colour": {"deep": [[]]}, "version": null, "Name": "b"}'
    assert parse("GetPipeline", body) == {"name": "a"}


def test_w1_the_last_of_a_repeated_key_counts() -> None:
    assert parse("GetPipeline", b'{"name": "a", "name": "b"}') == {"name": "b"}


def test_w1_nulls_inside_lists_and_maps_stay_for_the_constraints() -> None:
    assert parse("TagResource", b'{"tags": [null]}') == {"tags": [None]}
    body = b'{"jobId": "x", "outputVariables": {"a": null}}'
    assert parse("PutJobSuccessResult", body) == {"jobId": "x", "outputVariables": {"a": None}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"name=a",
        b"{'name': 'a'}",
        b'{"version": NaN}',
        b'{"version": Infinity}',
        b'{"version": 01}',
        b'\xef\xbb\xbf{"name": "a"}',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        '{"name": "a"}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"name": "a"} {}',
    ],
)
def test_w4_what_is_not_json_is_a_serialization_exception(body: bytes) -> None:
    assert refused("GetPipeline", body).startswith("The request body is not")


def test_w4_nesting_is_limited_where_the_model_looks_and_where_not() -> None:
    def nested(depth: int) -> bytes:
        return b'{"name": "a", "extra": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert parse("GetPipeline", nested(MAX_DEPTH)) == {"name": "a"}
    assert "nested deeper than 64" in refused("GetPipeline", nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("body", [b"null", b"[]", b'"name"', b"5", b"true"])
def test_w4_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    assert refused("GetPipeline", body).startswith("The request body: expected an object, found ")


@pytest.mark.parametrize(
    ("operation", "body", "message"),
    [
        ("GetPipeline", b'{"name": 5}', "name: expected a string, found an integer."),
        ("GetPipeline", b'{"name": "a\\u0000"}', "name: the string has the character U+0000."),
        ("GetPipeline", b'{"version": "5"}', "version: expected an integer, found a string."),
        ("GetPipeline", b'{"version": 5.0}', "version: expected an integer, found a number."),
        ("GetPipeline", b'{"version": true}', "version: expected an integer, found a boolean."),
        ("GetPipeline", b'{"version": 1e400}', None),
        ("GetPipeline", b'{"version": 2147483648}', "version: the number does not fit in 32 bits."),
        ("ListWebhooks", b'{"MaxResults": []}', "maxResults: expected an integer, found a list."),
        ("PutWebhook", b'{"webhook": []}', "webhook: expected an object, found a list."),
        (
            "PutWebhook",
            b'{"webhook": {"filters": [{}, {"jsonPath": {"hush": 1}}]}}',
            "webhook.filters.2.member.jsonPath: expected a string, found an object.",
        ),
        ("PutWebhook", b'{"tags": {}}', "tags: expected a list, found an object."),
        (
            "UpdatePipeline",
            b'{"pipeline": {"stages": [{"actions": [{"configuration": {"OAuthToken": 5}}]}]}}',
            _CONFIGURATION + ".1.member: expected a string, found an integer.",
        ),
        (
            "StartPipelineExecution",
            b'{"variables": "x"}',
            "variables: expected a list, found a string.",
        ),
        (
            "PutActionRevision",
            b'{"actionRevision": {"created": "2026-01-02"}}',
            "actionRevision.created: expected epoch seconds as a number, found a string.",
        ),
        (
            "PutActionRevision",
            b'{"actionRevision": {"created": 1e300}}',
            "actionRevision.created: the number is no time between years 1 and 9999.",
        ),
        ("PollForJobs", b'{"queryParam": []}', "queryParam: expected an object, found a list."),
    ],
)
def test_w3_a_member_of_another_type_is_named(
    operation: str, body: bytes, message: str | None
) -> None:
    text = refused(operation, body)
    assert text == message or message is None


def test_w3_booleans_are_not_strings() -> None:
    body = b'{"pipelineName": "a", "transitionType": true}'
    assert "transitionType: expected a string, found a boolean." in refused(
        "DisableStageTransition", body
    )
    text = refused("StopPipelineExecution", b'{"abandon": "true"}')
    assert text == "abandon: expected a boolean, found a string."


def test_w1_epoch_seconds_may_have_a_fraction() -> None:
    seconds = parse("PutActionRevision", b'{"actionRevision": {"created": 1700000000.5}}')
    created = seconds["actionRevision"]["created"]
    assert datetime.fromtimestamp(created, UTC).microsecond == 500_000
