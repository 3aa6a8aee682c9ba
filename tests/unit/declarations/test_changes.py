import copy
import json
from typing import Any

import pytest

from hookline.api.codebuild.project_views import settled
from hookline.api.codepipeline.pipeline_structure import with_defaults
from hookline.declarations.changes import Change, Effect, Options, changes
from hookline.declarations.resources import Current, Declarations, Declared, Kind, Present
from hookline.declarations.secrets import Secrets
from hookline.errors import HooklineError
from hookline.model import Scope
from support.tenant import commands, declaration, source

PIPELINE = declaration("app", source(), ("Build", commands("Make", "true")))
WEBHOOK: dict[str, Any] = {
    "name": "hook",
    "targetPipeline": "app",
    "targetAction": "App",
    "filters": [{"jsonPath": "$.a"}, {"jsonPath": "$.b", "matchEquals": "x"}],
    "authentication": "GITHUB_HMAC",
    "authenticationConfiguration": {"SecretToken": "s3cret"},
}
NOTHING = Current(pipelines={}, webhooks={})


def masked(content: Any) -> Any:
    """A declaration as the server answers it."""
    shown = copy.deepcopy(content)
    if "stages" in shown:
        shown = with_defaults(shown)
        shown["stages"][0]["actions"][0]["configuration"]["OAuthToken"] = "****"
    else:
        shown["authenticationConfiguration"]["SecretToken"] = "****"
    return shown


ARN = "arn:aws:codebuild:eu-west-1:111122223333:project/make"
PROJECT: dict[str, Any] = {
    "name": "make",
    "source": {"type": "CODEPIPELINE", "buildspec": "version: 0.2\nphases: {}\n"},
    "artifacts": {"type": "CODEPIPELINE"},
    "environment": {
        "type": "LINUX_CONTAINER",
        "image": "aws/codebuild/standard:7.0",
        "computeType": "BUILD_GENERAL1_SMALL",
        "environmentVariables": [{"name": "STAGE", "value": "live"}],
    },
    "serviceRole": "arn:aws:iam::000000000000:role/build",
}


def having(content: Any, tags: dict[str, str] | None = None) -> Current:
    """A server that has the project."""
    shown = settled(Scope("111122223333", "eu-west-1"), "make", content)
    return Current(projects={"make": Present(declaration=shown, tags=tags or {}, arn=ARN)})


def project(content: Any, present: Current, tags: Any = None, **options: bool) -> Change:
    declared = Declared(kind=Kind.PROJECT, declaration=content, tags=tags, place="file")
    [change] = changes(Declarations(resources=(declared,)), present, Options(**options))
    return change


def current(tags: dict[str, str] | None = None, **more: Any) -> Current:
    pipeline = Present(declaration=masked(PIPELINE), tags=tags or {}, arn="arn:app")
    webhook = Present(declaration=masked(WEBHOOK), tags=tags or {}, arn="arn:hook", **more)
    return Current(pipelines={"app": pipeline}, webhooks={"hook": webhook})


def pipeline(content: Any, present: Current, tags: Any = None, **options: bool) -> Change:
    declared = Declared(kind=Kind.PIPELINE, declaration=content, tags=tags, place="file")
    [change] = changes(Declarations(resources=(declared,)), present, Options(**options))
    return change


def webhook(content: Any, present: Current, tags: Any = None, **options: bool) -> Change:
    declared = Declared(
        kind=Kind.WEBHOOK,
        declaration=content,
        tags=tags,
        place="file",
        registered=options.pop("registered", False),
    )
    [change] = changes(Declarations(resources=(declared,)), present, Options(**options))
    return change


def operations(change: Change) -> list[str]:
    return [call.operation for call in change.calls]


def test_what_is_absent_is_created() -> None:
    made = pipeline(PIPELINE, NOTHING, {"team": "a"})
    assert (made.effect, operations(made)) == (Effect.CREATE, ["CreatePipeline"])
    assert made.calls[0].parameters["tags"] == [{"key": "team", "value": "a"}]
    assert "+ secret: will be set" in made.lines
    assert "gh-token" not in "\n".join(made.lines) + repr(made)


