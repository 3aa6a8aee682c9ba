"""Templates; `Depot.template.json` has the structure that `cdk synth` gave with aws-cdk-lib 2."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from hookline.declarations.reading import parameters_in, read, required_values, skeleton_of
from hookline.declarations.resources import Declarations, Deployed, Kind
from hookline.declarations.stack import StackContext, stack_name_of
from hookline.errors import HooklineError

FILE = Path(__file__).with_name("Depot.template.json")
HOOK = "secretsmanager:depot:SecretString:hook::"
ROLE = "arn:aws:iam::111122223333:role/r"
GIVEN = {"GitHubToken": "gh-s3cret", HOOK: "hook-s3cret"}


def declared(
    content: Any, given: dict[str, str] | None = None, region: str = "eu-west-1"
) -> Declarations:
    context = StackContext(
        account="111122223333", region=region, stack_name="", parameters=given or {}
    )
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return read([("stacks/Depot.template.json", text)], context)


def webhook(**properties: Any) -> dict[str, Any]:
    whole = {
        "Name": "hook",
        "TargetPipeline": "p",
        "TargetAction": "App",
        "Filters": [],
        "Authentication": "UNAUTHENTICATED",
        "AuthenticationConfiguration": {},
        **properties,
    }
    return {"Type": "AWS::CodePipeline::Webhook", "Properties": whole}


def wanting(value: Any) -> dict[str, Any]:
    """A webhook with a filter that wants a value: any text will do."""
    return webhook(Filters=[{"JsonPath": "$.a", "MatchEquals": value}])


def wanted(found: Declarations) -> str:
    """What the webhook's filter wants."""
    [hook] = found.of(Kind.WEBHOOK)
    return str(hook.declaration["filters"][0]["matchEquals"])


def evaluated(value: Any, given: dict[str, str] | None = None, **sections: Any) -> str:
    """What a value of a template becomes."""
    resources = {"Hook": wanting(value), **sections.pop("Resources", {})}
    return wanted(declared({"Resources": resources, **sections}, given))


def test_what_cdk_synth_writes_becomes_pipelines_and_webhooks() -> None:
    found = declared(FILE.read_bytes(), GIVEN)
    [pipeline], [hook] = found.of(Kind.PIPELINE), found.of(Kind.WEBHOOK)
    assert pipeline.name == "Depot-ReleaseC3D4E5F6"
    assert pipeline.tags == {"team": "depot"}
    assert pipeline.disabled == {"Build": "frozen"}
    assert pipeline.declaration["artifactStore"] == {
        "type": "S3",
        "location": "releaseartifacts5e6f7a8b",
        "encryptionKey": {
            "id": "arn:aws:kms:eu-west-1:111122223333:key/ReleaseArtifactsKey1A2B3C4D",
            "type": "KMS",
        },
    }
    assert pipeline.declaration["roleArn"] == "arn:aws:iam::111122223333:role/ReleaseRole9C0D1E2F"
    app, make, test = [a for stage in pipeline.declaration["stages"] for a in stage["actions"]]
    assert app["configuration"] == {
        "Branch": "main",
        "OAuthToken": "gh-s3cret",
        "Owner": "octo-org",
        "PollForSourceChanges": "false",
        "Repo": "depot",
    }
    assert make["configuration"] == {
        "EnvironmentVariables": '[{"name":"STAGE","value":"live"}]',
        "ProjectName": "depot-build",
    }
    assert (make["runOrder"], test["commands"]) == (1, ["make test"])
    assert hook.registered
    assert hook.declaration == {
        "name": "Depot-ReleaseSourceAppWebhook4D5E6F70",
        "targetPipeline": "Depot-ReleaseC3D4E5F6",
        "targetAction": "App",
        "filters": [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}],
        "authentication": "GITHUB_HMAC",
        "authenticationConfiguration": {"SecretToken": "hook-s3cret"},
    }
    assert found.secrets == {"gh-s3cret", "hook-s3cret"}
    assert "s3cret" not in repr(found)


