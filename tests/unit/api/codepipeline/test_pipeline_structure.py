from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest

from hookline.api.codepipeline.action_types import ACTION_TYPES, ActionTypeRule, Count, rule_of
from hookline.api.codepipeline.pipeline_structure import check_structure, with_defaults
from hookline.errors import (
    ApiError,
    InvalidActionDeclarationException,
    InvalidBlockerDeclarationException,
    InvalidStageDeclarationException,
    InvalidStructureException,
    LimitExceededException,
)
from hookline.model import ActionType
from hookline.store.action_types import CustomActionType

Json = dict[str, Any]
REGION = "eu-west-1"


def check(declaration: Json, custom: Mapping[ActionType, ActionTypeRule] | None = None) -> None:
    check_structure(declaration, REGION, custom or {})


def kind(text: str) -> Json:
    category, owner, provider = text.split()
    return {"category": category, "owner": owner, "provider": provider, "version": "1"}


def github(name: str = "Fetch", artifact: str = "Source") -> Json:
    return {
        "name": name,
        "actionTypeId": kind("Source ThirdParty GitHub"),
        "configuration": {"Owner": "acme", "Repo": "app", "Branch": "main", "OAuthToken": "t"},
        "outputArtifacts": [{"name": artifact}],
    }


def connection(**configuration: str) -> Json:
    return {
        "name": "Fetch",
        "actionTypeId": kind("Source AWS CodeStarSourceConnection"),
        "configuration": {
            "ConnectionArn": "arn:aws:codeconnections:us-east-1:000000000000:connection/1",
            "FullRepositoryId": "acme/app",
            "BranchName": "main",
            **configuration,
        },
        "outputArtifacts": [{"name": "Source"}],
    }


def commands(name: str = "Compile", **changes: Any) -> Json:
    return {
        "name": name,
        "actionTypeId": kind("Compute AWS Commands"),
        "commands": ["make"],
        "inputArtifacts": [{"name": "Source"}],
        **changes,
    }


def approval(name: str = "Approve", **changes: Any) -> Json:
    return {"name": name, "actionTypeId": kind("Approval AWS Manual"), **changes}


def pipeline(**changes: Any) -> Json:
    return {
        "name": "release",
        "roleArn": "arn:aws:iam::000000000000:role/pipeline",
        "artifactStore": {"type": "S3", "location": "bucket"},
        "stages": [
            {"name": "Source", "actions": [github()]},
            {"name": "Build", "actions": [commands()]},
        ],
        **changes,
    }


def changed(change: Callable[[Json], object]) -> Json:
    declaration = pipeline()
    change(declaration)
    return declaration


def of_build(*actions: Json) -> Json:
    return changed(lambda p: p["stages"][1].update(actions=list(actions)))


def of_source(*actions: Json) -> Json:
    return changed(lambda p: p["stages"][0].update(actions=list(actions)))


def configured(**configuration: str) -> Json:
    action = github()
    action["configuration"].update(configuration)
    return of_source(action)


def refusal(declaration: Json) -> ApiError:
    with pytest.raises(ApiError) as refused:
        check(declaration)
    return refused.value


def test_a_pipeline_of_a_source_and_commands_is_accepted() -> None:
    check(pipeline())