def test_what_is_the_same_but_for_defaults_order_and_secrets_is_left_alone() -> None:
    turned = {**WEBHOOK, "filters": WEBHOOK["filters"][::-1]}
    for change in (pipeline(PIPELINE, current()), webhook(turned, current())):
        assert (change.effect, change.lines, change.calls) == (Effect.KEEP, (), ())


def test_a_difference_is_shown_and_mended() -> None:
    changed = copy.deepcopy(PIPELINE)
    changed["stages"][0]["actions"][0]["configuration"] |= {"Branch": "next", "OAuthToken": "****"}
    made = pipeline(changed, current())
    assert (made.effect, operations(made)) == (Effect.CHANGE, ["UpdatePipeline"])
    assert [line for line in made.lines if line[0] in "+-"] == [
        "-      Branch: main",
        "+      Branch: next",
    ]


def test_a_project_is_created_changed_and_left_alone() -> None:
    made = project(PROJECT, NOTHING, {"team": "a"})
    assert (made.effect, operations(made)) == (Effect.CREATE, ["CreateProject"])
    tags = [{"key": "team", "value": "a"}]
    assert made.calls[0].parameters == {**PROJECT, "tags": tags}
    assert "+    phases: {}" in made.lines
    assert project(PROJECT, having(PROJECT)).effect is Effect.KEEP
    assert project(PROJECT, having(PROJECT), {"team": "a"}).calls[0].parameters["tags"] == tags
    changed = {**PROJECT, "timeoutInMinutes": 30}
    made = project(changed, having(PROJECT))
    assert (made.effect, operations(made)) == (Effect.CHANGE, ["UpdateProject"])
    assert [line for line in made.lines if line[0] in "+-"] == [
        "-timeoutInMinutes: 60",
        "+timeoutInMinutes: 30",
    ]


def test_what_a_project_no_longer_has_is_taken_away() -> None:
    more = {
        "description": "d",
        "sourceVersion": "main",
        "timeoutInMinutes": 30,
        "encryptionKey": "arn:aws:kms:eu-west-1:111122223333:key/k",
        "vpcConfig": {"vpcId": "v", "subnets": ["s"], "securityGroupIds": ["g"]},
        "badgeEnabled": True,
        "cache": {"type": "LOCAL", "modes": ["LOCAL_SOURCE_CACHE"]},
        "concurrentBuildLimit": 2,
    }
    made = project(PROJECT, having({**PROJECT, **more}))
    parameters = made.calls[0].parameters
    assert {key: parameters[key] for key in more} == {
        "description": "",
        "sourceVersion": "",
        "timeoutInMinutes": 60,
        "encryptionKey": "arn:aws:kms:eu-west-1:111122223333:alias/aws/s3",
        "vpcConfig": {},
        "badgeEnabled": False,
        "cache": {"type": "NO_CACHE"},
        "concurrentBuildLimit": -1,
    }
    removed = {"description": "", "sourceVersion": "", "badgeEnabled": False, "autoRetryLimit": 0}
    assert project(PROJECT, having({**PROJECT, **removed})).effect is Effect.KEEP


def test_a_projects_variables_are_shown_but_for_secrets() -> None:
    def having_variables(**values: str) -> Any:
        variables = [{"name": name, "value": value} for name, value in values.items()]
        environment = {**PROJECT["environment"], "environmentVariables": variables}
        return {**PROJECT, "environment": environment}

    before = having(having_variables(KEPT="as-it-is", STAGE="test", API_TOKEN="t0ken"))
    wanted = having_variables(KEPT="****", STAGE="live", API_TOKEN="oth3r")
    made = project(wanted, before)
    assert [line.strip("+- ") for line in made.lines if line[0] in "+-"] == [
        "value: test",
        "value: live",
    ]
    shown = "".join(made.lines)
    assert not any(value in shown for value in ("as-it-is", "t0ken", "oth3r"))
    variables = made.calls[0].parameters["environment"]["environmentVariables"]
    assert [item["value"] for item in variables] == ["as-it-is", "live", "oth3r"]