def test_what_cdk_synth_writes_becomes_build_projects() -> None:
    [project] = declared(FILE.read_bytes(), GIVEN).of(Kind.PROJECT)
    buildspec = project.declaration["source"]["buildspec"]
    assert json.loads(buildspec)["phases"]["build"]["commands"] == [
        "aws s3 ls s3://releaseartifacts5e6f7a8b"
    ]
    assert project.declaration == {
        "name": "depot-build",
        "source": {"type": "CODEPIPELINE", "buildspec": buildspec},
        "artifacts": {"type": "CODEPIPELINE"},
        "cache": {"type": "NO_CACHE"},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [
                {"name": "REGION", "value": "eu-west-1", "type": "PLAINTEXT"},
                {"name": "NPM_TOKEN", "value": "gh-s3cret", "type": "PLAINTEXT"},
            ],
            "privilegedMode": False,
            "imagePullCredentialsType": "CODEBUILD",
        },
        "serviceRole": "arn:aws:iam::111122223333:role/ReleaseRole9C0D1E2F",
        "encryptionKey": "arn:aws:kms:eu-west-1:111122223333:key/ReleaseArtifactsKey1A2B3C4D",
    }
    assert (project.tags, project.left_out) == (None, ())


def test_placeholders_and_what_is_left_out_are_noted() -> None:
    notes = "\n".join(declared(FILE.read_bytes(), GIVEN).notes)
    assert "Ref ReleaseArtifacts5E6F7A8B (AWS::S3::Bucket) is taken as releaseartifacts5" in notes
    assert "left out: AWS::CDK::Metadata, AWS::IAM::Role, AWS::KMS::Key, AWS::S3::Bucket" in notes
    assert "CodeBuild" not in notes
    assert "RestartExecutionOnUpdate is not acted on" in notes
    assert "s3cret" not in notes


def test_outputs_tell_what_is_known_afterwards_and_invent_nothing() -> None:
    [outputs] = declared(FILE.read_bytes(), GIVEN).outputs
    deployed = Deployed(
        urls={"Depot-ReleaseSourceAppWebhook4D5E6F70": "http://x"},
        versions={"Depot-ReleaseC3D4E5F6": 4},
    )
    assert outputs(deployed) == {
        "Url": "http://x",
        "Version": "Depot-ReleaseC3D4E5F6 4",
        "Token": "gh-s3cret",
        "Project": "depot-build arn:aws:codebuild:eu-west-1:111122223333:project/depot-build",
    }


def project(**properties: Any) -> dict[str, Any]:
    whole = {
        "Source": {"Type": "CODEPIPELINE"},
        "Artifacts": {"Type": "CODEPIPELINE"},
        "Environment": {
            "Type": "LINUX_CONTAINER",
            "Image": "aws/codebuild/standard:7.0",
            "ComputeType": "BUILD_GENERAL1_SMALL",
        },
        "ServiceRole": ROLE,
        **properties,
    }
    return {"Type": "AWS::CodeBuild::Project", "Properties": whole}


