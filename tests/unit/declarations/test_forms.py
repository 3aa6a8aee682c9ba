import json
from typing import Any

import pytest
import yaml

from hookline.declarations.reading import read
from hookline.declarations.resources import Declarations, Kind
from hookline.declarations.stack import StackContext
from hookline.errors import HooklineError
from support.tenant import commands, declaration, source

CONTEXT = StackContext(account="111122223333", region="eu-west-1", stack_name="", parameters={})
PIPELINE = declaration("app", source(), ("Build", commands("Make", "true")))
WEBHOOK = {
    "name": "hook",
    "targetPipeline": "app",
    "targetAction": "App",
    "filters": [],
    "authentication": "UNAUTHENTICATED",
    "authenticationConfiguration": {},
}
TAGS = [{"key": "team", "value": "a"}]


def declared(*contents: Any) -> Declarations:
    files = [(f"{n}.json", json.dumps(content).encode()) for n, content in enumerate(contents, 1)]
    return read(files, CONTEXT)


@pytest.mark.parametrize(
    "content",
    [
        {"pipeline": {**PIPELINE, "version": 3}, "metadata": {"created": 1}, "tags": TAGS},
        {"pipelines": [{"pipeline": PIPELINE, "tags": TAGS}]},
        [{"pipeline": PIPELINE, "tags": TAGS}],
    ],
)
def test_pipelines_are_taken_as_clients_print_them(content: Any) -> None:
    [found] = declared(content).of(Kind.PIPELINE)
    assert (found.name, found.declaration, found.tags) == ("app", PIPELINE, {"team": "a"})


@pytest.mark.parametrize(
    "content",
    [
        {"webhooks": [{"definition": WEBHOOK, "url": "u", "arn": "a", "tags": TAGS}]},
        {"webhook": {"definition": WEBHOOK, "url": "u", "arn": "a", "tags": TAGS}},
        {"webhook": WEBHOOK, "tags": TAGS},
        {"webhooks": [{"webhook": WEBHOOK, "tags": TAGS, "registered": False}]},
    ],
)
def test_webhooks_are_taken_as_clients_print_and_take_them(content: Any) -> None:
    [found] = declared(content).of(Kind.WEBHOOK)
    assert (found.name, found.declaration, found.tags) == ("hook", WEBHOOK, {"team": "a"})
    assert not found.registered


def test_bare_ones_say_nothing_of_tags() -> None:
    found = declared(PIPELINE, WEBHOOK)
    assert found.of(Kind.PIPELINE)[0].tags is None
    assert found.of(Kind.WEBHOOK)[0].tags is None
    assert found.of(Kind.WEBHOOK)[0].place == "2.json"


def test_yaml_numbers_become_the_texts_that_the_model_wants() -> None:
    text = yaml.safe_dump(PIPELINE).replace("'1'", "1")
    [found] = read([("a.yaml", text.encode())], CONTEXT).of(Kind.PIPELINE)
    assert found.declaration == PIPELINE


DETAILS = {"minimumCount": 0, "maximumCount": 5}
TYPE = {
    "category": "Build",
    "provider": "Mine",
    "version": "1",
    "configurationProperties": [{"name": "A", "required": True, "key": True, "secret": False}],
    "inputArtifactDetails": DETAILS,
    "outputArtifactDetails": DETAILS,
}
LISTED: dict[str, Any] = {
    "id": {"category": "Build", "owner": "Custom", "provider": "Mine", "version": "1"},
    "actionConfigurationProperties": TYPE["configurationProperties"],
    "inputArtifactDetails": DETAILS,
    "outputArtifactDetails": DETAILS,
}


@pytest.mark.parametrize(
    "content",
    [TYPE, {"actionTypes": [TYPE]}, {"actionTypes": [LISTED]}, {"actionType": LISTED}],
)
def test_custom_action_types_are_taken_as_clients_print_and_take_them(content: Any) -> None:
    [found] = declared(content).of(Kind.ACTION_TYPE)
    assert (found.name, found.declaration) == ("Build Mine 1", TYPE)