def test_what_only_names_a_secret_is_shown() -> None:
    variable = {"name": "API_TOKEN", "value": "api:token", "type": "SECRETS_MANAGER"}
    environment = {
        **PROJECT["environment"],
        "environmentVariables": [variable],
        "imagePullCredentialsType": "SERVICE_ROLE",
    }
    lines = project({**PROJECT, "environment": environment}, NOTHING).lines
    assert "+    value: api:token" in lines
    assert "+  imagePullCredentialsType: SERVICE_ROLE" in lines


def test_what_is_left_out_of_a_project_is_noted() -> None:
    declared = Declared(
        kind=Kind.PROJECT, declaration=PROJECT, place="file", left_out=("Triggers",)
    )
    [change] = changes(Declarations(resources=(declared,)), having(PROJECT), Options())
    assert change.effect is Effect.KEEP
    assert change.note.startswith("build project make: Triggers not acted on; there")


def test_projects_come_before_the_pipelines_that_use_them() -> None:
    declared = (
        Declared(kind=Kind.PIPELINE, declaration=PIPELINE, place="file"),
        Declared(kind=Kind.PROJECT, declaration=PROJECT, place="file"),
    )
    made = changes(Declarations(resources=declared), NOTHING, Options())
    assert [operations(item) for item in made] == [["CreateProject"], ["CreatePipeline"]]


def test_set_secrets_sets_them_although_nothing_else_differs() -> None:
    made = webhook(WEBHOOK, current(), set_secrets=True)
    assert (operations(made), made.lines) == (["PutWebhook"], ("+ secret: will be set",))
    assert webhook(masked(WEBHOOK), current(), set_secrets=True).effect is Effect.KEEP


def test_a_secret_that_a_server_reveals_is_compared_and_not_shown() -> None:
    revealed = Present(declaration=WEBHOOK, tags={}, arn="")
    present = Current(pipelines={}, webhooks={"hook": revealed})
    assert webhook(WEBHOOK, present).effect is Effect.KEEP
    assert webhook(masked(WEBHOOK), present).effect is Effect.KEEP
    other = {**WEBHOOK, "authenticationConfiguration": {"SecretToken": "oth3r"}}
    made = webhook(other, present)
    assert (operations(made), made.lines) == (["PutWebhook"], ("+ secret: will be set",))


def test_a_mask_of_what_the_server_shows_is_filled_in() -> None:
    shown = masked(PIPELINE)
    shown["stages"][1]["actions"][0]["configuration"] = {"ClientSecret": "abc"}
    present = Current(pipelines={"app": Present(declaration=shown, tags={}, arn="")}, webhooks={})
    wanted = copy.deepcopy(shown)
    wanted["roleArn"] = "arn:aws:iam::000000000000:role/other"
    wanted["stages"][1]["actions"][0]["configuration"] = {"ClientSecret": "****"}
    [call] = pipeline(wanted, present).calls
    actions = call.parameters["pipeline"]["stages"][1]["actions"]
    assert actions[0]["configuration"] == {"ClientSecret": "abc"}


@pytest.mark.parametrize("present", [NOTHING, Current(pipelines={}, webhooks={})])
def test_a_mask_without_a_secret_behind_it_is_an_error_before_anything_is_done(
    present: Current,
) -> None:
    with pytest.raises(HooklineError, match=r"authenticationConfiguration\.SecretToken.*none is"):
        webhook(masked(WEBHOOK), present)
    with pytest.raises(HooklineError, match=r"stages\[Source\]\.actions\[App\]\.conf.*OAuthToken"):
        pipeline(masked(PIPELINE), present)