@pytest.mark.parametrize(
    ("declaration", "error", "words"),
    [
        (
            changed(lambda p: p["stages"].pop()),
            InvalidStructureException,
            ["only 1 stage(s)", "minimum of 2 stages"],
        ),
        (
            changed(lambda p: p["stages"][1].update(name="Source")),
            InvalidStageDeclarationException,
            ["'Source'", "unique"],
        ),
        (
            changed(lambda p: p["stages"][1].update(actions=[])),
            InvalidStageDeclarationException,
            ["'Build'", "no actions"],
        ),
        (
            of_build(commands(), commands()),
            InvalidStageDeclarationException,
            ["'Compile'", "'Build'", "unique"],
        ),
        (
            of_source(github(), approval()),
            InvalidStructureException,
            ["'Approve'", "'Source'", "start with a stage that only contains source actions"],
        ),
        (
            of_build(github("Again", "More")),
            InvalidStructureException,
            ["'Again'", "'Build'", "first stage"],
        ),
        (
            of_build(commands(inputArtifacts=[{"name": "Nowhere"}])),
            InvalidActionDeclarationException,
            ["'Compile'", "'Build'", "'Nowhere'", "no action makes"],
        ),
        (
            of_build(commands(inputArtifacts=[{"name": "Source"}, {"name": "Source"}])),
            InvalidActionDeclarationException,
            ["'Compile'", "'Build'", "'Source'", "more than once"],
        ),
        (
            of_build(commands(outputArtifacts=[{"name": "Source"}])),
            InvalidStructureException,
            ["'Compile'", "'Build'", "'Source'", "'Fetch'", "unique"],
        ),
        (
            of_build(commands(inputArtifacts=[])),
            InvalidActionDeclarationException,
            ["'Compile'", "'Build'", "0 input artifacts which is less than the minimum count (1)"],
        ),
        (
            of_build(commands(outputArtifacts=[{"name": "A"}, {"name": "B"}])),
            InvalidActionDeclarationException,
            ["'Compile'", "'Build'", "2 output artifacts which is more than the maximum count (1)"],
        ),
        (
            of_build(approval(actionTypeId=kind("Test Custom Jenkins"))),
            InvalidActionDeclarationException,
            ["'Approve'", "'Build'", "Test · Custom · Jenkins · 1", "CreateCustomActionType"],
        ),
        (
            of_build(approval(actionTypeId=kind("Build AWS CodeBild"))),
            InvalidActionDeclarationException,
            ["'Approve'", "'Build'", "Build · AWS · CodeBild · 1", "does not exist"],
        ),
        (
            of_build(approval(actionTypeId=kind("Approval AWS Manual") | {"version": "2"})),
            InvalidActionDeclarationException,
            ["Approval · AWS · Manual · 2", "does not exist"],
        ),
        (
            of_build(commands(commands=[])),
            InvalidActionDeclarationException,
            ["'Compile'", "'Build'", "no commands"],
        ),
        (
            of_build(approval(commands=["ls"])),
            InvalidActionDeclarationException,
            ["'Approve'", "'Build'", "Compute · AWS · Commands · 1"],
        ),
        (
            of_build(commands(region="us-east-2")),
            InvalidStructureException,
            ["'Compile'", "'Build'", "us-east-2", "artifactStores"],
        ),
        (
            of_source({**github(), "region": "us-east-2"}),
            InvalidActionDeclarationException,
            ["'Fetch'", "'Source'", "us-east-2"],
        ),
        (
            of_build(commands(namespace="N"), approval(namespace="N")),
            InvalidActionDeclarationException,
            ["'Approve'", "'Build'", "'N'", "'Compile'"],
        ),
        (
            changed(lambda p: p["stages"][1].update(blockers=[{"name": "x", "type": "Schedule"}])),
            InvalidBlockerDeclarationException,
            ["'Build'"],
        ),
        (pipeline(artifactStore=None), InvalidStructureException, ["exactly one of artifactStore"]),
        (
            pipeline(artifactStores={"us-east-1": {"type": "S3", "location": "bucket"}}),
            InvalidStructureException,
            ["exactly one of artifactStore"],
        ),
        (configured(Owner="a/b"), InvalidActionDeclarationException, ["'Fetch'", "Owner 'a/b'"]),
        (configured(Repo=".."), InvalidActionDeclarationException, ["'Source'", "Repo '..'"]),
        (configured(Branch="-x"), InvalidActionDeclarationException, ["Branch '-x'"]),
        (configured(Branch="a..b"), InvalidActionDeclarationException, ["Branch 'a..b'"]),
        (
            of_source(connection(FullRepositoryId="app")),
            InvalidActionDeclarationException,
            ["'Fetch'", "'Source'", "FullRepositoryId 'app'", "owner/repository"],
        ),
        (
            of_source(connection(FullRepositoryId="../app")),
            InvalidActionDeclarationException,
            ["FullRepositoryId '../app'"],
        ),
        (
            of_source(connection(BranchName="feature/*")),
            InvalidActionDeclarationException,
            ["BranchName 'feature/*'", "the name of a branch"],
        ),
    ],
)
def test_a_wrong_structure_is_refused_with_the_place_that_is_wrong(
    declaration: Json, error: type[ApiError], words: list[str]
) -> None:
    refused = refusal(declaration)

    assert type(refused) is error
    for word in words:
        assert word in refused.message


def test_an_artifact_is_made_by_an_action_of_a_lower_run_order() -> None:
    first = commands("First", outputArtifacts=[{"name": "Made"}])
    second = commands("Second", inputArtifacts=[{"name": "Made"}], runOrder=2)
    check(of_build(second, first))


