"""`hookline apply` and `hookline export`, against a real server."""

import json
import os
import pty
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.command_line import PROGRAM, run_hookline
from support.github_api import Answer, GitHubApi
from support.server import Server
from support.tenant import ROLE, SECRET, Tenant, build_action, commands, declaration, source

TEMPLATE = Path(__file__).parents[1] / "unit" / "declarations" / "Depot.template.json"
HOOK = "secretsmanager:depot:SecretString:hook::"
TAGS = [{"key": "team", "value": "a"}]


class Tool:
    """`hookline` for one tenant, in a folder of its own."""

    def __init__(self, tenant: Tenant, folder: Path) -> None:
        self.tenant, self.folder = tenant, folder

    def write(self, content: Any, name: str = "file.json") -> str:
        text = content if isinstance(content, str) else json.dumps(content)
        (self.folder / name).write_text(text)
        return name

    def run(self, command: str, *arguments: str, status: int = 0) -> str:
        """Its output, and its errors after it."""
        done = run_hookline(
            command,
            *arguments,
            "--region",
            self.tenant.region,
            environment=self.tenant.server.environment,
            folder=self.folder,
        )
        output = done.stdout + done.stderr
        assert done.returncode == status, output
        assert "Traceback" not in output
        return output

    def apply(self, content: Any, *arguments: str, status: int = 0) -> str:
        return self.run("apply", self.write(content), "--yes", *arguments, status=status)


@pytest.fixture
def tool(tenant: Tenant, tmp_path: Path) -> Tool:
    return Tool(tenant, tmp_path)


def content(name: str, **more: Any) -> dict[str, Any]:
    """A pipeline and its webhook, as `hookline export` writes them."""
    webhook = {
        "name": f"{name}-hook",
        "targetPipeline": name,
        "targetAction": "App",
        "filters": [{"jsonPath": "$.ref", "matchEquals": "refs/heads/{Branch}"}],
        "authentication": "GITHUB_HMAC",
        "authenticationConfiguration": {"SecretToken": SECRET},
    }
    pipeline = declaration(name, source(), ("Build", commands("Make", "true")), **more)
    return {
        "pipelines": [{"pipeline": pipeline, "tags": TAGS}],
        "webhooks": [{"webhook": webhook, "tags": TAGS}],
    }


PROJECT: dict[str, Any] = {
    "name": "make",
    "source": {
        "type": "CODEPIPELINE",
        "buildspec": "version: 0.2\nphases: {build: {commands: [make]}}\n",
        "insecureSsl": False,
    },
    "artifacts": {
        "type": "CODEPIPELINE",
        "name": "make",
        "packaging": "NONE",
        "encryptionDisabled": False,
    },
    "environment": {
        "type": "LINUX_CONTAINER",
        "image": "aws/codebuild/standard:7.0",
        "computeType": "BUILD_GENERAL1_SMALL",
        "environmentVariables": [{"name": "STAGE", "value": "live", "type": "PLAINTEXT"}],
        "privilegedMode": False,
        "imagePullCredentialsType": "CODEBUILD",
    },
    "serviceRole": ROLE,
}


def with_project(name: str, project: str) -> list[Any]:
    """A pipeline that builds with a project, and the project."""
    made = content(name)
    made["pipelines"][0]["pipeline"]["stages"][1]["actions"] = [build_action(project)]
    return [made, {**PROJECT, "name": project, "tags": TAGS}]


def test_apply_creates_and_a_second_time_has_nothing_to_do(tool: Tool) -> None:
    output = tool.apply(content("app"))
    assert "2 to create, 0 to change, 0 unchanged." in output
    [listed] = tool.tenant.client.list_webhooks()["webhooks"]
    assert f"done: create webhook app-hook\n      {listed['url']}" in output
    assert listed["tags"] == TAGS
    assert SECRET not in output
    assert "gh-token" not in output
    assert "Nothing to do." in tool.apply(content("app"))
    assert tool.tenant.push(listed, {"ref": "refs/heads/main"}).content["outcome"] == "started"