def test_tags_are_added_and_removed_and_unsaid_ones_stay() -> None:
    present = current({"a": "1", "b": "2"})
    assert pipeline(PIPELINE, present).effect is Effect.KEEP
    made = pipeline(PIPELINE, present, {"a": "3"})
    assert [dict(call.parameters) for call in made.calls] == [
        {"resourceArn": "arn:app", "tagKeys": ["b"]},
        {"resourceArn": "arn:app", "tags": [{"key": "a", "value": "3"}]},
    ]
    assert operations(webhook(WEBHOOK, present, {})) == ["PutWebhook"]
    assert webhook(WEBHOOK, present, {"b": "2", "a": "1"}).effect is Effect.KEEP


def test_registration_goes_with_a_change_and_again_after_a_failure() -> None:
    register = "RegisterWebhookWithThirdParty"
    assert operations(webhook(WEBHOOK, NOTHING, registered=True)) == ["PutWebhook", register]
    assert operations(webhook(WEBHOOK, current(), registered=True)) == []
    assert operations(webhook(WEBHOOK, current(failed=True), registered=True)) == [register]
    assert operations(webhook(WEBHOOK, current(), registered=True, register=True)) == [register]


def transitions(disabled: dict[str, str] | None, there: dict[str, str]) -> Change:
    """What becomes of a pipeline with transitions that are disabled."""
    declared = Declared(kind=Kind.PIPELINE, declaration=PIPELINE, place="file", disabled=disabled)
    present = Present(declaration=masked(PIPELINE), tags={}, arn="", disabled=there)
    whole = Declarations(resources=(declared,))
    [made] = changes(whole, Current(pipelines={"app": present}), Options())
    return made


def test_a_transition_is_disabled_once() -> None:
    made = transitions({"Build": "why"}, {})
    assert operations(made) == ["DisableStageTransition"]
    assert made.lines == ("+ transition into Build disabled: why",)
    reason = made.calls[0].parameters["reason"]
    assert transitions({"Build": "why"}, {"Build": reason}).effect is Effect.KEEP
    assert operations(transitions({"Build": "other"}, {"Build": reason})) == operations(made)
    assert len(transitions({"Build": "y" * 300}, {}).calls[0].parameters["reason"]) == 300


def test_what_a_template_disabled_it_enables_again_and_nothing_else() -> None:
    reason = transitions({"Build": "why"}, {}).calls[0].parameters["reason"]
    made = transitions({}, {"Build": reason})
    assert operations(made) == ["EnableStageTransition"]
    assert made.lines == ("- transition into Build disabled: why",)
    # What an operator disabled, what is said nowhere, and a stage that goes.
    assert transitions({}, {"Build": "an incident"}).effect is Effect.KEEP
    assert transitions(None, {"Build": reason}).effect is Effect.KEEP
    assert transitions({}, {"Gone": reason}).effect is Effect.KEEP


def test_a_secret_parameter_is_masked_wherever_it_stands() -> None:
    content = {**PIPELINE, "roleArn": "arn:aws:iam::000000000000:role/n0echo"}
    declared = Declared(kind=Kind.PIPELINE, declaration=content, tags=None, place="file")
    whole = Declarations(resources=(declared,), secrets=frozenset({"n0echo"}))
    [made] = changes(whole, NOTHING, Options())
    assert "+roleArn: arn:aws:iam::000000000000:role/****" in made.lines


TYPE: dict[str, Any] = {
    "category": "Build",
    "provider": "Mine",
    "version": "1",
    "configurationProperties": [
        {"name": "Key", "required": True, "key": False, "secret": True},
        {"name": "A", "required": True, "key": True, "secret": False},
    ],
    "inputArtifactDetails": {"minimumCount": 0, "maximumCount": 5},
    "outputArtifactDetails": {"minimumCount": 0, "maximumCount": 5},
}