def test_an_artifact_made_in_parallel_is_refused() -> None:
    first = commands("First", outputArtifacts=[{"name": "Made"}])
    second = commands("Second", inputArtifacts=[{"name": "Made"}])

    message = refusal(of_build(first, second)).message

    assert "'Second' in stage 'Build'" in message
    assert "'First' in stage 'Build'" in message
    assert "runOrder" in message


def test_an_artifact_made_in_a_later_stage_is_refused() -> None:
    late = {"name": "Late", "actions": [commands(outputArtifacts=[{"name": "Made"}])]}
    early = commands(inputArtifacts=[{"name": "Made"}])
    declaration = of_build(early)
    declaration["stages"].append(late)

    assert "does not make before it" in refusal(declaration).message


@pytest.mark.parametrize(
    "repository", ["acme/app", "a.b/c-d_e", "acme/.github", "#{variables.Repository}"]
)
def test_a_repository_that_can_exist_is_accepted(repository: str) -> None:
    check(of_source(connection(FullRepositoryId=repository)))


@pytest.mark.parametrize("branch", ["main", "release/1.x", "feature/a-b", "v1.0", "a@b"])
def test_a_branch_that_can_exist_is_accepted(branch: str) -> None:
    check(configured(Branch=branch))


@pytest.mark.parametrize("key", ["Owner", "Repo", "Branch", "OAuthToken"])
def test_a_required_key_that_is_missing_is_named_in_aws_words(key: str) -> None:
    action = github()
    del action["configuration"][key]

    refused = refusal(of_source(action))

    assert type(refused) is InvalidActionDeclarationException
    assert "Action configuration for action 'Fetch' in stage 'Source'" in refused.message
    assert f"is missing required configuration '{key}'" in refused.message


@pytest.mark.parametrize(
    ("change", "feature"),
    [
        ({"variables": [{"name": "x"}]}, "variables"),
        (
            {
                "triggers": [
                    {
                        "providerType": "CodeStarSourceConnection",
                        "gitConfiguration": {"sourceActionName": "Fetch"},
                    }
                ]
            },
            "triggers",
        ),
        ({"executionMode": "QUEUED"}, "executionMode QUEUED"),
        ({"executionMode": "PARALLEL"}, "executionMode PARALLEL"),
    ],
)
def test_what_only_v2_has_is_refused_in_v1_and_else_makes_it_v2(change: Json, feature: str) -> None:
    declaration = pipeline(**change)
    declaration["stages"][0]["actions"] = [connection()]
    check(declaration)
    assert with_defaults(declaration)["pipelineType"] == "V2"
    declaration["pipelineType"] = "V1"

    message = refusal(declaration).message

    assert feature in message
    assert "Set pipelineType to V2" in message
    check(declaration | {"pipelineType": "V2"})


def test_commands_are_refused_in_v1_and_else_make_it_v2() -> None:
    declaration = pipeline()
    assert with_defaults(declaration)["pipelineType"] == "V2"
    without = of_build(approval())
    assert with_defaults(without)["pipelineType"] == "V1"
    message = refusal(declaration | {"pipelineType": "V1"}).message
    assert "Compute · AWS · Commands · 1 ('Compile' in stage 'Build')" in message
    assert "Set pipelineType to V2" in message


def test_an_action_in_another_region_has_an_artifact_store_there() -> None:
    bucket = {"type": "S3", "location": "bucket"}
    declaration = of_build(commands(region="us-east-2"), approval(region=REGION))
    del declaration["artifactStore"]
    declaration["artifactStores"] = {REGION: bucket}
    assert "us-east-2" in refusal(declaration).message
    declaration["artifactStores"]["us-east-2"] = bucket
    check(declaration)


def test_secrets_of_secrets_manager_can_be_declared() -> None:
    variable = {"name": "KEY", "value": "secret-id", "type": "SECRETS_MANAGER"}
    check(of_build(commands(environmentVariables=[variable])))


@pytest.mark.parametrize(
    "partner",
    ["Test ThirdParty GhostInspector", "Invoke ThirdParty Snyk", "Test ThirdParty Nouvola"],
)
def test_actions_of_partners_can_be_declared(partner: str) -> None:
    action = {"name": "Scan", "actionTypeId": kind(partner), "configuration": {"Any": "thing"}}
    check(of_build(action))