def test_cloudformations_properties_of_a_project_are_the_apis_members() -> None:
    properties = {
        "BadgeEnabled": "false",
        "TimeoutInMinutes": "30",
        "QueuedTimeoutInMinutes": 60,
        "ConcurrentBuildLimit": 2,
        "AutoRetryLimit": 1,
        "Description": "d",
        "SourceVersion": "main",
        "Cache": {"Type": "LOCAL", "Modes": ["LOCAL_CUSTOM_CACHE"]},
        "Source": {
            "Type": "GITHUB",
            "Location": "https://github.com/o/r",
            "BuildSpec": "ci/build.yml",
            "GitCloneDepth": 1,
            "GitSubmodulesConfig": {"FetchSubmodules": True},
            "InsecureSsl": False,
            "ReportBuildStatus": True,
            "BuildStatusConfig": {"TargetUrl": "https://t"},
            "Auth": {"Type": "OAUTH"},
        },
        "SecondarySources": [{"Type": "S3", "Location": "b/k", "SourceIdentifier": "x"}],
        "SecondarySourceVersions": [{"SourceIdentifier": "x", "SourceVersion": "v"}],
        "Artifacts": {"Type": "S3", "Location": "bucket", "OverrideArtifactName": True},
        "SecondaryArtifacts": [
            {"Type": "S3", "Location": "b", "ArtifactIdentifier": "y", "EncryptionDisabled": True}
        ],
        "VpcConfig": {"VpcId": "v", "Subnets": ["s"], "SecurityGroupIds": ["g"]},
        "LogsConfig": {
            "CloudWatchLogs": {"Status": "ENABLED", "GroupName": "g"},
            "S3Logs": {"Status": "DISABLED"},
        },
        "FileSystemLocations": [
            {"Type": "EFS", "Location": "l", "MountPoint": "/m", "Identifier": "i"}
        ],
        "BuildBatchConfig": {"ServiceRole": ROLE, "TimeoutInMins": 9},
        "Tags": [{"Key": "team", "Value": "a"}],
    }
    [found] = declared({"Resources": {"Make": project(**properties)}}).of(Kind.PROJECT)
    assert (found.name, found.tags) == ("Depot-Make", {"team": "a"})
    shown = found.declaration
    assert shown["source"]["buildspec"] == "ci/build.yml"
    assert shown["source"]["buildStatusConfig"] == {"targetUrl": "https://t"}
    assert shown["logsConfig"]["s3Logs"] == {"status": "DISABLED"}
    assert shown["buildBatchConfig"] == {"serviceRole": ROLE, "timeoutInMins": 9}
    assert (shown["badgeEnabled"], shown["timeoutInMinutes"]) == (False, 30)
    given = {name[0].lower() + name[1:] for name in {*project()["Properties"], *properties}}
    assert shown.keys() == {"name", *given} - {"tags"}


def test_what_is_wrong_with_a_project_is_told_in_the_templates_words() -> None:
    wrong = project(Source={"Type": "CODEPIPELINE", "BuildSpec": {"version": 0.2}}, Timeout=5)
    with pytest.raises(HooklineError) as raised:
        declared({"Resources": {"Make": wrong}})
    place = "stacks/Depot.template.json: Resources.Make.Properties"
    assert f"{place}.Source.BuildSpec must be a text, and is an object" in raised.value.message
    assert f"{place} has 'Timeout', which isn't known there" in raised.value.message
    odd = project(TimeoutInMinutes=1, Source={"Type": "SVN", "BuildSpecs": "b"})
    with pytest.raises(HooklineError) as raised:
        declared({"Resources": {"Make": odd}})
    assert (
        "'BuildSpecs', which isn't known there. Did you mean 'BuildSpec'?" in raised.value.message
    )
    del odd["Properties"]["Source"]["BuildSpecs"]
    with pytest.raises(HooklineError) as raised:
        declared({"Resources": {"Make": odd}})
    assert f"{place}.TimeoutInMinutes: the value '1' is refused." in raised.value.message
    assert f"{place}.Source.Type: the value 'SVN' is refused." in raised.value.message


def test_a_project_without_a_name_is_referred_to_by_its_own() -> None:
    resources = {"Hook": wanting({"Fn::Sub": "${Make} ${Make.Arn}"}), "Make": project()}
    arn = "arn:aws:codebuild:eu-west-1:111122223333:project/Depot-Make"
    assert wanted(declared({"Resources": resources})) == f"Depot-Make {arn}"
    resources["Hook"] = wanting({"Fn::GetAtt": ["Make", "Version"]})
    with pytest.raises(HooklineError) as raised:
        declared({"Resources": resources})
    assert "has no attribute 'Version', only Arn" in raised.value.message


