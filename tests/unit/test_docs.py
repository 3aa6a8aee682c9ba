"""The documents say what the code does; run as a program it writes the generated pages anew."""

import json
import os
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from typer.core import TyperArgument, TyperGroup

from hookline import config
from hookline.actions import PROVIDERS
from hookline.api.codebuild.images import CURATED
from hookline.api.codebuild.project_views import project_view
from hookline.api.codepipeline.pipeline_structure import check_structure
from hookline.api.constraints import check
from hookline.api.endpoint import Served
from hookline.api.operations import served
from hookline.api.service import CODEPIPELINE
from hookline.builds.members import MEMBERS
from hookline.builds.reading import read
from hookline.cli import app, load
from hookline.executions.enter import LABEL_VARIABLE
from hookline.model import (
    ActionStatus,
    ConditionStatus,
    ExecutionStatus,
    Filter,
    Scope,
    StageStatus,
    Verdict,
)
from hookline.receiver.filters import compile_filters
from hookline.store.build_projects import BuildProject

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
SETTINGS, COMMANDS, RECEIVER, API, BUILDSPEC, CODEBUILD = (
    REFERENCE / f"{name}.md"
    for name in ("settings", "commands", "receiver", "api", "buildspec", "codebuild")
)
SERVED = served(MagicMock())
PAGES = sorted(
    [
        *DOCS.rglob("*.md"),
        *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")),
    ]
)
HOW_TO_WRITE = "<!-- Generated. After a change: .venv/bin/python tests/unit/test_docs.py -->"
SETTINGS_HEAD = """\
# Settings

Each setting is `HOOKLINE_<NAME>` in the environment or `<name>` in `hookline.toml`. The environment
wins over the file, the file over the default. The file is `hookline.toml` in the working directory,
or the one that `HOOKLINE_CONFIG` names. `hookline serve` takes some as options, which win over
both. Settings are read once, at the start.

`hookline settings` shows them all with their values here and where each was set; secrets are
masked.

In the file, text stands in quotes and a list may be a list:

```toml
public_url = "https://hooks.example.com"
trusted_proxies = ["10.0.0.0/8", "192.0.2.7"]
max_body = "25MB"
reveal_secrets = false
```

A name in the file that is no setting, or a value that can't be used, stops the start with one line
that says which and why. A variable whose name is misspelt is not noticed: look at
`hookline settings`.
"""
COMMANDS_HEAD = """\
# Commands

What `hookline --help` says, on one page. Commands read the same [settings](settings.md) as the
server, so those that work on its data need its `HOOKLINE_DATA_DIR` (and `HOOKLINE_DATABASE_URL`, if
it is set). An error that is yours to mend is one line on standard error, and the exit status is
not 0.
"""