@pytest.mark.parametrize("condition", ["beforeEntry", "onSuccess", "onFailure"])
def test_conditions_of_stages_are_refused_in_v1(condition: str) -> None:
    declaration = changed(lambda p: p["stages"][1].update({condition: {"result": "FAIL"}}))
    check(declaration)
    declaration["pipelineType"] = "V1"

    assert f"{condition} (in stage 'Build')" in refusal(declaration).message
    check(declaration | {"pipelineType": "V2"})


@pytest.mark.parametrize(
    ("names", "words"), [(["Fetch", "Fetch"], "more than one"), (["Other"], "'Other'")]
)
def test_a_trigger_names_one_connection_of_the_first_stage(names: list[str], words: str) -> None:
    declaration = of_source(connection()) | {
        "pipelineType": "V2",
        "triggers": [
            {
                "providerType": "CodeStarSourceConnection",
                "gitConfiguration": {"sourceActionName": name},
            }
            for name in names
        ],
    }

    assert words in refusal(declaration).message


def with_trigger(**git: Any) -> Json:
    trigger = {
        "providerType": "CodeStarSourceConnection",
        "gitConfiguration": {"sourceActionName": "Fetch", **git},
    }
    return of_source(connection()) | {"triggers": [trigger]}


BRANCHES: Json = {"branches": {"includes": ["main"]}}


@pytest.mark.parametrize(
    ("git", "words"),
    [
        ({"push": [BRANCHES, {**BRANCHES, "tags": {"includes": ["v*"]}}]}, "push filter 2"),
        ({"push": [{"tags": {}, "filePaths": {}}]}, "push filter 1"),
        ({"push": [{"branches": {"excludes": ["a[b"]}}]}, "'a[b' has a [ without ]"),
        ({"pullRequest": [{"filePaths": {"includes": ["{a,{b}}"]}}]}, "a group within a group"),
    ],
)
def test_a_triggers_filters_can_be_used(git: Json, words: str) -> None:
    refused = refusal(with_trigger(**git))

    assert type(refused) is InvalidStructureException
    assert "The trigger on source action 'Fetch'" in refused.message
    assert words in refused.message


def test_a_trigger_may_have_all_that_aws_combines() -> None:
    paths = {"filePaths": {"includes": ["src/**"], "excludes": ["**/*.md"]}}
    check(
        with_trigger(
            push=[{**BRANCHES, **paths}, {"tags": {"includes": ["v[0-9]*"]}}, paths],
            pullRequest=[{"events": ["OPEN"], **BRANCHES, **paths}],
        )
    )


def test_variables_have_names_of_their_own() -> None:
    check(pipeline(variables=[{"name": "a"}, {"name": "b", "defaultValue": "1"}]))
    refused = refusal(pipeline(variables=[{"name": "a"}, {"name": "b"}, {"name": "a"}]))

    assert type(refused) is InvalidStructureException
    assert "'a' has been used more than once" in refused.message


@pytest.mark.parametrize("namespace", ["variables", "codepipeline"])
def test_a_namespace_that_is_taken_already_is_refused(namespace: str) -> None:
    declaration = of_build(commands(namespace=namespace)) | {"variables": [{"name": "a"}]}

    assert type(refusal(declaration)) is InvalidActionDeclarationException
    assert "is reserved for" in refusal(declaration).message


def rule(provider: str = "VariableCheck", **configuration: str) -> Json:
    defaults = {"Variable": "a", "Operator": "EQ", "Value": "a"}
    return {
        "name": "r",
        "ruleTypeId": {"category": "Rule", "provider": provider},
        "configuration": configuration if provider != "VariableCheck" else defaults | configuration,
    }