def test_what_is_not_built_of_a_project_is_left_out() -> None:
    triggers = {"Webhook": {"Ref": "Nothing"}}
    made = project(Triggers=triggers, Visibility="PRIVATE", ResourceAccessRole=ROLE)
    [found] = declared({"Resources": {"Make": made}}).of(Kind.PROJECT)
    assert found.left_out == ("ResourceAccessRole", "Triggers")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "AWS::StackName"}, "Depot"),
        ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"),
        ({"Ref": "P"}, "pv"),
        ({"Ref": "N"}, "7"),
        ({"Fn::Sub": "${AWS::AccountId}-${!P}-${P}"}, "111122223333-${P}-pv"),
        ({"Fn::Sub": ["${A}${P}", {"A": {"Ref": "P"}}]}, "pvpv"),
        ({"Fn::Sub": "${Role.Arn}"}, "arn:aws:iam::111122223333:role/Role"),
        ({"Fn::Join": ["-", ["a", {"Ref": "P"}]]}, "a-pv"),
        ({"Fn::Join": ["-", {"Ref": "L"}]}, "a-b"),
        ({"Fn::Select": ["1", {"Fn::Split": [",", "x,y"]}]}, "y"),
        ({"Fn::If": ["Yes", "a", "b"]}, "a"),
        ({"Fn::If": ["No", "a", "b"]}, "b"),
        ({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "k"]}, "v"),
        ({"Fn::Base64": "a"}, "YQ=="),
        ({"Fn::ToJsonString": {"a": [1]}}, '{"a":[1]}'),
        ({"Fn::GetAtt": "Bucket.Arn"}, "arn:aws:s3:::named"),
        ({"Ref": "Topic"}, "arn:aws:sns:eu-west-1:111122223333:Topic"),
        ({"Ref": "Role"}, "Role"),
    ],
)
def test_functions(value: Any, expected: str) -> None:
    assert (
        evaluated(
            value,
            Parameters={
                "P": {"Type": "String", "Default": "pv"},
                "N": {"Type": "Number", "Default": 7},
                "L": {"Type": "CommaDelimitedList", "Default": "a, b"},
            },
            Mappings={"M": {"eu-west-1": {"k": "v"}}},
            Conditions={
                "Yes": {"Fn::Not": [{"Condition": "No"}]},
                "No": {"Fn::And": [{"Fn::Equals": [1, "1"]}, {"Fn::Equals": ["a", "b"]}]},
            },
            Resources={
                "Role": {"Type": "AWS::IAM::Role"},
                "Topic": {"Type": "AWS::SNS::Topic"},
                "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "named"}},
            },
        )
        == expected
    )


@pytest.mark.parametrize(
    ("region", "arn"),
    [
        ("cn-north-1", "arn:aws-cn:iam::111122223333:role/Role/amazonaws.com.cn"),
        ("us-gov-west-1", "arn:aws-us-gov:iam::111122223333:role/Role/amazonaws.com"),
    ],
)
def test_arns_are_of_the_regions_partition(region: str, arn: str) -> None:
    value = {"Fn::Sub": "${Role.Arn}/${AWS::URLSuffix}"}
    content = {"Hook": wanting(value), "Role": {"Type": "AWS::IAM::Role"}}
    assert wanted(declared({"Resources": content}, region=region)) == arn


def test_no_value_leaves_a_property_out() -> None:
    content = webhook(Filters=[{"JsonPath": "$.a", "MatchEquals": {"Ref": "AWS::NoValue"}}])
    [found] = declared({"Resources": {"Hook": content}}).of(Kind.WEBHOOK)
    assert found.declaration["filters"] == [{"jsonPath": "$.a"}]