def test_apply_changes_what_differs_and_keeps_the_secret(tool: Tool) -> None:
    tool.apply(content("app"))
    [before] = tool.tenant.client.list_webhooks()["webhooks"]
    changed = content("app", roleArn="arn:aws:iam::000000000000:role/other")
    changed["pipelines"][0]["tags"] = [{"key": "other", "value": "b"}]
    webhook = changed["webhooks"][0]["webhook"]
    webhook["authenticationConfiguration"] = {"SecretToken": "****"}
    webhook["filters"] = []
    output = tool.apply(changed)
    assert "-roleArn: arn:aws:iam::000000000000:role/hookline" in output
    assert "+roleArn: arn:aws:iam::000000000000:role/other" in output
    assert "0 to create, 2 to change, 0 unchanged." in output
    [after] = tool.tenant.client.list_webhooks()["webhooks"]
    assert (after["url"], after["definition"]["filters"]) == (before["url"], [])
    assert tool.tenant.push(after).status == 200
    arn = tool.tenant.client.get_pipeline(name="app")["metadata"]["pipelineArn"]
    listed = tool.tenant.client.list_tags_for_resource(resourceArn=arn)["tags"]
    assert listed == changed["pipelines"][0]["tags"]
    assert "Nothing to do." in tool.apply(changed)


def test_a_secret_that_changed_is_set_when_it_is_asked_for(tool: Tool) -> None:
    tool.apply(content("app"))
    changed = content("app")
    changed["webhooks"][0]["webhook"]["authenticationConfiguration"]["SecretToken"] = "other"
    assert "Nothing to do." in tool.apply(changed)
    output = tool.apply(changed, "--set-secrets")
    assert "+ secret: will be set" in output
    [listed] = tool.tenant.client.list_webhooks()["webhooks"]
    assert tool.tenant.push(listed).status == 401


def test_without_a_terminal_it_needs_yes(tool: Tool) -> None:
    output = tool.run("apply", tool.write(content("app")), status=2)
    assert "2 to create" in output
    assert "Give --yes" in output
    assert tool.tenant.client.list_pipelines()["pipelines"] == []


@pytest.mark.parametrize(("answer", "status", "count"), [("y", 0, 1), ("n", 1, 0)])
def test_at_a_terminal_it_asks(tool: Tool, answer: str, status: int, count: int) -> None:
    arguments = ["apply", tool.write(content("app")), "--region", tool.tenant.region]
    output, code = at_terminal(tool, arguments, answer)
    assert "Apply to http://127.0.0.1:" in output
    assert (code, len(tool.tenant.client.list_pipelines()["pipelines"])) == (status, count)


def at_terminal(tool: Tool, arguments: list[str], *answers: str) -> tuple[str, int]:
    """What `hookline` shows at a terminal where a person answers, and its exit status."""
    process, terminal = pty.fork()
    if process == 0:  # the child
        os.chdir(tool.folder)
        environment = tool.tenant.server.environment
        os.execve(PROGRAM, [PROGRAM, *arguments], environment)  # noqa: S606 - our own program
    os.write(terminal, "".join(f"{answer}\n" for answer in answers).encode())
    shown = b""
    try:
        while part := os.read(terminal, 65_536):
            shown += part
    except OSError:  # Linux's way to say that the other side is closed
        pass
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_what_the_server_refuses_is_told_with_its_place_and_what_was_done(tool: Tool) -> None:
    wrong = content("app")
    wrong["webhooks"][0]["webhook"]["targetAction"] = "Nobody"
    output = tool.apply(wrong, status=1)
    assert (
        "hookline: file.json: webhooks[0]: could not create webhook app-hook: ValidationException: "
        "Action with name Nobody was not found in the first stage of the pipeline"
    ) in output
    assert "Applied before: create pipeline app. The rest was not tried." in output
    first = content("app2")
    del first["pipelines"][0]["pipeline"]["stages"][1]
    output = tool.apply(first, status=1)
    assert "InvalidStructureException" in output
    assert "Nothing was applied. The rest was not tried." in output


def test_a_file_that_is_wrong_changes_nothing(tool: Tool) -> None:
    wrong = content("app")
    del wrong["webhooks"][0]["webhook"]["targetAction"]
    output = tool.apply(wrong, status=2)
    assert "file.json: webhooks[0]: webhook has no 'targetAction'" in output
    assert "can't be read: No such file" in tool.run("apply", "absent.yaml", status=2)
    assert "empty.yaml is empty" in tool.run("apply", tool.write("\n", "empty.yaml"), status=2)
    assert tool.tenant.client.list_pipelines()["pipelines"] == []