@pytest.mark.parametrize(
    ("stage", "declared", "words"),
    [
        (1, {"beforeEntry": {"conditions": [{"result": "RETRY"}]}}, "only onFailure"),
        (1, {"onSuccess": {"conditions": [{"result": "RETRY"}]}}, "only onFailure"),
        (1, {"beforeEntry": {"conditions": [{"result": "ROLLBACK"}]}}, "which beforeEntry"),
        (0, {"onFailure": {"result": "ROLLBACK"}}, "which the first stage can't"),
        (1, {"onFailure": {"retryConfiguration": {"retryMode": "ALL_ACTIONS"}}}, "goes with"),
        (
            1,
            {"onSuccess": {"conditions": [{"rules": [rule(), rule()]}]}},
            "more than one rule 'r'",
        ),
        (1, {"onSuccess": {"conditions": [{"result": "SKIP"}]}}, "a stage that has run"),
        (1, {"onSuccess": {"conditions": [{"result": "FAIL"}]}}, "without rules"),
        *(
            (1, {"beforeEntry": {"conditions": [{"rules": [refused]}]}}, words)
            for refused, words in (
                (rule("Nothing"), "does not exist; providers are CloudWatchAlarm, CodeBuild"),
                (rule("LambdaInvoke"), "needs the configuration key FunctionName"),
                (rule(Else="x"), "the configuration key Else, which VariableCheck does not know"),
                (rule(Operator="GT"), "use one of EQ, NE, CONTAINS, MATCHES"),
                (rule(Operator="MATCHES", Value="(a"), "regular expression"),
                (rule("DeploymentWindow", Cron="9 to 5"), "6 or 7 fields"),
                (rule("DeploymentWindow", Cron="* * * ? * *", TimeZone="Mars/X"), "no time zone"),
                (rule("Commands"), "has no commands"),
                (rule() | {"commands": ["true"]}, "only rules with the provider Commands"),
                (rule() | {"inputArtifacts": [{"name": "Source"}]}, "takes 0 at most"),
                (
                    rule("Commands")
                    | {"commands": ["true"], "inputArtifacts": [{"name": "Nobody"}]},
                    "which no action makes before it",
                ),
            )
        ),
        (
            1,
            {
                "beforeEntry": {
                    "conditions": [
                        {"result": "SKIP", "rules": [rule("DeploymentWindow", Cron="* * * ? * *")]}
                    ]
                }
            },
            "LambdaInvoke and VariableCheck can",
        ),
    ],
)
def test_a_stages_conditions_can_be_used(stage: int, declared: Json, words: str) -> None:
    refused = refusal(changed(lambda p: p["stages"][stage].update(declared)))

    assert type(refused) is InvalidStageDeclarationException
    assert words in refused.message


def test_a_stage_may_fail_retry_and_roll_back() -> None:
    retry = {"result": "RETRY", "retryConfiguration": {"retryMode": "FAILED_ACTIONS"}}
    check(changed(lambda p: p["stages"][0].update(onFailure=retry)))
    check(changed(lambda p: p["stages"][1].update(onFailure={"result": "ROLLBACK"})))


@pytest.mark.parametrize(
    "declared",
    [
        rule(Operator="#{variables.How}", Value="(a"),
        rule(Operator="MATCHES", Value="#{variables.Pattern}"),
        rule("DeploymentWindow", Cron="#{variables.Window}", TimeZone="#{variables.Zone}"),
        rule("DeploymentWindow", Cron="* * 9-17 ? * MON-FRI", TimeZone="Europe/Berlin"),
        rule("LambdaInvoke", FunctionName="f"),
        rule("CloudWatchAlarm", AlarmName="a", AlarmStates="ALARM", Later="x"),
        rule("CodeBuild", ProjectName="p"),
        rule("Commands") | {"commands": ["true"], "inputArtifacts": [{"name": "Source"}]},
    ],
)
def test_every_rule_of_aws_can_be_declared(declared: Json) -> None:
    conditions = {"conditions": [{"result": "FAIL", "rules": [declared]}]}
    check(changed(lambda p: p["stages"][1].update(beforeEntry=conditions)))


@pytest.mark.parametrize(
    ("declaration", "words"),
    [
        (
            changed(
                lambda p: p["stages"].extend(
                    {"name": f"S{n}", "actions": [approval()]} for n in range(49)
                )
            ),
            "51 stages; 50 is the most",
        ),
        (of_build(*(approval(f"A{n}") for n in range(51))), "'Build' has 51 actions"),
        (
            changed(
                lambda p: p["stages"].extend(
                    {"name": f"S{n}", "actions": [approval(f"A{m}") for m in range(50)]}
                    for n in range(10)
                )
            ),
            "502 actions; 500 is the most",
        ),
    ],
)
def test_more_than_the_quotas_is_a_limit_exceeded(declaration: Json, words: str) -> None:
    refused = refusal(declaration)

    assert type(refused) is LimitExceededException
    assert words in refused.message


def test_as_many_stages_and_actions_as_the_quotas_allow_are_accepted() -> None:
    declaration = of_build(*(approval(f"A{n}") for n in range(50)))
    declaration["stages"].extend({"name": f"S{n}", "actions": [approval()]} for n in range(48))
    check(declaration)


def opsworks(**configuration: str) -> Json:
    return {
        "name": "Deploy",
        "actionTypeId": kind("Deploy AWS OpsWorks"),
        "configuration": configuration,
        "inputArtifacts": [{"name": "Source"}],
    }