def test_artifact_stores_become_a_map() -> None:
    store = {"Region": "eu-west-1", "ArtifactStore": {"Type": "S3", "Location": "abc"}}
    properties = {"RoleArn": ROLE, "Stages": [], "ArtifactStores": [store]}
    content = {"P": {"Type": "AWS::CodePipeline::Pipeline", "Properties": properties}}
    [found] = declared({"Resources": content}).of(Kind.PIPELINE)
    assert found.declaration["artifactStores"] == {"eu-west-1": {"type": "S3", "location": "abc"}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"Ref": "P"},
            "Resources.Hook.Properties.Filters[0].MatchEquals: Ref: the parameter 'P' has no value",
        ),
        ({"Ref": "S"}, "the parameter 'S' is kept in AWS's parameter store"),
        ({"Ref": "A"}, "The parameter 'A' takes one of x, y"),
        ({"Ref": "Nobody"}, "has no parameter and no resource 'Nobody'"),
        ({"Ref": "AWS::Nothing"}, "there is no pseudo parameter AWS::Nothing"),
        ("{{resolve:ssm:/a}}", "Filters[0].MatchEquals: {{resolve:ssm:/a}} is kept in AWS"),
        ({"Fn::GetAtt": ["Hook", "Url"]}, "known only after it was applied"),
        ({"Fn::ImportValue": "X"}, "'X' is another stack's output"),
        ({"Fn::Cidr": []}, "Fn::Cidr can't be evaluated here"),
        ({"Fn::Select": [2, ["a"]]}, "a list that has it"),
        ({"Fn::If": ["Nope", 1, 2]}, "names the condition 'Nope', which the template lacks"),
        ({"Fn::If": ["Loop", 1, 2]}, "The condition 'Loop' refers to itself"),
        ({"Ref": "Me"}, "itself"),
        ({"Ref": "Absent"}, "the condition of the resource 'Absent' does not hold"),
        ({"Fn::GetAtt": ["Hook", "Arn"]}, "has no attribute 'Arn', only Url"),
        ({"Fn::If": ["Odd", 1, 2]}, "Depot.template.json: Conditions.Odd must be one of"),
        ({"Fn::FindInMap": ["M", "a", "b"]}, "the mapping has no 'M'"),
        ({"Fn::Transform": {"Name": "AWS::Include"}}, "Fn::Transform can't be evaluated here"),
        ({"Fn::Join": "x"}, "takes a separator and a list"),
    ],
)
def test_what_can_t_be_evaluated_is_told_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(HooklineError) as raised:
        evaluated(
            value,
            Parameters={
                "P": {"Type": "String", "NoEcho": True},
                "S": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/x"},
                "A": {"Type": "String", "Default": "z", "AllowedValues": ["x", "y"]},
            },
            Conditions={
                "Loop": {"Condition": "Loop"},
                "Never": {"Fn::Equals": [1, 2]},
                "Odd": {"Fn::Contains": []},
            },
            Resources={
                "Me": webhook(Name={"Ref": "Me"}),
                "Absent": {"Type": "AWS::S3::Bucket", "Condition": "Never"},
            },
        )
    assert message in raised.value.message
    assert raised.value.message.startswith("stacks/Depot.template.json: ")


def pipeline(**properties: Any) -> dict[str, Any]:
    stages = [{"Name": "Source", "Actions": []}, {"Name": "Build", "Actions": []}]
    whole = {"RoleArn": ROLE, "Stages": stages, **properties}
    return {"Type": "AWS::CodePipeline::Pipeline", "Properties": whole}


@pytest.mark.parametrize(
    ("transitions", "expected"),
    [
        ({}, {}),
        ({"DisableInboundStageTransitions": []}, {}),
        ({"DisableInboundStageTransitions": {"Ref": "AWS::NoValue"}}, {}),
        (
            {"DisableInboundStageTransitions": [{"StageName": "Build", "Reason": "r"}]},
            {"Build": "r"},
        ),
    ],
)
def test_a_template_says_which_transitions_are_disabled(
    transitions: dict[str, Any], expected: dict[str, str]
) -> None:
    [found] = declared({"Resources": {"P": pipeline(**transitions)}}).of(Kind.PIPELINE)
    assert found.disabled == expected


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        (
            {"P": pipeline(DisableInboundStageTransitions=[{"StageName": "X", "Reason": "r"}])},
            "DisableInboundStageTransitions names the stage 'X', which the pipeline lacks",
        ),
        (
            {"P": pipeline(DisableInboundStageTransitions=[{"StageName": "Build"}])},
            "must be a list of objects with StageName and Reason",
        ),
        ({"Fn::ForEach::P": ["A", ["b"], {}]}, "Fn::ForEach::P among the Resources can't be"),
        ({"P": {"Properties": {}}}, "the resource P has no Type"),
    ],
)
def test_a_resource_that_is_wrong_is_told(resources: Any, message: str) -> None:
    with pytest.raises(HooklineError) as raised:
        declared({"Resources": resources})
    assert message in raised.value.message