PROJECT: dict[str, Any] = {
    "name": "make",
    "source": {"type": "CODEPIPELINE", "buildspec": "version: 0.2\n"},
    "artifacts": {"type": "CODEPIPELINE"},
    "environment": {
        "type": "LINUX_CONTAINER",
        "image": "aws/codebuild/standard:7.0",
        "computeType": "BUILD_GENERAL1_SMALL",
    },
    "serviceRole": "arn:aws:iam::000000000000:role/build",
}
SHOWN_PROJECT = {
    **PROJECT,
    "arn": "arn:aws:codebuild:eu-west-1:111122223333:project/make",
    "created": "2026-01-01T00:00:00+00:00",
    "lastModified": 1.5,
    "badge": {"badgeEnabled": False},
    "projectVisibility": "PRIVATE",
    "tags": TAGS,
}


@pytest.mark.parametrize(
    "content",
    [
        {**PROJECT, "tags": TAGS},
        {"projects": [{**PROJECT, "tags": TAGS}]},
        {"projects": [SHOWN_PROJECT], "projectsNotFound": []},
        {"project": SHOWN_PROJECT},
    ],
)
def test_build_projects_are_taken_as_clients_print_and_take_them(content: Any) -> None:
    [found] = declared(content).of(Kind.PROJECT)
    assert (found.name, found.declaration, found.tags) == ("make", PROJECT, {"team": "a"})
    assert found.left_out == ()


def test_a_badge_is_kept_and_what_is_not_built_is_left_out() -> None:
    public = {
        **SHOWN_PROJECT,
        "badge": {"badgeEnabled": True, "badgeRequestUrl": "https://b"},
        "projectVisibility": "PUBLIC_READ",
        "resourceAccessRole": "arn",
        "webhook": {"url": "https://w", "secret": "s3cret"},
    }
    [found] = declared({"projects": [public]}).of(Kind.PROJECT)
    assert found.declaration == {**PROJECT, "badgeEnabled": True}
    assert found.left_out == ("webhook", "resourceAccessRole", "projectVisibility")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"projects": ["make"]}, "projects[0] declares nothing"),
        ({"project": 1}, "1.json: project must be an object"),
        ({**PROJECT, "timeout": 5}, "Did you mean 'timeoutInMinutes'?"),
        ({**PROJECT, "environment": {}}, "build project.environment has no 'image'"),
        ({**PROJECT, "timeoutInMinutes": 1}, "build project.timeoutInMinutes: the value '1' is"),
        ({"actionTypes": [{**LISTED, "id": {**LISTED["id"], "owner": "AWS"}}]}, "of AWS, which"),
        ({"actionTypes": [TYPE, LISTED]}, "'Build Mine 1' is declared twice"),
        ({"name": "a", "created": 1, "updated": 2}, "is a summary, as list-pipelines prints it"),
        ({"other": 1}, "1.json has 'other', and is none of the forms"),
        ("text", "declares nothing"),
        ({"webhooks": [], "NextToken": "x"}, "one page of several"),
        ({"webhooks": {}}, "webhooks must be a list"),
        ({"webhook": WEBHOOK, "tag": TAGS}, "has 'tag', which doesn't belong there"),
        ({"pipeline": {**PIPELINE, "stage": []}}, "Did you mean 'stages'?"),
        ({"pipeline": {"stages": []}}, "1.json: pipeline has no 'name', which is required"),
        ({**WEBHOOK, "filters": {}}, "webhook.filters must be a list, and is an object"),
        ({**WEBHOOK, "filters": [3]}, "webhook.filters[0] must be an object, and is a number"),
        ({**WEBHOOK, "name": None}, "webhook.name must be a text, and is empty"),
        ([{**WEBHOOK, "x": 1}], "1.json[0]: webhook has 'x'"),
        ([WEBHOOK, WEBHOOK], "'hook' is declared twice: in 1.json[0] and in 1.json[1]"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(content: Any, message: str) -> None:
    with pytest.raises(HooklineError) as raised:
        declared(content)
    assert message in raised.value.message