API_REFERENCE = "https://docs.aws.amazon.com/{service}/latest/APIReference/API_{operation}.html"
API_HEAD = """\
# The API

Hookline answers the APIs of AWS CodePipeline and [AWS CodeBuild](codebuild.md) at one address, in
two protocols: AWS JSON 1.1 at `POST /`, where the header `X-Amz-Target` names service and
operation, and Smithy RPC v2 CBOR at `POST /service/<service>/operation/<operation>`. Calls are
signed with Signature Version 4 for the service that they are for; a read-only key that calls what
changes something, or tells a secret as `GetJobDetails` does, gets `AccessDeniedException`. Requests
are checked against AWS's own models, as botocore ships them. An operation that is refused answers
`NotImplementedException` with status 501 and the reason: never a made-up success. `GetActionType`
and `UpdateActionType` find nothing: they are for types of AWS's partners. What each does is in
AWS's reference, which the names lead to.
"""
CODEBUILD_HEAD = """\
# CodeBuild

Hookline keeps CodeBuild's projects as AWS does: the AWS CLI, SDKs and Terraform's
`aws_codebuild_project` work on them unchanged. [The API](api.md) lists the operations.

Actions of the types `Build · AWS · CodeBuild · 1` and `Test · AWS · CodeBuild · 1` run builds of
projects; [the guide](../howto/codebuild.md#in-a-pipeline) has an example. Builds that belong to no
pipeline are not run.

## How a build runs

- The source is the artifact that `PrimarySource` names, or the only one. `CODEBUILD_SRC_DIR` is
  where it is; `CODEBUILD_SRC_DIR_<name>` is where each further one is.
- The buildspec is the project's own, the file of the source that the project names, or
  `buildspec.yml` there. [Its reference](buildspec.md) says what each member does.
- Environment variables: the action's win over the project's, and these over the buildspec's. A
  reference `#{namespace.name}` in `EnvironmentVariables` stands for its value within a string,
  whatever that value has in it.
- One output artifact has the files of `artifacts`; of several, each has those of the secondary
  artifact with its name. An output artifact for which the buildspec has nothing is not made.
- The variables of `exported-variables` are those of the action's namespace.
- A build takes as long as the project's `timeoutInMinutes` and the action's allow; without either,
  as the setting [`action_timeout`](settings.md) does.
- Commands run by the [runner](../howto/sandbox-commands.md) of the pipeline. A container has the
  project's image, and is bound by its `computeType`. The other runners have the programs of the
  node: one of AWS's images (`aws/codebuild/…`) is not used then, and the log says so.
- A build that was interrupted, as by the end of its node, begins again under the same id.
- `StopBuild` stops a build and fails its action; `StopPipelineExecution` with `abandon` stops it,
  too.

An action fails, and says what to change, if

- its project is missing;
- the project has `privilegedMode`, or an image that is not AWS's, and the runner is no container;
- the project's environment is of Windows or macOS;
- an environment variable is of the type `PARAMETER_STORE` or `SECRETS_MANAGER`;
- `BatchEnabled` or `CombineArtifacts` is true.

A project's VPC, file systems, fleet, limit of concurrent builds, batch configuration, and its cache
of sources and Docker layers have no effect. The log of each build names those that the project has.
The paths of a buildspec's `cache` are kept on the node, in `work/caches` of the data folder, also
where the project says S3; the setting [`max_build_cache`](settings.md) bounds all of them together.

## What differs from AWS

- A project is kept whole, also what has no meaning here, such as VPCs, fleets and batch builds.
- `serviceRole` may be any text: roles are neither looked up nor assumed.
- Plain environment variables are kept and shown in clear, as on AWS. A source's `auth.resource`
  must be the ARN of a connection or a secret: a token itself is refused, and not kept.
- Source locations are not looked up, and a badge has no URL.
- Parameters that do not satisfy AWS's model are `InvalidInputException`, which the model lists,
  with the text that other services of AWS have for it.
- A region has at most 5,000 projects.
- `BatchDeleteBuilds` answers for a build that is not there with `BUILD_NOT_FOUND`.
- `ListBuildsForProject` takes `sortOrder` also for a project with more than 100 builds.
- `ListCuratedEnvironmentImages` names AWS's images without their versions.
- Builds are forgotten with the executions of pipelines, after
  [`execution_retention_days`](settings.md). Deleting a project leaves its builds.
"""


API_LOGS = """\
## Logs

`GET /logs/<action execution id>` answers what an action, or a rule, has written so far, as text. It
is signed as the calls are, with the pipeline's region, and a read-only key may do it. `?offset=N`
leaves out the first N bytes: to follow a log, ask again with the sum of what came.
`externalExecutionUrl` of actions of CodeBuild, and of actions and rules of the type Commands, leads
there, and so does `logs.deepLink` of a build. It begins with `public_url`, or, where
`receiver_port` is set, with the API's own address.

```sh
curl --aws-sigv4 aws:amz:us-east-1:codepipeline --user "$KEY_ID:$SECRET" "$LOG_URL"
```

| status | what it means |
| --- | --- |
| 200 | the log; it is empty where nothing was written yet |
| 400 | the offset is no number of bytes |
| 403 | the request is not signed, or not by a valid key |
| 404 | this account and region have no such action execution |
| 503 | the store can't be read now |
"""