def test_a_version_that_only_a_deployment_knows_is_ignored() -> None:
    version = {"Fn::GetAtt": ["P", "Version"]}
    content = {"P": pipeline(), "Hook": webhook(TargetPipelineVersion=version)}
    assert len(declared({"Resources": content}).of(Kind.WEBHOOK)) == 1


def test_transforms_are_noted() -> None:
    found = declared({"Transform": "AWS::Serverless-2016-10-31", "Resources": {}})
    assert found.notes == (
        "stacks/Depot.template.json: transforms are not run: AWS::Serverless-2016-10-31",
    )


def test_an_output_whose_condition_does_not_hold_is_left_out() -> None:
    [outputs] = declared(
        {
            "Resources": {},
            "Conditions": {"No": {"Fn::Equals": [1, 2]}},
            "Outputs": {"A": {"Value": "a"}, "B": {"Value": "b", "Condition": "No"}, "C": []},
        }
    ).outputs
    assert outputs(Deployed(urls={}, versions={})) == {"A": "a"}


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ({"Fn::Select": [1, {"Fn::Split": [":", {"Ref": "P"}]}]}, "s3cret"),
        ({"Fn::Base64": {"Ref": "P"}}, "dXNlcjpzM2NyZXQ="),
        ({"Fn::Select": [1, {"Ref": "L"}]}, "l3st"),
    ],
)
def test_what_is_made_of_a_secret_is_secret(value: Any, made: str) -> None:
    parameters = {
        "P": {"Type": "String", "NoEcho": "true"},
        "L": {"Type": "CommaDelimitedList", "NoEcho": True},
    }
    given = {"P": "user:s3cret", "L": "a, l3st"}
    whole = {"Resources": {"Hook": wanting(value)}, "Parameters": parameters}
    used = {"Used": {"Value": [{"Ref": "P"}, {"Ref": "L"}]}}
    found = declared({**whole, "Outputs": used}, given)
    assert wanted(found) == made
    assert made in found.secrets


def test_a_note_holds_no_secret() -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Ref": "P"}}}
    content = {"Hook": wanting({"Ref": "B"}), "B": bucket}
    parameters = {"P": {"Type": "String", "NoEcho": True}}
    found = declared({"Resources": content, "Parameters": parameters}, {"P": "s3cret"})
    assert any("Ref B (AWS::S3::Bucket) is taken as ****" in note for note in found.notes)


def test_values_that_multiply_end() -> None:
    names = {f"B{n}": bucket(n) for n in range(30)}
    with pytest.raises(HooklineError, match="multiply without end"):
        evaluated({"Ref": "B0"}, Resources=names)


def bucket(number: int) -> dict[str, Any]:
    following = {"Ref": f"B{number + 1}"} if number < 29 else "x"
    return {
        "Type": "AWS::S3::Bucket",
        "Properties": {"BucketName": {"Fn::Join": ["", [following, following]]}},
    }


def test_values_from_elsewhere_may_be_given() -> None:
    given = {"X": "exported", "{{resolve:ssm:/a}}": "kept", "P": "****"}
    value = {"Fn::Join": [" ", [{"Fn::ImportValue": "X"}, "{{resolve:ssm:/a}}", {"Ref": "P"}]]}
    parameters = {"P": {"Type": "String", "NoEcho": "true"}}
    assert evaluated(value, given, Parameters=parameters) == "exported kept ****"


@pytest.mark.parametrize(
    ("given", "holds"), [({}, True), ({"P": "true"}, True), ({"P": "false"}, False)]
)
def test_booleans_are_compared_as_their_texts(given: dict[str, str], holds: bool) -> None:  # noqa: FBT001 - a row
    parameter = {"Type": "String", "Default": True, "AllowedValues": [True, False]}
    value = {"Fn::If": ["C", "yes", "no"]}
    for condition in (
        {"Fn::Equals": [{"Ref": "P"}, True]},
        {"Fn::Equals": ["true", {"Ref": "P"}]},
        {"Fn::Equals": [[{"Ref": "P"}, 1], [True, "1"]]},
        {"Fn::Not": [{"Fn::Equals": [{"Ref": "P"}, False]}]},
    ):
        made = evaluated(value, given, Parameters={"P": parameter}, Conditions={"C": condition})
        assert made == ("yes" if holds else "no")
    mapping = {"M": {"true": {"k": "yes"}, "false": {"k": "no"}}}
    found = {"Fn::FindInMap": ["M", {"Ref": "P"}, "k"]}
    made = evaluated(found, given, Parameters={"P": parameter}, Mappings=mapping)
    assert made == ("yes" if holds else "no")


