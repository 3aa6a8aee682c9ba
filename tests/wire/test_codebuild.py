"""CodeBuild's projects and builds through boto3, on both databases, in JSON and in CBOR."""

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from hookline.builds.build import Build
from hookline.builds.phases import BuildStatus, Phase, PhaseContext, PhaseType
from hookline.model import Scope, first_id_at, new_id
from hookline.store import build_projects, builds, tables
from support.server import Server

from .test_cbor import CborLoader

_numbers = itertools.count(1)
ACCOUNT = "000000000000"
ROLE = "arn:aws:iam::000000000000:role/build"
ENVIRONMENT = {
    "type": "LINUX_CONTAINER",
    "image": "aws/codebuild/standard:7.0",
    "computeType": "BUILD_GENERAL1_SMALL",
}
PIPELINE_PROJECT: dict[str, Any] = {
    "source": {"type": "CODEPIPELINE"},
    "artifacts": {"type": "CODEPIPELINE"},
    "environment": ENVIRONMENT,
    "serviceRole": ROLE,
}


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(1_700_000_000.0 + seconds, UTC)


class Region:
    """A region of a server that no other test uses, seen through boto3's CodeBuild client."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.scope = Scope(ACCOUNT, name)
        # What is not valid is for the server to say.
        self.client = server.client(name, service="codebuild", parameter_validation=False)

    def create(self, name: str, **more: Any) -> Any:
        return self.client.create_project(**{"name": name, **PIPELINE_PROJECT, **more})["project"]

    def get(self, name: str) -> Any:
        [project] = self.client.batch_get_projects(names=[name])["projects"]
        return project

    def build(self, project: str = "app", age: float = 0.0, **more: Any) -> Build:
        """Put a build of `age` seconds ago."""
        started = time.time() - age
        with self.server.database.write() as connection:
            number = build_projects.take_number(connection, self.scope, project)
            assert number is not None
            fields: dict[str, Any] = {
                "uuid": first_id_at(started) + new_id()[13:],
                "definition": PIPELINE_PROJECT,
                "initiator": "codepipeline/release",
                "started_at": started,
                **more,
            }
            made = Build(scope=self.scope, project_name=project, number=number, **fields)
            builds.put(connection, made)
        return made


@pytest.fixture(scope="module")
def own_server(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("codebuild")
    with Server(folder, database_url=make_database()) as server:
        yield server


@pytest.fixture
def region(own_server: Server) -> Region:
    return Region(own_server, f"build-{next(_numbers)}")


def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def test_a_project_has_awss_defaults_for_what_was_left_out(region: Region) -> None:
    before = datetime.now(UTC)
    project = region.create("app")
    assert project == region.get("app") == region.get(project["arn"])
    created = project.pop("created")
    assert abs((created - before).total_seconds()) < 60
    assert project.pop("lastModified") == created
    assert project == {
        "name": "app",
        "arn": f"arn:aws:codebuild:{region.name}:{ACCOUNT}:project/app",
        "source": {"type": "CODEPIPELINE", "insecureSsl": False},
        "secondarySources": [],
        "secondarySourceVersions": [],
        "artifacts": {
            "type": "CODEPIPELINE",
            "name": "app",
            "packaging": "NONE",
            "encryptionDisabled": False,
        },
        "secondaryArtifacts": [],
        "cache": {"type": "NO_CACHE"},
        "environment": {
            **ENVIRONMENT,
            "environmentVariables": [],
            "privilegedMode": False,
            "imagePullCredentialsType": "CODEBUILD",
        },
        "serviceRole": ROLE,
        "timeoutInMinutes": 60,
        "queuedTimeoutInMinutes": 480,
        "encryptionKey": f"arn:aws:kms:{region.name}:{ACCOUNT}:alias/aws/s3",
        "tags": [],
        "badge": {"badgeEnabled": False},
        "logsConfig": {
            "cloudWatchLogs": {"status": "ENABLED"},
            "s3Logs": {"status": "DISABLED", "encryptionDisabled": False},
        },
        "projectVisibility": "PRIVATE",
    }


WHOLE: dict[str, Any] = {
    "description": "é",
    "source": {
        "type": "GITHUB",
        "location": "https://github.com/octocat/Hello-World",
        "gitCloneDepth": 1,
        "gitSubmodulesConfig": {"fetchSubmodules": True},
        "buildspec": "version: 0.2\nphases: {build: {commands: [make]}}\n",
        "auth": {
            "type": "CODECONNECTIONS",
            "resource": "arn:aws:codeconnections:us-east-1:000000000000:connection/x",
        },
        "reportBuildStatus": True,
        "buildStatusConfig": {"context": "ci", "targetUrl": "https://ci.example.com"},
        "insecureSsl": False,
    },
    "secondarySources": [
        {"type": "S3", "location": "bucket/key.zip", "sourceIdentifier": "lib", "insecureSsl": True}
    ],
    "sourceVersion": "main",
    "secondarySourceVersions": [{"sourceIdentifier": "lib", "sourceVersion": "v1"}],
    "artifacts": {
        "type": "S3",
        "location": "bucket",
        "path": "out",
        "namespaceType": "BUILD_ID",
        "name": "app.zip",
        "packaging": "ZIP",
        "overrideArtifactName": True,
        "encryptionDisabled": True,
        "bucketOwnerAccess": "FULL",
    },
    "secondaryArtifacts": [
        {
            "type": "S3",
            "location": "bucket",
            "artifactIdentifier": "docs",
            "name": "docs",
            "namespaceType": "NONE",
            "packaging": "NONE",
            "encryptionDisabled": False,
        }
    ],
    "cache": {"type": "LOCAL", "modes": ["LOCAL_DOCKER_LAYER_CACHE", "LOCAL_CUSTOM_CACHE"]},
    "environment": {
        **ENVIRONMENT,
        "computeConfiguration": {"vCpu": 2, "memory": 4, "disk": 1 << 40},
        "fleet": {"fleetArn": "arn:aws:codebuild:us-east-1:000000000000:fleet/f:1"},
        "environmentVariables": [
            {"name": "A", "value": "", "type": "PLAINTEXT"},
            {"name": "B", "value": "/b", "type": "PARAMETER_STORE"},
        ],
        "privilegedMode": True,
        "registryCredential": {"credential": "login", "credentialProvider": "SECRETS_MANAGER"},
        "imagePullCredentialsType": "SERVICE_ROLE",
    },
    "timeoutInMinutes": 2160,
    "queuedTimeoutInMinutes": 5,
    "encryptionKey": "alias/mine",
    "tags": [{"key": "team", "value": "é"}, {"key": "tier", "value": ""}],
    "vpcConfig": {"vpcId": "vpc-1", "subnets": ["s-1"], "securityGroupIds": ["g-1", "g-2"]},
    "logsConfig": {
        "cloudWatchLogs": {"status": "DISABLED"},
        "s3Logs": {"status": "ENABLED", "location": "bucket/logs", "encryptionDisabled": True},
    },
    "fileSystemLocations": [
        {"type": "EFS", "location": "fs-1:/", "mountPoint": "/mnt", "identifier": "efs"}
    ],
    "buildBatchConfig": {
        "serviceRole": ROLE,
        "combineArtifacts": True,
        "restrictions": {"maximumBuildsAllowed": 2, "computeTypesAllowed": ["x"]},
        "timeoutInMins": 30,
    },
    "concurrentBuildLimit": 3,
    "autoRetryLimit": 2,
}


def test_a_project_is_kept_whole_also_what_is_not_run_here(region: Region) -> None:
    created = region.create("whole", **WHOLE, badgeEnabled=True)
    for project in (created, region.get("whole")):
        assert {name: project[name] for name in WHOLE} == WHOLE
        assert project["badge"] == {"badgeEnabled": True}


def test_an_update_changes_what_is_given_and_keeps_the_rest(region: Region) -> None:
    before = region.create("app", **WHOLE)
    updated = region.client.update_project(
        name="app", description="", timeoutInMinutes=5, vpcConfig={}, concurrentBuildLimit=-1
    )["project"]
    assert updated == region.get("app")
    assert updated["created"] == before["created"] < updated["lastModified"]
    changed = {"description", "timeoutInMinutes", "vpcConfig", "concurrentBuildLimit"}
    same = before.keys() - changed - {"lastModified"}
    assert {name: updated[name] for name in same} == {name: before[name] for name in same}
    assert (updated["description"], updated["timeoutInMinutes"]) == ("", 5)
    assert not {"vpcConfig", "concurrentBuildLimit"} & updated.keys()
    tagged = region.client.update_project(name="app", tags=[{"key": "a", "value": "b"}])["project"]
    assert tagged["tags"] == region.get("app")["tags"] == [{"key": "a", "value": "b"}]
    assert region.client.update_project(name="app", tags=[])["project"]["tags"] == []


def test_a_project_may_be_named_by_its_arn(region: Region) -> None:
    arn = region.create("app")["arn"]
    made = region.build()
    assert region.client.list_builds_for_project(projectName=arn)["ids"] == [made.id]
    assert region.client.update_project(name=arn, description="x")["project"] == region.get("app")
    other = Region(region.server, f"{region.name}-other")
    other.create("app")
    other.client.delete_project(name=arn)
    assert other.get("app") != region.get("app")
    region.client.delete_project(name=arn)
    assert region.client.list_projects()["projects"] == []


def test_a_project_is_deleted_with_its_tags_and_may_be_made_again(region: Region) -> None:
    region.create("app", tags=[{"key": "a", "value": "b"}])
    for _ in range(2):
        region.client.delete_project(name="app")
        found = region.client.batch_get_projects(names=["app"])
        assert (found["projects"], found["projectsNotFound"]) == ([], ["app"])
    assert region.create("app")["tags"] == []


def test_names_are_used_once_in_a_region_and_scopes_are_apart(region: Region) -> None:
    region.create("app")
    arn = f"arn:aws:codebuild:{region.name}:{ACCOUNT}:project/app"
    assert refused(region.create, name="app") == (
        "ResourceAlreadyExistsException",
        f"Project already exists: {arn}",
    )
    other = Region(region.server, f"{region.name}-other")
    other.create("app", description="other")
    assert "description" not in region.get("app")
    assert other.client.batch_get_projects(names=[arn])["projectsNotFound"] == [arn]
    other.client.delete_project(name="app")
    assert region.client.list_projects()["projects"] == ["app"]
    assert other.client.list_projects()["projects"] == []
    assert refused(other.client.update_project, name="app") == (
        "ResourceNotFoundException",
        f"Project cannot be found: arn:aws:codebuild:{other.name}:{ACCOUNT}:project/app",
    )


def test_a_region_has_at_most_5000_projects(region: Region) -> None:
    row = {"account": ACCOUNT, "region": region.name, "definition": PIPELINE_PROJECT}
    times = {"builds_started": 0, "created_at": 0.0, "updated_at": 0.0}
    rows = [{**row, **times, "name": f"p{number}"} for number in range(5_000)]
    with region.server.database.write() as connection:
        connection.execute(tables.build_projects.insert(), rows)
    code, said = refused(region.create, name="app")
    assert (code, "more than 5000 projects" in said) == ("AccountLimitExceededException", True)
    region.client.delete_project(name="p0")
    region.create("app")


IDENTIFIER = (
    "Invalid input: identifier must contain only alphanumeric characters and underscores and be "
    "less than 128 characters in length"
)
GIT = {"type": "GITHUB", "location": "https://github.com/octocat/Hello-World"}
OUT = {"type": "S3", "location": "bucket"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a"}, "Value 'a' at 'name' failed to satisfy constraint: Member must have"),
        ({"name": "a b"}, "at 'name' failed to satisfy constraint: Member must satisfy regular"),
        (
            {"environment": {**ENVIRONMENT, "computeType": "HUGE"}},
            "1 validation error detected: Value 'HUGE' at 'environment.computeType' failed to",
        ),
        ({"timeoutInMinutes": 4}, "Value '4' at 'timeoutInMinutes' failed to satisfy constraint"),
        ({"tags": [{"key": "aws:x", "value": ""}]}, "begins with 'aws:'"),
        ({"tags": [{"key": "x", "value": ""}] * 2}, "Tag key 'x' is given more than once"),
        ({"tags": [{"key": "x"}]}, "Invalid tags: each needs a key and a value"),
        (
            {"source": GIT},
            "both sourceType, and artifactType must be set to: CODEPIPELINE",
        ),
        ({"source": {"type": "GITHUB"}, "artifacts": OUT}, "Project source location is required"),
        (
            {"source": {"type": "NO_SOURCE"}, "artifacts": {"type": "NO_ARTIFACTS"}},
            "source type NO_SOURCE should have an inline buildspec",
        ),
        (
            {"source": GIT, "artifacts": {"type": "NO_ARTIFACTS", "location": "b"}},
            "Invalid artifacts: artifact type NO_ARTIFACTS should have null location",
        ),
        ({"source": GIT, "artifacts": {"type": "S3"}}, "type S3 should have a location"),
        (
            {"source": {**GIT, "auth": {"type": "OAUTH", "resource": "ghp_x"}}, "artifacts": OUT},
            "a token itself is not kept in a project",
        ),
        ({"secondarySources": [{**GIT, "sourceIdentifier": "a-b"}]}, IDENTIFIER),
        ({"secondarySources": [GIT]}, IDENTIFIER),
        (
            {"secondaryArtifacts": [{**OUT, "artifactIdentifier": "a"}] * 2},
            "artifactIdentifier 'a' of secondaryArtifacts is given more than once",
        ),
        ({"concurrentBuildLimit": 0}, "Invalid concurrentBuildLimit: 0 is less than 1"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(
    region: Region, changes: dict[str, Any], message: str
) -> None:
    code, said = refused(region.create, **{"name": "app", **changes})
    assert (code, message in said) == ("InvalidInputException", True), said
    assert "ghp_x" not in said
    assert region.client.list_projects()["projects"] == []
    if "name" not in changes:
        before = region.create("app")
        assert refused(region.client.update_project, name="app", **changes) == (code, said)
        assert region.get("app") == before


def test_projects_are_listed_by_pages_in_any_order(region: Region) -> None:
    # Names after each other, times before each other.
    names = [f"p{number:03}" for number in range(150)]
    with region.server.database.write() as connection:
        for name in reversed(names):
            build_projects.create(connection, region.scope, name, PIPELINE_PROJECT)

    def listed(**order: str) -> list[str]:
        pages = list(region.client.get_paginator("list_projects").paginate(**order))
        assert [len(page["projects"]) for page in pages] == [100, 50]
        return [name for page in pages for name in page["projects"]]

    assert listed() == listed(sortBy="NAME", sortOrder="ASCENDING") == names
    assert listed(sortOrder="DESCENDING") == names[::-1]
    assert listed(sortBy="CREATED_TIME") == names[::-1]
    region.client.update_project(name="p100", description="newest")
    newest, *rest = listed(sortBy="LAST_MODIFIED_TIME", sortOrder="DESCENDING")
    assert newest == "p100"
    assert rest == [name for name in names if name != "p100"]
    token = region.client.list_projects()["nextToken"]
    for wrong in ({"nextToken": "x"}, {"nextToken": token, "sortOrder": "DESCENDING"}):
        code, said = refused(region.client.list_projects, **wrong)
        assert (code, "Invalid next token" in said) == ("InvalidInputException", True)


def test_a_build_is_shown_whole(region: Region) -> None:
    region.create("app")
    action = new_id()
    phases = (
        Phase(PhaseType.SUBMITTED, at(0.0), BuildStatus.SUCCEEDED, at(1.5)),
        Phase(
            PhaseType.BUILD,
            at(2.0),
            BuildStatus.FAILED,
            at(9.0),
            PhaseContext("COMMAND_EXECUTION_ERROR", "make: exit status 2"),
        ),
        Phase(PhaseType.POST_BUILD, at(9.0)),
    )
    made = region.build(
        age=5.0,
        definition={**PIPELINE_PROJECT, "timeoutInMinutes": 7},
        status=BuildStatus.FAILED,
        current_phase=PhaseType.COMPLETED,
        source_version="arn:aws:s3:::b/k",
        resolved_source_version="0f8fad5b",
        phases=phases,
        artifacts=({"location": "here"}, {"location": "there", "artifactIdentifier": "docs"}),
        exported_variables={"TAG": "v1", "EMPTY": ""},
        action_execution_id=action,
        ended_at=time.time(),
    )
    answer = region.client.batch_get_builds(ids=[made.id, made.arn, "app:none"])
    [build], missing = answer["builds"], answer["buildsNotFound"]
    assert missing == ["app:none"]
    expected = {
        "id": made.id,
        "arn": f"arn:aws:codebuild:{region.name}:{ACCOUNT}:build/{made.id}",
        "projectName": "app",
        "buildNumber": 1,
        "buildStatus": "FAILED",
        "buildComplete": True,
        "currentPhase": "COMPLETED",
        "initiator": "codepipeline/release",
        "sourceVersion": "arn:aws:s3:::b/k",
        "resolvedSourceVersion": "0f8fad5b",
        "timeoutInMinutes": 7,
        "queuedTimeoutInMinutes": 480,
        "artifacts": {"location": "here"},
        "secondaryArtifacts": [{"location": "there", "artifactIdentifier": "docs"}],
        "exportedEnvironmentVariables": [
            {"name": "TAG", "value": "v1"},
            {"name": "EMPTY", "value": ""},
        ],
    }
    assert {name: build[name] for name in expected} == expected
    assert build["logs"]["deepLink"] == f"{region.server.url}/logs/{action}"
    assert build["startTime"] < build["endTime"]
    submitted, ran, running = build["phases"]
    assert (submitted["durationInSeconds"], submitted["contexts"]) == (
        1,
        [{"statusCode": "", "message": ""}],
    )
    assert ran["phaseStatus"] == "FAILED"
    assert ran["contexts"] == [
        {"statusCode": "COMMAND_EXECUTION_ERROR", "message": "make: exit status 2"}
    ]
    assert not {"endTime", "phaseStatus", "durationInSeconds"} & running.keys()
    assert refused(region.client.batch_get_builds, ids=["app"]) == (
        "InvalidInputException",
        "Invalid build ID provided",
    )
    other = region.server.client("elsewhere", service="codebuild")
    assert other.batch_get_builds(ids=[made.id])["builds"] == []


def test_builds_are_listed_newest_first_or_oldest_first(region: Region) -> None:
    region.create("app")
    region.create("lib")
    made = [region.build(project, age=500 - n) for n in range(120) for project in ("app", "lib")]

    def listed(operation: str, **parameters: str) -> list[str]:
        pages = region.client.get_paginator(operation).paginate(**parameters)
        return [build_id for page in pages for build_id in page["ids"]]

    ids = [build.id for build in made]
    assert listed("list_builds") == ids[::-1]
    assert listed("list_builds", sortOrder="ASCENDING") == ids
    of_app = [build.id for build in made if build.project_name == "app"]
    assert listed("list_builds_for_project", projectName="app") == of_app[::-1]
    assert listed("list_builds_for_project", projectName="app", sortOrder="ASCENDING") == of_app
    absent = f"arn:aws:codebuild:{region.name}:{ACCOUNT}:project/none"
    assert refused(region.client.list_builds_for_project, projectName="none") == (
        "ResourceNotFoundException",
        f"The provided project {absent} does not exist",
    )
    token = region.client.list_builds()["nextToken"]
    code, _ = refused(region.client.list_builds_for_project, projectName="app", nextToken=token)
    assert code == "InvalidInputException"
    region.client.delete_project(name="app")
    assert listed("list_builds") == ids[::-1]


def test_builds_that_have_ended_are_deleted(region: Region) -> None:
    region.create("app")
    running = region.build()
    ended = region.build(status=BuildStatus.SUCCEEDED, ended_at=time.time())
    answer = region.client.batch_delete_builds(ids=[running.id, ended.id, "app:none"])
    assert answer["buildsDeleted"] == [ended.arn]
    assert answer["buildsNotDeleted"] == [
        {"id": running.arn, "statusCode": "BUILD_IN_PROGRESS"},
        {"id": "app:none", "statusCode": "BUILD_NOT_FOUND"},
    ]
    assert region.client.list_builds()["ids"] == [running.id]
    assert region.build().number == 3


def test_awss_own_images_are_listed(region: Region) -> None:
    platforms = region.client.list_curated_environment_images()["platforms"]
    names = {
        image["name"]
        for platform in platforms
        for language in platform["languages"]
        for image in language["images"]
    }
    assert {"aws/codebuild/standard:7.0", "aws/codebuild/amazonlinux2-x86_64-standard:5.0"} < names


def test_w2_what_is_not_built_says_why(region: Region) -> None:
    code, said = refused(region.client.start_build, projectName="app")
    assert (code, "use StartPipelineExecution" in said) == ("NotImplementedException", True)
    code, said = refused(region.client.delete_webhook, projectName="app")
    assert (code, "PutWebhook" in said) == ("NotImplementedException", True)


def test_w5_a_read_only_key_reads_and_changes_nothing(region: Region) -> None:
    region.create("app")
    made = region.build(ended_at=time.time())
    done = region.server.hookline("credentials", "create", "--read-only")
    fields = dict(line.split() for line in done.stdout.splitlines())
    key = (fields["aws_access_key_id"], fields["aws_secret_access_key"])
    client = region.server.client(region.name, key, "codebuild")
    assert client.batch_get_projects(names=["app"])["projects"] == [region.get("app")]
    assert client.list_projects()["projects"] == ["app"]
    assert client.list_builds()["ids"] == [made.id]
    for call, parameters in (
        (client.create_project, {"name": "other", **PIPELINE_PROJECT}),
        (client.update_project, {"name": "app", "description": "x"}),
        (client.delete_project, {"name": "app"}),
        (client.batch_delete_builds, {"ids": [made.id]}),
    ):
        code, said = refused(call, **parameters)
        assert (code, "codebuild:" in said) == ("AccessDeniedException", True)
    assert region.client.list_builds()["ids"] == [made.id]


def test_w1_a_whole_life_in_cbor(region: Region) -> None:
    session = botocore.session.Session()
    session.register_component("data_loader", CborLoader())
    access_key_id, secret = region.server.key()
    client = boto3.session.Session(botocore_session=session).client(
        "codebuild",
        region_name=region.name,
        endpoint_url=region.server.url,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )
    created = client.create_project(name="whole", **PIPELINE_PROJECT, tags=WHOLE["tags"])
    headers = created["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "application/cbor"
    assert created["project"] == region.get("whole")
    ended = Phase(PhaseType.BUILD, at(1.0), BuildStatus.SUCCEEDED, at(2.5))
    made = region.build("whole", phases=(ended,))
    [build] = client.batch_get_builds(ids=[made.id])["builds"]
    assert [build] == region.client.batch_get_builds(ids=[made.id])["builds"]
    with pytest.raises(client.exceptions.ResourceAlreadyExistsException):
        client.create_project(name="whole", **PIPELINE_PROJECT)
    client.delete_project(name="whole")
    client.close()