def test_what_clients_print_can_be_applied_elsewhere(tool: Tool) -> None:
    name = tool.tenant.idle_pipeline()
    printed = tool.tenant.client.get_pipeline(name=name)
    printed = json.loads(json.dumps(printed, default=str))
    assert "Nothing to do." in tool.apply(printed)
    printed["pipeline"]["name"] = "copy"
    output = tool.apply(printed, status=2)
    assert "pipeline copy has **** as stages[Source].actions[App].configuration.OAuth" in output


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_export_writes_is_what_is_there(tool: Tool, form: str) -> None:
    tool.apply(content("app"))
    tool.apply(content("other"))
    file = tool.folder / f"all.{form}"
    file.touch(0o644)
    tool.run("export", "--format", form, "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = yaml.safe_load(file.read_text())
    assert [item["pipeline"]["name"] for item in written["pipelines"]] == ["app", "other"]
    assert written["webhooks"][0]["webhook"]["authenticationConfiguration"]["SecretToken"] == "****"
    assert written["webhooks"][0]["tags"] == TAGS
    assert SECRET not in file.read_text()
    assert "Nothing to do." in tool.run("apply", str(file))


def test_export_takes_names(tool: Tool) -> None:
    tool.apply(content("app"))
    tool.apply(content("other"))
    written = yaml.safe_load(tool.run("export", "other"))
    assert [item["pipeline"]["name"] for item in written["pipelines"]] == ["other"]
    assert [item["webhook"]["name"] for item in written["webhooks"]] == ["other-hook"]
    written = yaml.safe_load(tool.run("export", "app-hook"))
    assert (written["pipelines"], len(written["webhooks"])) == ([], 1)
    output = tool.run("export", "nobody", status=2)
    assert "There is no pipeline, webhook or build project 'nobody'" in output


def template(**properties: Any) -> Any:
    """What `cdk synth` wrote, with other properties of its pipeline; None removes one."""
    content = json.loads(TEMPLATE.read_text())
    # Registration would call GitHub.
    content["Resources"]["ReleaseSourceAppWebhook4D5E6F70"]["Properties"].pop(
        "RegisterWithThirdParty"
    )
    own = content["Resources"]["ReleaseC3D4E5F6"]["Properties"]
    own |= properties
    for name in [name for name, value in own.items() if value is None]:
        del own[name]
    return content


def apply_template(tool: Tool, **properties: Any) -> str:
    parameters = tool.write({"GitHubToken": "gh-s3cret", HOOK: SECRET}, "parameters.json")
    file = tool.write(yaml.safe_dump(template(**properties)), "Depot.yaml")
    output = tool.run("apply", file, "--yes", "--parameter-file", parameters)
    assert "s3cret" not in output
    return output


def test_a_template_as_cdk_synth_writes_it(tool: Tool) -> None:
    output = apply_template(tool)
    [listed] = tool.tenant.client.list_webhooks()["webhooks"]
    assert listed["definition"]["targetPipeline"] == "Depot-ReleaseC3D4E5F6"
    assert f"output Url = {listed['url']}" in output
    assert "output Token = ****" in output
    assert "Ref ReleaseArtifacts5E6F7A8B (AWS::S3::Bucket) is taken as" in output
    assert tool.tenant.push(listed, {"ref": "refs/heads/main"}).content["outcome"] == "started"
    assert "Nothing to do." in apply_template(tool)


def projects(tool: Tool) -> Any:
    """CodeBuild's projects, by their names."""
    client = tool.tenant.server.client(tool.tenant.region, service="codebuild")
    names = client.list_projects()["projects"]
    found = client.batch_get_projects(names=names)["projects"] if names else []
    return {project["name"]: project for project in found}


def test_a_template_makes_the_build_project_that_its_pipeline_uses(tool: Tool) -> None:
    output = apply_template(tool)
    assert output.index("create build project depot-b") < output.index("create pipeline Depot")
    assert "output Project = depot-build arn:aws:codebuild:" in output
    [project] = projects(tool).values()
    assert project["arn"] in output
    assert project["tags"] == [{"key": "hookline:stack", "value": "Depot/Project0A1B2C3D"}]
    variables = {v["name"]: v["value"] for v in project["environment"]["environmentVariables"]}
    assert variables == {"REGION": tool.tenant.region, "NPM_TOKEN": "gh-s3cret"}
    assert "aws s3 ls" in project["source"]["buildspec"]
    assert "Nothing to do." in apply_template(tool)


def project_template(**properties: Any) -> Any:
    """A template of a project alone."""
    made = template()["Resources"]["Project0A1B2C3D"]
    own = {"Source": {"Type": "CODEPIPELINE"}, "EncryptionKey": "alias/aws/s3", "ServiceRole": ROLE}
    made["Properties"] |= {**own, **properties}
    del made["Properties"]["Environment"]["EnvironmentVariables"]
    return {"Resources": {"Make": made}}


def test_a_build_project_follows_its_template(tool: Tool) -> None:
    whole = project_template(
        Description="d",
        TimeoutInMinutes=30,
        BadgeEnabled=False,
        ConcurrentBuildLimit=3,
        VpcConfig={"VpcId": "v", "Subnets": ["s"], "SecurityGroupIds": ["g"]},
        Tags=[{"Key": "team", "Value": "a"}],
    )
    tool.apply(whole)
    assert "Nothing to do." in tool.apply(whole)
    project = projects(tool)["depot-build"]
    assert (project["description"], project["vpcConfig"]["vpcId"]) == ("d", "v")
    less = project_template(Triggers={"Webhook": True}, Tags=[])
    output = tool.apply(less)
    assert "note: build project depot-build: Triggers not acted on" in output
    for line in ("-description: d", "-timeoutInMinutes: 30", "+timeoutInMinutes: 60", "-  team: a"):
        assert line in output
    project = projects(tool)["depot-build"]
    assert project["timeoutInMinutes"] == 60
    assert {"vpcConfig", "concurrentBuildLimit"}.isdisjoint(project)
    assert project["tags"] == [{"key": "hookline:stack", "value": "file/Make"}]
    assert "Nothing to do." in tool.apply(less)


def test_a_build_project_of_another_template_is_taken_over_only_when_asked(tool: Tool) -> None:
    tool.apply(project_template())
    file = tool.write(project_template(), "Shop.json")
    output = tool.run("apply", file, "--yes", status=2)
    assert "build project depot-build is there already, from another template (file/Mak" in output
    output = tool.run("apply", file, "--yes", "--replace")
    assert "done: change build project depot-build" in output
    assert "Nothing to do." in tool.run("apply", file, "--yes")


def test_what_the_server_refuses_of_a_project_is_told(tool: Tool) -> None:
    output = tool.apply({"projects": [{**PROJECT, "artifacts": {"type": "S3"}}]}, status=1)
    assert "could not create build project make: InvalidInputException: Invalid inp" in output
    assert projects(tool) == {}


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_build_projects_are_exported_with_the_pipelines_that_use_them(
    tool: Tool, form: str
) -> None:
    tool.apply([*with_project("app", "make"), {**PROJECT, "name": "other"}])
    exported = tool.run("export", "--format", form)
    written = yaml.safe_load(exported)["projects"]
    assert written == [{**PROJECT, "tags": TAGS}, {**PROJECT, "name": "other", "tags": []}]
    assert "Nothing to do." in tool.run("apply", tool.write(exported, f"exported.{form}"))
    for name in ("app", "make"):
        chosen = yaml.safe_load(tool.run("export", name))
        assert [item["name"] for item in chosen["projects"]] == ["make"]
    assert form == "json" or "    buildspec: |\n      version: 0.2\n" in exported


def test_what_aws_codebuild_prints_can_be_applied(tool: Tool) -> None:
    tool.apply(PROJECT)
    client = tool.tenant.server.client(tool.tenant.region, service="codebuild")
    printed = client.batch_get_projects(names=["make", "nobody"])
    printed = json.loads(json.dumps(printed, default=str))
    assert "Nothing to do." in tool.apply(printed)
    printed["projects"][0]["name"] = "copy"
    tool.apply(printed)
    assert set(projects(tool)) == {"make", "copy"}


def disabled(tool: Tool) -> dict[str, str]:
    """The stages that nothing may enter, with the reasons."""
    state = tool.tenant.client.get_pipeline_state(name="Depot-ReleaseC3D4E5F6")
    return {
        stage["stageName"]: stage["inboundTransitionState"]["disabledReason"]
        for stage in state["stageStates"]
        if not stage["inboundTransitionState"]["enabled"]
    }


def test_transitions_follow_the_template_and_leave_an_operators_alone(tool: Tool) -> None:
    assert "+ transition into Build disabled: frozen" in apply_template(tool)
    assert disabled(tool) == {"Build": "frozen (hookline apply)"}
    other = [{"StageName": "Build", "Reason": "still frozen"}]
    assert "still frozen" in apply_template(tool, DisableInboundStageTransitions=other)
    assert disabled(tool) == {"Build": "still frozen (hookline apply)"}
    output = apply_template(tool, DisableInboundStageTransitions=None)
    assert "- transition into Build disabled: still frozen" in output
    assert "done: enable the transition into Build" in output
    assert disabled(tool) == {}
    tool.tenant.client.disable_stage_transition(
        pipelineName="Depot-ReleaseC3D4E5F6",
        stageName="Build",
        transitionType="Inbound",
        reason="an incident",
    )
    assert "Nothing to do." in apply_template(tool, DisableInboundStageTransitions=None)
    assert disabled(tool) == {"Build": "an incident"}


@pytest.fixture(scope="module")
def api() -> Iterator[GitHubApi]:
    with GitHubApi() as api:
        yield api


@pytest.fixture(scope="module")
def registering_server(
    tmp_path_factory: pytest.TempPathFactory, github: Path, api: GitHubApi
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("registering")
    with Server(folder, github_url=github.as_uri(), github_api_url=api.url) as server:
        yield server


@pytest.fixture
def registering(registering_server: Server, github: Path, api: GitHubApi, tmp_path: Path) -> Tool:
    api.forget()
    return Tool(Tenant(registering_server, github), tmp_path)


def registered(*names: str) -> list[dict[str, Any]]:
    """Templates, each of a pipeline and a webhook that is to be registered with GitHub."""
    contents = [content(name) for name in names]
    for item in contents:
        item["webhooks"][0]["registered"] = True
    return contents


def test_a_webhook_is_registered_once_and_stays_registered(
    registering: Tool, api: GitHubApi
) -> None:
    api.answers = [Answer(201, {"id": 7})]
    output = registering.apply(registered("app"))
    assert "+ registration with its third party" in output
    assert output.index("done: create webhook app-hook") < output.index("done: register webhook")
    [listed] = registering.tenant.client.list_webhooks()["webhooks"]
    [asked] = api.asked
    assert asked.body["config"]["url"] == listed["url"]
    again = registering.apply(registered("app"))
    assert "Nothing to do." in again
    assert "note: webhook app-hook: whether it is registered can't be read" in again
    assert "Nothing to do." in registering.apply(content("app"))
    assert len(api.asked) == 1
    api.answers = [Answer(200, {"id": 7})]
    registering.apply(registered("app"), "--register")
    assert api.lines[1:] == ["PATCH /repos/acme/app/hooks/7"]


def test_a_webhook_is_put_without_github(registering: Tool, api: GitHubApi) -> None:
    output = registering.apply(registered("app"), "--no-register")
    assert "note: webhook app-hook is not registered with its third party" in output
    assert api.asked == []
    [listed] = registering.tenant.client.list_webhooks()["webhooks"]
    assert registering.tenant.push(listed).status == 200


def test_a_registration_that_is_refused_stops_nothing_and_is_tried_again(
    registering: Tool, api: GitHubApi
) -> None:
    api.answers = [
        Answer(403, {"message": f"no hooks for {SECRET} with gh-token"}),
        Answer(201, {"id": 8}),
    ]
    output = registering.apply(registered("app", "other"), status=1)
    assert "could not register webhook app-hook: ValidationException" in output
    assert "done: register webhook other-hook" in output
    assert "gh-token" not in output
    assert SECRET not in output
    api.answers = [Answer(201, {"id": 7})]
    output = registering.apply(registered("app", "other"))
    assert "done: register webhook app-hook" in output
    assert "0 to create, 1 to change, 3 unchanged." in output


CUSTOM = {
    "category": "Build",
    "provider": "Mine",
    "version": "1",
    "settings": {"entityUrlTemplate": "https://ci.example.com/{Config:Project}"},
    "configurationProperties": [
        {"name": "Project", "required": True, "key": True, "secret": False},
        {"name": "Key", "required": True, "key": False, "secret": True},
    ],
    "inputArtifactDetails": {"minimumCount": 0, "maximumCount": 5},
    "outputArtifactDetails": {"minimumCount": 0, "maximumCount": 5},
}


def custom_action(key: str) -> dict[str, Any]:
    return {
        "name": "Make",
        "actionTypeId": {
            "category": "Build",
            "owner": "Custom",
            "provider": "Mine",
            "version": "1",
        },
        "configuration": {"Project": "shop", "Key": key},
        "inputArtifacts": [{"name": "Code"}],
    }


def custom_content() -> dict[str, Any]:
    made = content("app")
    made["pipelines"][0]["pipeline"]["stages"][1]["actions"] = [custom_action("k-s3cret")]
    return {"actionTypes": [CUSTOM], **made}


def test_custom_action_types_are_created_first_and_never_changed(tool: Tool) -> None:
    output = tool.apply(custom_content())
    assert "create: custom action type Build Mine 1" in output
    assert output.index("done: create custom action type") < output.index("done: create pipeline")
    assert "k-s3cret" not in output
    assert "Nothing to do." in tool.apply(custom_content())
    exported = tool.run("export")
    [written] = yaml.safe_load(exported)["actionTypes"]
    assert written["configurationProperties"][1]["name"] == "Key"
    assert "k-s3cret" not in exported
    assert "Nothing to do." in tool.run("apply", tool.write(exported, "exported.yaml"))
    assert yaml.safe_load(tool.run("export", "app"))["actionTypes"] == [written]
    listed = tool.tenant.client.list_action_types(actionOwnerFilter="Custom")
    assert "Nothing to do." in tool.apply({"actionTypes": listed["actionTypes"]})
    other = {**CUSTOM, "settings": {"entityUrlTemplate": "https://ci.example.com/other"}}
    output = tool.apply({"actionTypes": [other]}, status=2)
    assert "custom action type Build Mine 1 is there already, with other settings" in output
    assert "declare it under a new version" in output


def test_a_template_declares_a_custom_action_type(tool: Tool) -> None:
    properties = {name[0].upper() + name[1:]: value for name, value in CUSTOM.items()}
    resource = {"Type": "AWS::CodePipeline::CustomActionType", "Properties": properties}
    output = tool.apply({"Resources": {"Mine": resource}})
    assert "done: create custom action type Build Mine 1" in output
    [listed] = tool.tenant.client.list_action_types(actionOwnerFilter="Custom")["actionTypes"]
    assert listed["id"] == {**custom_action("")["actionTypeId"]}
    assert "Nothing to do." in tool.apply({"Resources": {"Mine": resource}})


def test_what_the_server_infers_is_no_difference(tool: Tool) -> None:
    inferred = content("app", variables=[{"name": "STAGE", "defaultValue": "live"}])
    tool.apply(inferred)
    assert tool.tenant.client.get_pipeline(name="app")["pipeline"]["pipelineType"] == "V2"
    assert "Nothing to do." in tool.apply(inferred)


def test_what_a_terminal_would_obey_is_shown_as_its_code(tool: Tool) -> None:
    odd = content("app")
    odd["webhooks"][0]["webhook"]["filters"] = [{"jsonPath": "$.a", "matchEquals": "\x1b[2J\u202e"}]
    output = tool.apply(odd)
    assert "\x1b" not in output
    assert "\u202e" not in output


def test_a_template_without_its_parameters_changes_nothing(tool: Tool) -> None:
    output = tool.apply(TEMPLATE.read_text(), status=2)
    token = "Stages[0].Actions[0].Configuration.OAuthToken"
    assert f"Resources.ReleaseC3D4E5F6.Properties.{token}: Ref: the parameter 'GitHubTo" in output
    assert f"it as '{HOOK}'" in output
    assert "--parameter NAME=VALUE" in output


def test_a_skeleton_is_written_filled_in_and_applied(tool: Tool) -> None:
    file = tool.write(yaml.safe_dump(template()), "Depot.yaml")
    output = tool.run("apply", file, "--skeleton", "values.yaml")
    assert "Wrote values.yaml; values to fill in: 2. Nothing was applied." in output
    written = tool.folder / "values.yaml"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert yaml.safe_load(written.read_text())[HOOK] is None
    assert tool.tenant.client.list_pipelines()["pipelines"] == []
    given = ("--yes", "--parameter-file", "values.yaml")
    output = tool.run("apply", file, *given, status=2)
    assert "the parameter 'GitHubToken' has no value" in output
    values = {"GitHubToken": "gh-s3cret", HOOK: SECRET, "Tpyo": 1}
    written.write_text(f"Tpyo: 0\n{yaml.safe_dump(values)}")
    output = tool.run("apply", file, *given)
    assert "warning: The value 'Tpyo' is given, and nothing in the files asks for it" in output
    assert "warning: values.yaml: line 3: the key 'Tpyo' is repeated" in output
    assert "done: create pipeline" in output
    assert "can't be written: File exists" in tool.run(
        "apply", file, "--skeleton", "values.yaml", status=2
    )


def test_x9_the_plan_names_what_the_server_can_t_run(tool: Tool) -> None:
    stages = template()["Resources"]["ReleaseC3D4E5F6"]["Properties"]["Stages"]
    put = {
        "Name": "Put",
        "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "S3", "Version": "1"},
        "Configuration": {"BucketName": "site", "Extract": "true"},
        "InputArtifacts": [{"Name": "Code"}],
    }

    output = apply_template(tool, Stages=[*stages, {"Name": "Deploy", "Actions": [put]}])

    warning = "warning: pipeline Depot-ReleaseC3D4E5F6: Action 'Put' in stage 'Deploy' will fail"
    assert output.index(warning) < output.index("done: create pipeline")


def test_two_templates_that_claim_one_name_are_refused_unless_replaced(tool: Tool) -> None:
    def claiming(name: str, branch: str) -> str:
        whole = template(Name="shared")
        pipeline = whole["Resources"]["ReleaseC3D4E5F6"]["Properties"]
        pipeline["Stages"][0]["Actions"][0]["Configuration"]["Branch"] = branch
        del whole["Resources"]["ReleaseSourceAppWebhook4D5E6F70"]
        del whole["Outputs"]
        return tool.write(whole, name)

    def branch() -> str:
        found = tool.tenant.client.get_pipeline(name="shared")["pipeline"]
        return str(found["stages"][0]["actions"][0]["configuration"]["Branch"])

    given = ("--yes", "--parameter", "GitHubToken=gh-s3cret")
    first, second = claiming("Depot.json", "main"), claiming("Shop.json", "next")
    tool.run("apply", first, *given)
    assert "Nothing to do." in tool.run("apply", first, *given)
    output = tool.run("apply", second, *given, status=2)
    assert "pipeline shared is there already, from another template (Depot/Release" in output
    assert branch() == "main"
    tool.run("apply", second, *given, "--replace")
    assert branch() == "next"
    output = tool.run("apply", second, first, *given, status=2)
    assert "The pipeline 'shared' is declared twice" in output
    tool.run("apply", second, first, *given, "--replace")
    assert branch() == "main"


def test_it_says_how_to_reach_a_server(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps(content("app")))

    def attempt(**more: str) -> str:
        environment = {**server.environment, **more}
        done = run_hookline("apply", str(file), environment=environment, folder=tmp_path)
        assert done.returncode == 2
        return done.stderr

    assert "Start `hookline serve` once" in attempt(HOOKLINE_DATA_DIR=str(tmp_path / "absent"))
    assert "--endpoint-url" in attempt(AWS_ENDPOINT_URL="http://127.0.0.1:9")
    foreign = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}
    # Another's key reaches Hookline's address and never AWS's.
    assert "Unset AWS_PROFILE" in attempt(**foreign, AWS_ENDPOINT_URL=server.url)
    assert "(nope) could not be found" in attempt(AWS_PROFILE="nope")


def test_a_server_that_reveals_secrets_exports_none(
    make_server: Callable[..., Server], github: Path, tmp_path: Path
) -> None:
    server = make_server(reveal_secrets="true").start()
    tool = Tool(Tenant(server, github), tmp_path)
    tool.apply(content("app"))
    assert "Nothing to do." in tool.apply(content("app"))
    exported = tool.run("export")
    assert SECRET not in exported
    assert "Nothing to do." in tool.run("apply", tool.write(exported, "exported.yaml"))