@pytest.mark.parametrize("allowed", [[True, False], ["true", "false"]])
def test_true_with_a_capital_is_none_of_the_allowed_values(allowed: list[Any]) -> None:
    parameter = {"Type": "String", "AllowedValues": allowed}
    with pytest.raises(HooklineError, match="takes one of true, false"):
        evaluated({"Ref": "P"}, {"P": "True"}, Parameters={"P": parameter})


def test_each_item_of_a_list_must_be_allowed() -> None:
    parameter = {"Type": "CommaDelimitedList", "AllowedValues": ["a", "b", 1]}
    value = {"Fn::Join": ["+", {"Ref": "P"}]}
    assert evaluated(value, {"P": "b, a,1"}, Parameters={"P": parameter}) == "b+a+1"
    with pytest.raises(HooklineError, match="takes one of a, b, 1"):
        evaluated(value, {"P": "a,c"}, Parameters={"P": parameter})


KEPT = "{{resolve:ssm:/a}}"
LACKING: dict[str, Any] = {
    "Parameters": {
        **{name: {"Type": "String"} for name in ("A", "B", "C", "D", "E", "F", "G", "Unused")},
        "Secret": {"Type": "String", "NoEcho": True, "Description": "Of the hook\nand no other"},
        "Kept": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/x"},
        "Default": {"Type": "String", "Default": 12},
        "Known": {"Type": "String", "NoEcho": True, "Default": "s3cret"},
    },
    "Conditions": {
        "Open": {"Fn::Or": [{"Fn::Equals": [{"Ref": "D"}, {"Ref": "E"}]}, {"Condition": "Other"}]},
        "Other": {"Fn::Not": [{"Fn::Equals": [{"Ref": "F"}, 1]}]},
    },
    "Resources": {
        "One": webhook(
            Name={"Ref": "A"},
            Filters=[
                {
                    "JsonPath": {"Fn::Select": [{"Ref": "G"}, {"Fn::Split": [",", KEPT]}]},
                    "MatchEquals": {"Fn::Sub": "${B}/${C}/${Default}/${Known}"},
                }
            ],
            Authentication={"Fn::If": ["Open", {"Fn::ImportValue": "Out"}, {"Ref": "Kept"}]},
        ),
        "Two": {
            **webhook(AuthenticationConfiguration={"SecretToken": {"Ref": "Secret"}}),
            "Condition": "Open",
        },
    },
}  # fmt: skip
ASKED = {"A", "B", "C", "D", "E", "F", "G", "Kept", "Out", "Secret", "ssm:/a"}


def test_all_missing_values_are_told_at_once() -> None:
    with pytest.raises(HooklineError) as raised:
        declared(LACKING)
    *lines, last = raised.value.message.splitlines()
    assert len(lines) == len(ASKED)
    assert all(any(f"'{name}'" in line for line in lines) for name in ASKED)
    assert all(line.startswith("stacks/Depot.template.json: ") for line in lines)
    assert "--skeleton FILE" in last


@pytest.mark.parametrize("as_json", [True, False])
def test_a_skeleton_holds_all_that_is_required_values(as_json: bool) -> None:  # noqa: FBT001 - a row
    around = StackContext(
        account="1" * 12, region="eu-west-1", stack_name="", parameters={"A": "yes"}
    )
    files = [("stacks/Depot.template.json", json.dumps(LACKING).encode())]
    text = skeleton_of(required_values(files, around), as_json=as_json)
    values = json.loads(text) if as_json else yaml.safe_load(text)
    assert values.keys() == ASKED | {"Default"}
    assert {key: value for key, value in values.items() if value} == {"A": "yes", "Default": "12"}
    assert "s3cret" not in text
    assert as_json or "# Of the hook\n# and no other\n# stacks/Depot" in text
    # What is left empty is not given.
    assert parameters_in("p.yaml", text.encode()).values == {"A": "yes", "Default": "12"}
    filled = {name: value or "ok-1" for name, value in values.items()}
    filled |= {"G": "0", "ssm:/a": "$.a", "Out": "GITHUB_HMAC"}
    found = declared(LACKING, filled)
    assert [item.name for item in found.of(Kind.WEBHOOK)] == ["yes", "hook"]