def custom_type(present: dict[str, Any] | None) -> Change:
    declared = Declared(kind=Kind.ACTION_TYPE, declaration={**TYPE, "tags": []}, place="file")
    there = Current(
        action_types={} if present is None else {declared.name: Present(declaration=present)}
    )
    [change] = changes(Declarations(resources=(declared,)), there, Options())
    return change


def test_a_custom_action_type_is_created_once() -> None:
    assert operations(custom_type(None)) == ["CreateCustomActionType"]
    filled_in = copy.deepcopy(TYPE)
    for item in filled_in["configurationProperties"]:
        item |= {"queryable": False, "type": "String"}
    filled_in["configurationProperties"].reverse()
    for present in (TYPE, filled_in, {**TYPE, "settings": {}}):
        assert custom_type(present).effect is Effect.KEEP


@pytest.mark.parametrize(
    ("other", "differing"),
    [
        ({"outputArtifactDetails": {"minimumCount": 1, "maximumCount": 1}}, "outputArtifactD"),
        ({"configurationProperties": []}, "configurationProperties"),
        ({"settings": {"entityUrlTemplate": "https://x"}}, "settings"),
    ],
)
def test_a_custom_action_type_that_differs_is_an_error(other: Any, differing: str) -> None:
    with pytest.raises(HooklineError, match=rf"with other {differing}.*under a new version"):
        custom_type({**TYPE, **other})


def test_what_a_custom_action_type_keeps_secret_is_not_shown() -> None:
    content = copy.deepcopy(PIPELINE)
    content["stages"][1]["actions"][0]["configuration"] = {"Key": "k-s3cret", "A": "shop"}
    declared = Declared(kind=Kind.PIPELINE, declaration=content, tags=None, place="file")
    there = Current(action_types={"Build Mine 1": Present(declaration=TYPE)})
    [made] = changes(Declarations(resources=(declared,)), there, Options())
    assert "k-s3cret" not in "".join(made.lines)
    assert "+      A: shop" in made.lines


def test_a_variable_with_the_name_of_a_secret_is_not_shown() -> None:
    content = copy.deepcopy(PIPELINE)
    content["stages"][1]["actions"][0]["environmentVariables"] = [
        {"name": "API_TOKEN", "value": "t-s3cret"},
        {"name": "STAGE", "value": "live"},
    ]
    [*lines] = pipeline(content, NOTHING).lines
    assert "t-s3cret" not in "".join(lines)
    assert "+      value: live" in lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('[{"name": "DB_PASSWORD", "value": "x"}]', '[{"name": "DB_PASSWORD", "value": "****"}]'),
        ('{"DbPassword": "x", "a": 1}', '{"DbPassword": "****", "a": 1}'),
        ('{"a":1}', '{"a":1}'),
        ("[ -f x ]", "[ -f x ]"),
        ("[" * 9_000, "[" * 9_000),
    ],
)
def test_json_in_a_text_is_masked_inside(text: str, shown: str) -> None:
    assert Secrets().masked({"Parameters": text}) == {"Parameters": shown}


def test_a_secret_inside_json_is_not_shown() -> None:
    secrets = Secrets(texts=frozenset({'a"b'}))
    assert secrets.without(json.dumps([{"x": 'a"b'}])) == '[{"x": "****"}]'


def test_what_a_server_repeats_of_what_it_was_sent_can_be_masked() -> None:
    declared = (
        Declared(kind=Kind.PIPELINE, declaration=PIPELINE, tags=None, place="file"),
        Declared(kind=Kind.WEBHOOK, declaration=WEBHOOK, tags=None, place="file"),
    )
    secrets = Secrets().with_given(Declarations(resources=declared))
    assert secrets.without("refused: s3cret, gh-token") == "refused: ****, ****"


def owned(present: Current, owner: str, *, replace: bool = False, tags: Any = None) -> list[Change]:
    """What becomes of a pipeline and a webhook of a template."""
    declared = Declarations(
        resources=tuple(
            Declared(kind=kind, declaration=content, tags=tags, place="file", owner=owner)
            for kind, content in ((Kind.PIPELINE, PIPELINE), (Kind.WEBHOOK, WEBHOOK))
        )
    )
    return changes(declared, present, Options(replace=replace))