@pytest.mark.parametrize("stack", ["Stack", "StackId"])
@pytest.mark.parametrize("app", ["App", "AppId"])
def test_opsworks_takes_both_spellings_of_its_stack_and_app(stack: str, app: str) -> None:
    check(of_build(opsworks(**{stack: "s", app: "a"})))
    for configuration, missing in (({stack: "s"}, "App"), ({app: "a"}, "Stack")):
        refused = refusal(of_build(opsworks(**configuration)))
        assert f"is missing required configuration '{missing}'" in refused.message


def test_every_source_type_makes_exactly_one_artifact_and_takes_none() -> None:
    sources = [rule for type_, rule in ACTION_TYPES.items() if type_.category == "Source"]

    assert len(sources) == 5
    for rule in sources:
        assert (rule.inputs.least, rule.inputs.most) == (0, 0)
        assert (rule.outputs.least, rule.outputs.most) == (1, 1)


def test_defaults_are_filled_in_as_aws_answers_them() -> None:
    declaration = pipeline()
    before = deepcopy(declaration)

    full = with_defaults(declaration)

    assert declaration == before
    assert full["pipelineType"] == "V2"
    assert full["executionMode"] == "SUPERSEDED"
    fetch, compile_ = full["stages"][0]["actions"][0], full["stages"][1]["actions"][0]
    assert fetch == github() | {"runOrder": 1, "inputArtifacts": []}
    assert compile_ == commands() | {"runOrder": 1, "configuration": {}, "outputArtifacts": []}


def test_defaults_replace_nothing_that_was_given() -> None:
    given = pipeline(pipelineType="V2", executionMode="QUEUED")
    given["stages"][1]["actions"] = [commands(runOrder=7)]

    full = with_defaults(given)

    assert (full["pipelineType"], full["executionMode"]) == ("V2", "QUEUED")
    assert full["stages"][1]["actions"][0]["runOrder"] == 7
    assert with_defaults(full) == full


JENKINS = ActionType("Test", "Custom", "Jenkins", "1")
JENKINS_RULE = rule_of(
    CustomActionType(
        JENKINS,
        {
            "actionConfigurationProperties": [
                {"name": "Job", "required": True, "key": True, "secret": False, "queryable": True},
                {"name": "Token", "required": True, "key": False, "secret": True},
                {"name": "Note", "required": False, "key": False, "secret": False},
            ],
            "inputArtifactDetails": {"minimumCount": 0, "maximumCount": 1},
            "outputArtifactDetails": {"minimumCount": 0, "maximumCount": 0},
        },
    )
)


def jenkins(**changes: Any) -> Json:
    configured = {"Job": "tests", "Token": "secret"}
    action = {"name": "Try", "actionTypeId": kind("Test Custom Jenkins")}
    return of_build({**action, "configuration": configured, **changes})


def test_a_custom_type_says_what_its_actions_declare() -> None:
    assert (
        ActionTypeRule(
            inputs=Count(0, 1),
            outputs=Count(0, 0),
            keys=("Job", "Token"),
            others=("Note",),
            is_closed=True,
            queryable="Job",
        )
        == JENKINS_RULE
    )
    check(jenkins(), {JENKINS: JENKINS_RULE})
    noted = {"Job": "tests", "Token": "#{variables.t}", "Note": "n"}
    check(jenkins(configuration=noted), {JENKINS: JENKINS_RULE})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"configuration": {"Job": "tests"}}, "missing required configuration 'Token'"),
        (
            {"configuration": {"Job": "t", "Token": "t", "Else": "", "Also": ""}},
            "unknown configuration 'Also'",
        ),
        ({"configuration": {"Job": "a" * 21, "Token": "t"}}, "at most 20 characters"),
        ({"configuration": {"Job": "#{variables.job}", "Token": "t"}}, "can't ask for"),
        ({"outputArtifacts": [{"name": "A"}]}, "more than the maximum count (0)"),
        (
            {"actionTypeId": kind("Test Custom Jenkins") | {"version": "2"}},
            "Test · Custom · Jenkins · 2, which is not available",
        ),
    ],
)
def test_an_action_that_its_custom_type_does_not_allow_is_refused(
    changes: Json, words: str
) -> None:
    with pytest.raises(InvalidActionDeclarationException) as caught:
        check(jenkins(**changes), {JENKINS: JENKINS_RULE})
    assert "'Try'" in caught.value.message
    assert words in caught.value.message