BUILDSPEC_HEAD = """\
# The buildspec

What each member of a [CodeBuild buildspec](https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html)
does here, and what differs from AWS. [How to run builds](../howto/codebuild.md) has examples.

A buildspec is read whole before anything runs. All of its errors are told at once, each with its
line. A member that this page does not have does nothing; the log warns of it, with its line. A list
of one item may be written as a text. YAML's anchors and aliases are taken, its merge key `<<` is
not. A buildspec has 1 MB at most.

In the paths and patterns of files, `$NAME` and `${NAME}` stand for the variables that the commands
leave. `*` stands for any characters but `/`, `**` for any folders. No path leads out of the folders
of the build.

The phases are INSTALL, PRE_BUILD, BUILD and POST_BUILD, then UPLOAD_ARTIFACTS. A phase fails when a
command of it exits with another status than 0. POST_BUILD runs although BUILD failed, and
`CODEBUILD_BUILD_SUCCEEDING` is `0` then. UPLOAD_ARTIFACTS is tried whenever POST_BUILD has run.
"""


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def settings_page() -> str:
    """The reference of the settings, from the table that the program itself reads."""
    described = config.described({"HOOKLINE_CONFIG": os.devnull})
    rows = (
        (f"`{name}`", f"`HOOKLINE_{name.upper()}`", f"`{default}`" if default else "", meaning)
        for name, _, _, default, meaning in described
    )
    return f"{HOW_TO_WRITE}\n{SETTINGS_HEAD}\n" + table(
        ("in the file", "in the environment", "default", "meaning"), rows
    )