def test_what_another_template_made_is_refused_unless_it_is_to_be_replaced() -> None:
    present = current(tags={"hookline:stack": "Shop/Release", "team": "a"})
    assert [change.effect for change in owned(present, "Shop/Release")] == [
        Effect.KEEP,
        Effect.KEEP,
    ]
    for part in (
        Current(pipelines=present.pipelines),
        Current(webhooks=present.webhooks),
    ):
        with pytest.raises(HooklineError, match=r"from another template \(Shop/Release\)"):
            owned(part, "Depot/Release")
    taken = owned(present, "Depot/Release", replace=True)
    assert [operations(change) for change in taken] == [["TagResource"], ["PutWebhook"]]
    assert "+  hookline:stack: Depot/Release" in taken[0].lines
    assert {"key": "team", "value": "a"} in taken[1].calls[0].parameters["tags"]


def test_a_template_takes_what_no_template_has_made() -> None:
    made = owned(current(), "Depot/Release", tags={"team": "a"})
    tags = [{"key": "hookline:stack", "value": "Depot/Release"}, {"key": "team", "value": "a"}]
    assert [change.calls[0].parameters["tags"] for change in made] == [tags, tags]
    created = owned(NOTHING, "Depot/Release")
    assert [change.calls[0].parameters["tags"] for change in created] == [tags[:1], tags[:1]]


def test_a_webhook_is_put_without_its_third_party() -> None:
    made = webhook(WEBHOOK, NOTHING, registered=True, register=False)
    assert operations(made) == ["PutWebhook"]
    assert "is not registered with its third party, as --no-register says" in made.note


def test_x9_what_the_server_can_t_run_is_named_in_the_plan() -> None:
    build = {"category": "Build", "owner": "AWS", "provider": "CodeBuild", "version": "1"}
    invoke = {**build, "category": "Invoke", "provider": "Lambda"}
    secret = {"name": "KEY", "value": "k", "type": "SECRETS_MANAGER"}
    lambda_rule = {"category": "Rule", "owner": "AWS", "provider": "LambdaInvoke", "version": "1"}
    content = copy.deepcopy(PIPELINE)
    content["stages"][1]["actions"] += [
        {"name": "Invoke", "actionTypeId": invoke},
        {
            "name": "Build",
            "actionTypeId": build,
            "configuration": {"ProjectName": "p", "EnvironmentVariables": json.dumps([secret])},
            "inputArtifacts": [{"name": "Code"}],
        },
        {"name": "Own", "actionTypeId": {**build, "owner": "Custom"}},
        {
            **commands("Secret", "true"),
            "environmentVariables": [secret],
        },
    ]
    content["stages"][1]["onSuccess"] = {
        "conditions": [{"rules": [{"name": "Ask", "ruleTypeId": lambda_rule}]}]
    }
    version = "is not run by this version of Hookline"
    expected = [
        f"Action 'Invoke' in stage 'Build' will fail: Invoke · AWS · Lambda · 1 {version}",
        "Action 'Build' in stage 'Build' will fail: The environment variable KEY is of the type SE",
        "Action 'Secret' in stage 'Build' will fail: The environment variable KEY is of type SECR",
        f"Rule 'Ask' in stage 'Build' will fail: Rule · AWS · LambdaInvoke · 1 {version}",
    ]
    warnings = pipeline(content, NOTHING).warnings
    for warning, start in zip(warnings, expected, strict=True):
        assert warning.startswith(f"pipeline app: {start}")
    unchanged = Present(declaration=with_defaults(content), tags={}, arn="arn:app")
    assert pipeline(content, Current(pipelines={"app": unchanged})).warnings == warnings
    assert pipeline(PIPELINE, NOTHING).warnings == ()
