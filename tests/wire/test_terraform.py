"""Terraform's AWS provider as its users run it: apply, plan, import, destroy (P2, P9, P10, L3)."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.sending import push_event
from support.server import Server, clean_environment
from support.tenant import ROLE, SECRET, Tenant

NO_PROVIDER = "needs terraform and its provider hashicorp/aws"
MIRROR = "HOOKLINE_TERRAFORM_MIRROR"
HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "terraform.md"
UNCHANGED, CHANGED = 0, 2
PROVIDERS = {"required_providers": {"aws": {"source": "hashicorp/aws"}}}
FILTER = {"json_path": "$.ref", "match_equals": "refs/heads/{Branch}"}


class Terraform:
    """A folder with a configuration; the state begins empty."""

    def __init__(self, program: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._program, self._folder, self._environment = program, folder, environment

    def write(self, configuration: Any) -> None:
        """Make this the whole configuration: in HCL, or the JSON that stands for it."""
        for name in ("main.tf", "main.tf.json"):
            (self._folder / name).unlink(missing_ok=True)
        if isinstance(configuration, str):
            (self._folder / "main.tf").write_text(configuration)
        else:
            (self._folder / "main.tf.json").write_text(json.dumps(configuration))

    def run(self, *arguments: str, allowed: tuple[int, ...] = (0,)) -> tuple[int, str]:
        """Run it to its end; the exit status and all that it said."""
        done = subprocess.run(
            [self._program, *arguments, "-no-color"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode in allowed, done.stdout
        return done.returncode, done.stdout

    def apply(self, configuration: Any) -> str:
        """Apply a configuration, and prove that there is nothing left to do."""
        self.write(configuration)
        _, said = self.run("apply", "-auto-approve", "-input=false")
        status, left = self.plan()
        assert status == UNCHANGED, left
        return said

    def plan(self) -> tuple[int, str]:
        """Whether something is to be changed, and what."""
        return self.run("plan", "-detailed-exitcode", "-input=false", allowed=(UNCHANGED, CHANGED))


@pytest.fixture(scope="module")
def initialized(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, dict[str, str]]:
    """The program, a folder that it was initialized in, and the environment to run it in."""
    program = shutil.which("terraform")
    if program is None:
        pytest.skip(NO_PROVIDER)
    folder = tmp_path_factory.mktemp("terraform")
    environment = {
        **clean_environment(),
        "CHECKPOINT_DISABLE": "1",
        # The provider describes 1,500 resources in each run; collecting that is half of its work.
        "GOGC": "800",
        "TF_DATA_DIR": str(folder / "data"),
    }
    mirror = os.environ.get(MIRROR)
    if mirror:
        settings = folder / "terraform.rc"
        settings.write_text(
            "provider_installation {\n  filesystem_mirror {\n"
            f"    path = {json.dumps(mirror)}\n  }}\n}}\n"
        )
        environment["TF_CLI_CONFIG_FILE"] = str(settings)
    terraform = Terraform(program, folder, environment)
    terraform.write({"terraform": PROVIDERS})
    status, said = terraform.run("init", "-input=false", allowed=(0, 1))
    # A mirror that somebody names and that has no provider is a mistake, and no reason to skip.
    if status != 0 and not mirror and "Failed to query available provider packages" in said:
        pytest.skip(NO_PROVIDER)
    assert status == 0, said
    return program, folder, environment


@pytest.fixture
def make_terraform(
    initialized: tuple[str, Path, dict[str, str]], tmp_path: Path
) -> Callable[[Server], Terraform]:
    program, done, environment = initialized

    def make(server: Server) -> Terraform:
        folder = tmp_path / "terraform"
        folder.mkdir()
        shutil.copy(done / ".terraform.lock.hcl", folder)
        return Terraform(program, folder, {**environment, **server.profile()})

    return make


@pytest.fixture
def revealing(initialized: object, make_server: Callable[..., Server], github: Path) -> Tenant:
    assert initialized
    return Tenant(make_server(reveal_secrets="true").start(), github)


def provider(tenant: Tenant) -> dict[str, Any]:
    return {
        "region": tenant.region,
        "skip_credentials_validation": True,
        "skip_requesting_account_id": True,
        "skip_metadata_api_check": True,
        "skip_region_validation": True,
        "endpoints": {"codepipeline": tenant.server.url, "codebuild": tenant.server.url},
    }


def configuration(tenant: Tenant, pipeline: Any, **webhooks: Any) -> dict[str, Any]:
    """A pipeline `app` and webhooks of it."""
    target = {"target_pipeline": "${aws_codepipeline.app.name}", "target_action": "App"}
    resources = {"aws_codepipeline": {"app": pipeline}}
    if webhooks:
        resources["aws_codepipeline_webhook"] = {
            label: {**target, **webhook} for label, webhook in webhooks.items()
        }
    return {"terraform": PROVIDERS, "provider": {"aws": provider(tenant)}, "resource": resources}


def action(category: str, owner: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "category": category,
        "owner": owner,
        "provider": kind,
        "version": "1",
        **more,
    }


CONNECTED = action(
    "Source",
    "AWS",
    "CodeStarSourceConnection",
    "App",
    configuration={
        "ConnectionArn": "arn:aws:codestar-connections:us-east-1:000000000000:connection/x",
        "FullRepositoryId": "nobody/nothing",
        "BranchName": "main",
    },
    output_artifacts=["Code"],
    namespace="App",
)
GITHUB = action(
    "Source",
    "ThirdParty",
    "GitHub",
    "App",
    configuration={
        "Owner": "nobody",
        "Repo": "nothing",
        "Branch": "main",
        "OAuthToken": "a-token-of-github",
        "PollForSourceChanges": "false",
    },
    output_artifacts=["Code"],
)
BUILD = action(
    "Build",
    "AWS",
    "CodeBuild",
    "Make",
    configuration={"ProjectName": "unused"},
    input_artifacts=["Code"],
    output_artifacts=["Built"],
    run_order=2,
)
APPROVAL = action("Approval", "AWS", "Manual", "Ask")


def pipeline(source: Any, *stages: Any, **more: Any) -> dict[str, Any]:
    return {
        "name": "app",
        "role_arn": ROLE,
        "artifact_store": {"location": "artifacts", "type": "S3"},
        "stage": [
            {"name": "Source", "action": [source]},
            *({"name": name, "action": actions} for name, *actions in stages),
        ],
        **more,
    }


def webhook(*filters: Any, **more: Any) -> dict[str, Any]:
    return {
        "name": "push",
        "authentication": "GITHUB_HMAC",
        "authentication_configuration": {"secret_token": SECRET},
        "filter": list(filters or (FILTER,)),
        **more,
    }


def trigger(*branches: str) -> dict[str, Any]:
    push = {"branches": {"includes": list(branches)}}
    return {
        "provider_type": "CodeStarSourceConnection",
        "git_configuration": {"source_action_name": "App", "push": [push]},
    }


def webhooks_of(tenant: Tenant) -> dict[str, Any]:
    return {item["definition"]["name"]: item for item in tenant.client.list_webhooks()["webhooks"]}


def tags(item: Any) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in item["tags"]}


def test_p2_p9_every_change_is_applied_and_leaves_an_empty_plan(
    revealing: Tenant, make_terraform: Callable[[Server], Terraform]
) -> None:
    tenant, terraform = revealing, make_terraform(revealing.server)
    first = configuration(
        tenant,
        pipeline(
            CONNECTED,
            ("Build", BUILD),
            pipeline_type="V2",
            execution_mode="QUEUED",
            variable=[{"name": "Target", "default_value": "test", "description": "Where to"}],
            trigger=[trigger("main")],
            tags={"team": "web", "stage": "test"},
        ),
        push=webhook(tags={"team": "web", "old": "x"}),
    )
    terraform.apply(first)
    made = webhooks_of(tenant)["push"]
    created = tenant.client.get_pipeline(name="app")
    assert (created["pipeline"]["version"], created["pipeline"]["executionMode"]) == (1, "QUEUED")
    assert tags(made) == {"team": "web", "old": "x"}

    rules = [{"json_path": "$.deleted", "match_equals": "false"}, FILTER]
    changed = configuration(
        tenant,
        pipeline(
            CONNECTED,
            ("Build", BUILD),
            ("Approve", APPROVAL),
            pipeline_type="V2",
            execution_mode="PARALLEL",
            variable=[{"name": "Target", "default_value": "production"}, {"name": "Speed"}],
            trigger=[trigger("main", "release/**")],
            tags={"team": "red", "new": ""},
        ),
        push=webhook(*rules, tags={"team": "red"}),
    )
    said = terraform.apply(changed)
    assert "0 added, 2 changed, 0 destroyed" in said
    after = webhooks_of(tenant)["push"]
    assert (after["url"], after["arn"]) == (made["url"], made["arn"])
    assert tags(after) == {"team": "red"}
    assert len(after["definition"]["filters"]) == 2
    updated = tenant.client.get_pipeline(name="app")["pipeline"]
    assert (updated["version"], updated["executionMode"]) == (2, "PARALLEL")
    assert [stage["name"] for stage in updated["stages"]] == ["Source", "Build", "Approve"]
    arn = created["metadata"]["pipelineArn"]
    assert tags(tenant.client.list_tags_for_resource(resourceArn=arn)) == {"team": "red", "new": ""}
    assert updated["triggers"][0]["gitConfiguration"]["push"] == [
        {"branches": {"includes": ["main", "release/**"]}}
    ]

    renamed = {**changed["resource"]["aws_codepipeline_webhook"]["push"], "name": "renamed"}
    changed["resource"]["aws_codepipeline_webhook"]["push"] = renamed
    said = terraform.apply(changed)
    assert "1 added, 0 changed, 1 destroyed" in said
    [moved] = webhooks_of(tenant).values()
    assert moved["definition"]["name"] == "renamed"
    assert moved["url"] != made["url"]

    # An import leaves `trigger` out of the state (the provider reads it into `trigger_all`), so
    # that it is set once more.
    addresses = {"aws_codepipeline.app": "app", "aws_codepipeline_webhook.push": moved["arn"]}
    terraform.run("state", "rm", *addresses)
    imports = [{"to": address, "id": identifier} for address, identifier in addresses.items()]
    said = terraform.apply({**changed, "import": imports})
    assert "2 imported, 0 added, 1 changed, 0 destroyed" in said
    terraform.run("destroy", "-auto-approve", "-input=false")
    assert webhooks_of(tenant) == {}
    assert tenant.client.list_pipelines()["pipelines"] == []


def test_p9_p10_the_recipe_of_the_how_to_keeps_a_redacted_secret(
    tenant: Tenant, make_terraform: Callable[[Server], Terraform]
) -> None:
    terraform = make_terraform(tenant.server)
    blocks = re.findall(r"<<'HCL'\n(.*?)^HCL$", HOWTO.read_text(), re.DOTALL | re.MULTILINE)
    text = "\n".join(blocks)
    text = text.replace("http://127.0.0.1:8700", tenant.server.url)
    text = text.replace("us-east-1", tenant.region).replace("a-long-random-secret", SECRET)
    terraform.apply(text)
    made = webhooks_of(tenant)["hello-push"]
    shown = {"SecretToken": "****"}
    assert made["definition"]["authenticationConfiguration"] == shown
    assert tenant.push(made, push_event(n=1, branch="master")).outcome == "started"

    said = terraform.apply(text.replace("refs/heads/{Branch}", "refs/heads/release"))
    assert "0 added, 1 changed, 0 destroyed" in said
    assert webhooks_of(tenant)["hello-push"]["url"] == made["url"]
    assert tenant.push(made, push_event(n=2, branch="master")).outcome == "filtered"
    assert tenant.push(made, push_event(n=3, branch="release")).outcome == "started"

    # What the how-to warns of: without the recipe each plan replaces the webhook.
    plain = re.sub(r"\n *lifecycle \{.*?\n  \}\n", "\n", text, count=1, flags=re.DOTALL)
    assert plain != text
    terraform.write(plain)
    status, left = terraform.plan()
    assert status == CHANGED
    assert "aws_codepipeline_webhook.push must be replaced" in left


def test_p2_what_was_deleted_behind_its_back_is_made_again(
    tenant: Tenant, make_terraform: Callable[[Server], Terraform]
) -> None:
    terraform = make_terraform(tenant.server)
    whole = configuration(
        tenant,
        pipeline(GITHUB, ("Build", BUILD)),
        open=webhook(
            name="open", authentication="UNAUTHENTICATED", authentication_configuration=[]
        ),
        office=webhook(
            name="office",
            authentication="IP",
            authentication_configuration={"allowed_ip_range": "192.0.2.0/24"},
        ),
    )
    terraform.apply(whole)
    assert tenant.client.get_pipeline(name="app")["pipeline"]["pipelineType"] == "V1"
    url = webhooks_of(tenant)["open"]["url"]
    tenant.client.delete_webhook(name="open")
    tenant.client.delete_pipeline(name="app")
    status, left = terraform.plan()
    assert (status, "2 to add, 0 to change, 0 to destroy" in left) == (CHANGED, True), left
    terraform.apply(whole)
    assert sorted(webhooks_of(tenant)) == ["office", "open"]
    assert webhooks_of(tenant)["open"]["url"] != url


def test_custom_action_types(
    server: Server, github: Path, make_terraform: Callable[[Server], Terraform]
) -> None:
    # In regions that are not AWS's the provider ignores that a resource can't be read.
    tenant, terraform = Tenant(server, github, "eu-central-1"), make_terraform(server)
    kind = {
        "category": "Build",
        "provider_name": "Mine",
        "version": "1",
        "input_artifact_details": {"minimum_count": 0, "maximum_count": 1},
        "output_artifact_details": {"minimum_count": 0, "maximum_count": 1},
        "configuration_property": [
            {"name": "Job", "required": True, "key": True, "secret": False, "type": "String"},
            {"name": "Token", "required": False, "key": False, "secret": True},
        ],
        "settings": {"entity_url_template": "https://ci.example.com/{Config:Job}"},
        "tags": {"team": "web", "old": "x"},
    }
    whole = configuration(tenant, pipeline(GITHUB, ("Build", BUILD)))
    whole["resource"]["aws_codepipeline_custom_action_type"] = {"mine": kind}
    terraform.apply(whole)
    [made] = tenant.client.list_action_types(actionOwnerFilter="Custom")["actionTypes"]
    assert made["id"]["provider"] == "Mine"
    arn = f"arn:aws:codepipeline:{tenant.region}:000000000000:actiontype:Custom/Build/Mine/1"
    assert tags(tenant.client.list_tags_for_resource(resourceArn=arn)) == kind["tags"]
    kind["tags"] = {"team": "red"}
    assert "0 added, 1 changed, 0 destroyed" in terraform.apply(whole)
    assert tags(tenant.client.list_tags_for_resource(resourceArn=arn)) == kind["tags"]
    kind["version"] = "2"
    assert "1 added, 0 changed, 1 destroyed" in terraform.apply(whole)
    terraform.run("destroy", "-auto-approve", "-input=false")
    assert tenant.client.list_action_types(actionOwnerFilter="Custom")["actionTypes"] == []


ENVIRONMENT = {
    "type": "LINUX_CONTAINER",
    "image": "aws/codebuild/standard:7.0",
    "compute_type": "BUILD_GENERAL1_SMALL",
}
PROJECT = {
    "name": "app",
    "service_role": ROLE,
    "source": {"type": "CODEPIPELINE", "buildspec": "ci/build.yml"},
    "artifacts": {"type": "CODEPIPELINE"},
    "environment": ENVIRONMENT,
}
STANDALONE = {
    **PROJECT,
    "name": "standalone",
    "description": "Everything",
    "build_timeout": 5,
    "queued_timeout": 10,
    "badge_enabled": True,
    "concurrent_build_limit": 2,
    "source_version": "main",
    "source": {
        "type": "GITHUB",
        "location": "https://github.com/octocat/Hello-World.git",
        "git_clone_depth": 1,
        "git_submodules_config": {"fetch_submodules": True},
        "report_build_status": True,
        "buildspec": "version: 0.2\nphases: {build: {commands: [make]}}\n",
    },
    "secondary_sources": [
        {
            "type": "CODECOMMIT",
            "location": "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/lib",
            "source_identifier": "lib",
        }
    ],
    "secondary_source_version": [{"source_identifier": "lib", "source_version": "v1"}],
    "artifacts": {"type": "S3", "location": "bucket", "packaging": "ZIP"},
    "secondary_artifacts": [
        {"type": "S3", "location": "bucket", "artifact_identifier": "docs", "name": "docs"}
    ],
    "cache": {"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE", "LOCAL_SOURCE_CACHE"]},
    "environment": {
        **ENVIRONMENT,
        "privileged_mode": True,
        "image_pull_credentials_type": "SERVICE_ROLE",
        "environment_variable": [
            {"name": "A", "value": "1"},
            {"name": "B", "value": "/b", "type": "PARAMETER_STORE"},
        ],
    },
    "logs_config": {
        "cloudwatch_logs": {"group_name": "g", "stream_name": "s"},
        "s3_logs": {"status": "ENABLED", "location": "bucket/logs"},
    },
    "vpc_config": {"vpc_id": "vpc-1", "subnets": ["s-1"], "security_group_ids": ["g-1"]},
    "build_batch_config": {
        "service_role": ROLE,
        "timeout_in_mins": 30,
        "restrictions": {"maximum_builds_allowed": 2},
    },
    "tags": {"team": "web"},
}


def test_every_change_of_a_build_project_leaves_an_empty_plan(
    tenant: Tenant, make_terraform: Callable[[Server], Terraform]
) -> None:
    terraform = make_terraform(tenant.server)
    client = tenant.server.client(tenant.region, service="codebuild")

    def configured(**projects: Any) -> dict[str, Any]:
        resource = {"aws_codebuild_project": projects}
        provided = {"aws": provider(tenant)}
        return {"terraform": PROVIDERS, "provider": provided, "resource": resource}

    terraform.apply(configured(app=PROJECT, standalone=STANDALONE))
    assert client.list_projects()["projects"] == ["app", "standalone"]
    [made] = client.batch_get_projects(names=["standalone"])["projects"]
    assert made["tags"] == [{"key": "team", "value": "web"}]

    plain = {**PROJECT, "name": "standalone", "tags": {"team": "red", "new": ""}}
    said = terraform.apply(configured(app={**PROJECT, "build_timeout": 90}, standalone=plain))
    assert "0 added, 2 changed, 0 destroyed" in said
    [changed] = client.batch_get_projects(names=["standalone"])["projects"]
    assert (changed["timeoutInMinutes"], changed["badge"]) == (60, {"badgeEnabled": False})
    assert not {"vpcConfig", "buildBatchConfig", "concurrentBuildLimit"} & changed.keys()
    assert changed["created"] == made["created"]

    terraform.run("state", "rm", "aws_codebuild_project.standalone")
    imports = [{"to": "aws_codebuild_project.standalone", "id": changed["arn"]}]
    again = configured(app={**PROJECT, "build_timeout": 90}, standalone=plain)
    said = terraform.apply({**again, "import": imports})
    assert "1 imported, 0 added, 0 changed, 0 destroyed" in said
    terraform.run("destroy", "-auto-approve", "-input=false")
    assert client.list_projects()["projects"] == []