def commands() -> Iterator[tuple[str, Any]]:
    """All commands of the program, by the words that call them."""

    def below(words: str, command: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(command, TyperGroup):
            for name, child in command.commands.items():
                yield from below(f"{words} {name}", child)
        else:
            yield words, command

    for name in app.commands:
        yield from below(f"hookline {name}", load(name))


def parameter(item: Any) -> tuple[str, str]:
    """How a parameter is given, and what it means."""
    given = ", ".join(f"`{name}`" for name in (*item.opts, *item.secondary_opts))
    if isinstance(item, TyperArgument):
        given = f"`{item.metavar or item.name.upper()}`"
    return given, (item.help or "").replace("|", "\\|")


def commands_page() -> str:
    """The reference of the commands, from their own help."""
    parts = [f"{HOW_TO_WRITE}\n{COMMANDS_HEAD}"]
    for words, command in commands():
        parts.append(f"## {words}\n\n{' '.join((command.help or '').split())}\n")
        parameters = [parameter(item) for item in command.params if item.name != "help"]
        if parameters:
            parts.append(table(("given", "meaning"), iter(parameters)))
    return "\n".join(parts)


def operation_rows(item: Served) -> Iterator[tuple[str, ...]]:
    """All operations of a service, each with its state."""
    for name in item.service.operations:
        link = API_REFERENCE.format(service=item.service.name, operation=name)
        state = "works" if name in item.handlers else f"refused: {item.not_built[name]}"
        yield f"[`{name}`]({link})", state


def api_page() -> str:
    """All operations of all services."""
    parts = [f"{HOW_TO_WRITE}\n{API_HEAD}"]
    for item in SERVED:
        head = f"## {item.service.title}\n\nSignatures are for `{item.service.name}`; the service"
        parts.append(f"{head} is `{item.service.target_prefix}`.\n")
        parts.append(table(("operation", "state"), operation_rows(item)))
    return "\n".join([*parts, API_LOGS])


def codebuild_page() -> str:
    """What CodeBuild's projects are here."""
    least = {"source": {"type": "GITHUB"}, "artifacts": {"type": "S3"}, "environment": {}}
    project = BuildProject(Scope("<account>", "<region>"), "<name>", least, 0.0, 0.0)
    given = {"name", "arn", "tags", "created", "lastModified"}
    shown = {name: value for name, value in project_view(project, {}).items() if name not in given}
    defaults = ((f"`{name}`", f"`{json.dumps(shown[name])}`") for name in sorted(shown))
    images = ((f"`{name}`", what) for kind in CURATED.values() for name, what in kind.items())
    return "\n".join(
        [
            f"{HOW_TO_WRITE}\n{CODEBUILD_HEAD}",
            "## What a project has where nothing is given\n",
            "For a source of the type `GITHUB` and artifacts of the type `S3`:\n",
            table(("member", "value"), defaults),
            "## Images\n\nWhat `ListCuratedEnvironmentImages` names:\n",
            table(("image", "operating system"), images),
        ]
    )


def buildspec_page() -> str:
    """All members of a buildspec, each with what it does."""
    rows = ((f"`{member.path}`", member.does, member.differs) for member in MEMBERS)
    head = ("member", "does", "differs from AWS")
    return f"{HOW_TO_WRITE}\n{BUILDSPEC_HEAD}\n" + table(head, rows)


def verdict_table() -> str:
    """All verdicts with what the sender is told."""
    rows = (
        (f"`{verdict.name}`", f"`{verdict.outcome}`", str(verdict.status), verdict.reason)
        for verdict in Verdict
    )
    return table(("verdict", "`outcome`", "status", "`message`"), rows)


def test_the_settings_page_is_what_the_settings_are() -> None:
    assert SETTINGS.read_text() == settings_page(), HOW_TO_WRITE


def test_the_commands_page_is_what_the_commands_are() -> None:
    assert COMMANDS.read_text() == commands_page(), HOW_TO_WRITE


@pytest.mark.parametrize("name", app.commands)
def test_the_list_of_commands_says_of_each_what_its_own_help_begins_with(name: str) -> None:
    line = app.commands[name].help or ""
    assert " ".join((load(name).help or "").split()).startswith(line)


def test_the_api_page_is_what_the_api_is() -> None:
    assert API.read_text() == api_page(), HOW_TO_WRITE


def test_the_buildspec_page_is_what_the_buildspec_is() -> None:
    assert BUILDSPEC.read_text() == buildspec_page(), HOW_TO_WRITE


def test_the_buildspecs_of_the_documents_are_read_without_a_warning() -> None:
    blocks = re.findall(
        r"^version: 0\.[12]\n.*?(?=^(?:YAML|```)$)", texts(*PAGES), re.MULTILINE | re.DOTALL
    )
    assert blocks
    for block in blocks:
        assert read(block.encode()).warnings == ()


def test_the_codebuild_page_is_what_codebuild_is() -> None:
    assert CODEBUILD.read_text() == codebuild_page(), HOW_TO_WRITE


@pytest.mark.parametrize("item", SERVED, ids=lambda item: item.service.name)
def test_w2_every_operation_that_is_not_built_has_its_reason(item: Served) -> None:
    assert sorted([*item.handlers, *item.not_built]) == sorted(item.service.operations)
    assert item.asking <= item.handlers.keys()


def test_every_verdict_is_in_the_receivers_reference() -> None:
    assert verdict_table() in RECEIVER.read_text(), HOW_TO_WRITE


@pytest.mark.parametrize(
    "status", [*ExecutionStatus, *StageStatus, *ActionStatus, *ConditionStatus]
)
def test_every_status_is_on_the_page_of_the_life_cycle(status: StrEnum) -> None:
    assert re.search(rf"\b{status.value}\b", (DOCS / "lifecycle.md").read_text())


def texts(*pages: Path) -> str:
    return "\n".join(page.read_text() for page in pages)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    known = {f"HOOKLINE_{name.upper()}" for name in config.table()} | {
        LABEL_VARIABLE,
        *(f"HOOKLINE_{name}" for name in ("CONFIG", "FORBID_SKIPS", "SEND_SECRET")),
    }
    assert set(re.findall(r"HOOKLINE_[A-Z_]+\b", page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    known = {words.split()[1] for words, _ in commands()} | {"--help"}
    fences = re.findall(r"^```sh[^\n]*\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", page.read_text())
    code = "\n".join([*fences, *spans])
    assert (
        set(re.findall(r"(?<![\w./@-])(?:[\w./]*/bin/|scripts/)?hookline ([a-z-]+)", code)) <= known
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_script_that_a_page_names_can_be_run(page: Path) -> None:
    for name in re.findall(r"(?<![\w/])scripts/([a-z]+)\b", page.read_text()):
        script = ROOT / "scripts" / name
        assert script.is_file()
        assert os.access(script, os.X_OK) or name == "environment"


def anchors(page: Path) -> set[str]:
    """The names by which GitHub lets a link point at a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_its_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked_from_the_readme_or_from_a_page_that_is() -> None:
    seen, new = set(), {ROOT / "README.md"}
    while new:
        page = new.pop()
        seen.add(page)
        links = re.findall(r"\]\(([^)\s:#]+)", page.read_text())
        targets = {(page.parent / link).resolve() for link in links}
        new |= {target for target in targets if target.suffix == ".md"} - seen
    assert set(PAGES) <= seen


def test_every_file_that_the_architecture_names_exists() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    named = {name for name in re.findall(r"[\w/]+\.py\b", page) if "/" in name}
    assert len(named) > 30
    assert [name for name in sorted(named) if not (ROOT / "src/hookline" / name).is_file()] == []


def section(page: Path, heading: str) -> str:
    """The text under a heading, up to the next one of any kind."""
    found = re.search(rf"^#+ {heading}\n(.*?)(?=^#+ )", page.read_text(), re.DOTALL | re.MULTILINE)
    assert found, heading
    return found[1]


def test_the_readme_names_every_operation_that_works_and_no_other() -> None:
    works = section(ROOT / "README.md", "What works today").partition("Not yet")[0]
    named = set(re.findall(r"`([A-Z][A-Za-z]+)`", works))
    assert named == {name for item in SERVED for name in item.handlers}


def test_the_readme_names_every_action_type_that_runs_and_no_other() -> None:
    works = section(ROOT / "README.md", "What works today").partition("Not yet")[0]
    assert set(re.findall(r"`([A-Z]\w+ · .+?)`", works)) == {str(kind) for kind in PROVIDERS}


def declarations(key: str) -> list[Any]:
    """The JSON documents of all pages that have `key`."""
    blocks = re.findall(r"<<'JSON'\n(.*?)^ *JSON$", texts(*PAGES), re.DOTALL | re.MULTILINE)
    return [found for block in blocks if key in (found := json.loads(block))]


def test_every_pipeline_of_the_documents_is_accepted() -> None:
    found = declarations("stages")
    assert found
    for pipeline in found:
        check(CODEPIPELINE.operations["CreatePipeline"], {"pipeline": pipeline})
        check_structure(pipeline, "us-east-1")


def test_the_conditions_of_the_documents_are_accepted() -> None:
    page = (REFERENCE / "stage-conditions.md").read_text()
    [block] = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    [pipeline, *_] = declarations("stages")
    stage = json.loads(block)
    stage["actions"] = pipeline["stages"][-1]["actions"]
    conditional = {**pipeline, "stages": [*pipeline["stages"][:-1], stage]}
    check(CODEPIPELINE.operations["CreatePipeline"], {"pipeline": conditional})
    check_structure(conditional, "us-east-1")


def test_every_webhook_of_the_documents_is_accepted() -> None:
    found = declarations("targetPipeline")
    assert found
    for webhook in found:
        check(CODEPIPELINE.operations["PutWebhook"], {"webhook": webhook})
        compile_filters(
            [Filter(rule["jsonPath"], rule.get("matchEquals")) for rule in webhook["filters"]]
        )


def write() -> None:
    """Write what is generated."""
    SETTINGS.write_text(settings_page())
    COMMANDS.write_text(commands_page())
    API.write_text(api_page())
    BUILDSPEC.write_text(buildspec_page())
    CODEBUILD.write_text(codebuild_page())
    page = RECEIVER.read_text()
    old = re.search(r"^\| verdict \|.*?\n(?!\|)", page, re.DOTALL | re.MULTILINE)
    assert old, "docs/reference/receiver.md has no table of verdicts"
    RECEIVER.write_text(page.replace(old[0], verdict_table()))


if __name__ == "__main__":
    write()