def test_a_schema_error_speaks_of_the_templates_keys_and_names_all() -> None:
    action = {
        "Name": "",
        "ActionTypeId": {"Category": "Bild", "Owner": "AWS", "provider": "CodeBuild"},
        "RunOrder": "first",
        "Inputs": [],
    }
    stages = [{"Name": "a b", "Actions": [action]}, {"Actions": []}]
    long = webhook(Filters=[{"JsonPath": "$.a", "MatchEquals": "x" * 151}], Tags=[{"Key": "k"}])
    store = {"Region": "eu-west-1", "ArtifactStore": {"Type": "S3", "Location": "x"}}
    complete = [{"Name": "a", "Actions": []}, {"Name": "", "Actions": []}]
    with pytest.raises(HooklineError) as raised:
        declared(
            {
                "Resources": {
                    "P": pipeline(Stages=stages, ArtifactStores=[{"Region": "x"}]),
                    "Q": pipeline(Stages=complete, ArtifactStores=[store], RoleArn="r"),
                    "H": long,
                    "T": {"Type": "AWS::CodePipeline::CustomActionType", "Properties": {}},
                }
            }
        )
    place = "stacks/Depot.template.json: Resources."
    first = f"{place}P.Properties.Stages[0].Actions[0]"
    for line in (
        f"{place}P.Properties.ArtifactStores must be a list of objects with Region and Arti",
        f"{first} has 'Inputs', which isn't known there. Did you mean 'InputArtifacts'?",
        f"{first}.ActionTypeId has no 'Version', which is required",
        f"{first}.RunOrder must be a whole number",
        f"{place}P.Properties.Stages[1] has no 'Name', which is required",
        f"{place}Q.Properties.Stages[1].Name: the value '' is refused. Member must have length",
        f"{place}Q.Properties.ArtifactStores[eu-west-1].Location: the value 'x' is refused",
        f"{place}Q.Properties.RoleArn: the value 'r' is refused",
        f"{place}H.Properties.Filters[0].MatchEquals: the value 'xxx",
        f"{place}H.Properties.Tags[0] has no 'Value'",
        f"{place}T.Properties has no 'Category'",
        f"{place}T.Properties has no 'InputArtifactDetails'",
    ):
        assert line in raised.value.message
    assert ".member" not in raised.value.message


def test_a_value_that_nothing_asks_for_is_a_warning() -> None:
    found = declared(FILE.read_bytes(), {**GIVEN, "Tpyo": "x"})
    assert found.warnings == ("The value 'Tpyo' is given, and nothing in the files asks for it",)
    assert declared(FILE.read_bytes(), GIVEN).warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        '{"A": "x", "B": true}',
        "[{ParameterKey: A, ParameterValue: x}, {ParameterKey: B, ParameterValue: true}]",
        '{"Parameters": {"A": "x", "B": "true"}}',
        "A: x\nB: true\n",
    ],
)
def test_parameters_come_from_a_file(text: str) -> None:
    assert parameters_in("p.yaml", text.encode()).values == {"A": "x", "B": "true"}


def test_a_file_without_parameters_is_an_error() -> None:
    for text in ("", "[1]", '{"a": []}'):
        with pytest.raises(HooklineError, match="holds no parameters"):
            parameters_in("p.yaml", text.encode())


def test_a_stack_is_named_after_its_file() -> None:
    assert stack_name_of("out/Shop.template.json") == "Shop"
    assert stack_name_of("a/my_app v2.yaml") == "my-app-v2"
    assert stack_name_of("-") == "stack"
