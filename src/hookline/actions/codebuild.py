"""The action types Build and Test · AWS · CodeBuild · 1: a build of a project."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from hookline.actions import builds
from hookline.actions.archives import Bounds
from hookline.actions.build_caches import BuildCache
from hookline.actions.builds import BuildArtifact, BuildResult, Download
from hookline.actions.folders import Tree, remove
from hookline.actions.log import ActionLog, Mask
from hookline.actions.outputs import store_output
from hookline.actions.processes import Limits, await_end_of_earlier
from hookline.actions.provider import ActionContext, ActionResult, Artifact, BuildFailedError
from hookline.actions.sandboxes import BuildEnvironment, runner_of
from hookline.builds.build import Build
from hookline.builds.buildspec import Environment
from hookline.builds.phases import BuildStatus, Phase
from hookline.errors import ActionError, BuildspecError
from hookline.model import Action
from hookline.runners import Runner
from hookline.runners.compute import COMPUTE_TYPES

VARIABLES = "EnvironmentVariables"
"""The key of the configuration whose value is JSON."""

_CONFIGURATION = "ConfigurationError"
_PLAIN = "PLAINTEXT"
_STORES = ("PARAMETER_STORE", "SECRETS_MANAGER")
_REFERENCE = "#{"
_BUILDSPEC = "buildspec.yml"
# A buildspec itself, in YAML or JSON, and not the path of one.
_INLINE = re.compile(r"\n|^\s*\{|^\s*[\"']?version[\"']?\s*:")
_NAME = re.compile(r"[^=\0]+")
_LONGEST_BUILDSPEC = 1_000_000
_CUSTOM_CACHE = "LOCAL_CUSTOM_CACHE"
_OTHER_SYSTEMS = ("WINDOWS", "MAC")


class _Variable(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    value: str
    type: str = _PLAIN


@dataclass(frozen=True, slots=True)
class Configuration:
    """What an action of CodeBuild's is told; `variables` are in the API's shape."""

    project_name: str
    primary_source: str
    variables: tuple[Mapping[str, str], ...]

    @classmethod
    def of(cls, action: Action) -> "Configuration":
        """That of an action, with its references resolved or not.

        Raises ActionError: it can't be used, or asks for what builds here have not.
        """
        given = action.configuration
        for key in ("BatchEnabled", "CombineArtifacts"):
            if given.get(key, "").lower() == "true":
                raise ActionError(
                    f"{key} is true, and batch builds do not run here: take it out, and give each"
                    " build of the batch an action of its own",
                    _CONFIGURATION,
                )
        variables = _variables(given.get(VARIABLES, "[]"))
        check_variables(variables)
        return cls(given.get("ProjectName", ""), _primary_source(action), variables)


def _primary_source(action: Action) -> str:
    inputs, given = action.input_artifacts, action.configuration.get("PrimarySource")
    if given is None and len(inputs) == 1:
        return inputs[0]
    if given is None or (given not in inputs and _REFERENCE not in given):
        named = "is missing" if given is None else f"is '{given}'"
        raise ActionError(
            f"PrimarySource {named}: name the input artifact whose buildspec is run, one of"
            f" {', '.join(inputs)}",
            _CONFIGURATION,
        )
    return given


def _variables(text: str) -> tuple[Mapping[str, str], ...]:
    try:
        found = msgspec.json.decode(text or "[]", type=list[_Variable])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise ActionError(
            f"{VARIABLES} must be a JSON list of name, value and type: {error}", _CONFIGURATION
        ) from error
    return tuple(msgspec.to_builtins(item) for item in found)


def check_variables(variables: Sequence[Mapping[str, str]]) -> None:
    """Raise ActionError if the value of one is in AWS, or no process can have it."""
    for item in variables:
        kind = item.get("type", _PLAIN)
        if not _NAME.fullmatch(item["name"]) or "\0" in item["value"]:
            raise ActionError(
                f"The environment variable '{item['name']}' can't be one: give it a name without ="
                " and a value without NUL",
                _CONFIGURATION,
            )
        if kind in _STORES:
            raise ActionError(
                f"The environment variable {item['name']} is of the type {kind}, and this version"
                " of Hookline can't ask AWS for it. Let the commands read the secret from where it"
                " is on this server, and take the variable out",
                _CONFIGURATION,
            )
        if kind != _PLAIN:
            raise ActionError(
                f"The environment variable {item['name']} is of the type {kind}; there are {_PLAIN}"
                f" and {' and '.join(_STORES)}",
                _CONFIGURATION,
            )


def escaped(value: str) -> str:
    """A value as it stands within a string of JSON: it ends no string, and adds no variable."""
    return json.dumps(value)[1:-1]


class CodeBuild:
    """Runs a build of a project on the input artifacts."""

    def run(self, context: ActionContext) -> ActionResult:
        """See Provider."""
        build = context.build
        if build is None:
            raise ActionError("The action was begun without a build", "SystemUnavailable")
        limits = Limits.of(_time_limit(context, build), context.stop)
        await_end_of_earlier(context, limits)
        mask = Mask(context.secrets)
        with ActionLog(context.log, mask, context.settings.max_log) as log:
            try:
                return _Running(context, build, log, limits).run()
            finally:
                remove(context.folder / "build")


def _time_limit(context: ActionContext, build: Build) -> float:
    """Seconds that a build may take: the least of what the action and the project declare."""
    declared = (context.action.timeout_minutes, build.definition.get("timeoutInMinutes"))
    minutes = [given for given in declared if given is not None]
    return min(minutes) * 60.0 if minutes else context.settings.time_limit


class _Running:
    def __init__(
        self, context: ActionContext, build: Build, log: ActionLog, limits: Limits
    ) -> None:
        self._context = context
        self._build = build
        self._log = log
        self._limits = limits
        self._environment: Mapping[str, Any] = build.definition["environment"]
        self._stored: list[Artifact] = []

    def run(self) -> ActionResult:
        try:
            self._check()
            result = builds.run_build(self._task(), self._log, self._limits)
        except ActionError as error:
            self._log.line(error.message)
            raise
        ended = self._ended(result)
        if ended.status is not BuildStatus.SUCCEEDED:
            raise BuildFailedError(_failure(ended), ended)
        return ActionResult(
            f"Build {ended.number} succeeded",
            external_execution_id=ended.id,
            artifacts=tuple(self._stored),
            variables=ended.exported_variables or {},
            build=ended,
        )

    def _check(self) -> None:
        """Raise ActionError where builds here can't be what the project asks for."""
        check_variables(self._environment.get("environmentVariables", ()))
        image, kind = self._environment["image"], self._environment["type"]
        if kind.startswith(_OTHER_SYSTEMS):
            raise ActionError(
                f"The project {self._build.project_name} has environment.type {kind}, and builds"
                " run on Linux here: change it (UpdateProject)",
                _CONFIGURATION,
            )
        if runner_of(self._context) is not Runner.CONTAINER:
            self._log.line(
                f"Warning: the image {image} is not used; commands run with the programs of this"
                " machine"
            )
        for what in _without_effect(self._build.definition):
            self._log.line(f"Warning: the project's {what} has no effect here")

    def _task(self) -> builds.Build:
        context = self._context
        variables = self._environment.get("environmentVariables", ())
        return builds.Build(
            context,
            context.folder,
            download=self._download,
            environment={
                "AWS_REGION": context.region,
                "AWS_DEFAULT_REGION": context.region,
                **{item["name"]: item["value"] for item in variables},
            },
            variables=self._own_variables(),
            resolve=self._resolve,
            upload=self._store,
            on_phase=self._note,
            cache=self._cache(),
            wanted=BuildEnvironment(
                image=self._environment["image"],
                compute=COMPUTE_TYPES.get(self._environment["computeType"]),
                privileged=self._environment.get("privilegedMode", False),
            ),
        )

    def _cache(self) -> BuildCache | None:
        build, caches = self._build, self._context.caches
        if caches is None or not _keeps_paths(build.definition):
            return None
        return caches.of(build.scope.build_project_arn(build.project_name))

    def _own_variables(self) -> Mapping[str, str]:
        build = self._build
        return {
            "CODEBUILD_BUILD_ID": build.id,
            "CODEBUILD_BUILD_ARN": build.arn,
            "CODEBUILD_BUILD_NUMBER": str(build.number),
            "CODEBUILD_BUILD_IMAGE": self._environment["image"],
            "CODEBUILD_INITIATOR": build.initiator,
            "CODEBUILD_RESOLVED_SOURCE_VERSION": build.resolved_source_version or "",
            "CODEBUILD_SOURCE_VERSION": build.source_version or "",
            # Empty for builds of pipelines, as AWS says.
            "CODEBUILD_SOURCE_REPO_URL": "",
        }

    def _download(self, target: Path) -> Download:
        """Unpack the primary source into `target`, and the others beside it."""
        context = self._context
        primary = Configuration.of(context.action).primary_source
        bounds = Bounds(context.settings.max_artifact, self._limits.check)
        others = target.parent / "sources"
        variables: dict[str, str] = {}
        for artifact in context.inputs:
            folder = target if artifact.name == primary else others / artifact.name
            context.artifacts.unpack(artifact.key, folder, bounds=bounds)
            if artifact.name != primary:
                variables |= self._named(artifact.name, folder)
        buildspec, location = self._buildspec(target)
        return Download(target, buildspec, location, variables)

    def _named(self, artifact: str, folder: Path) -> dict[str, str]:
        """The variable that says where a further source is, if the runner can have it."""
        if "-" in artifact and runner_of(self._context) is Runner.CONTAINER:
            self._log.line(
                f"Warning: no variable names {folder}: no shell knows CODEBUILD_SRC_DIR_{artifact}"
            )
            return {}
        return {f"CODEBUILD_SRC_DIR_{artifact}": str(folder)}

    def _buildspec(self, source: Path) -> tuple[bytes, str]:
        """The buildspec, and where it stands."""
        given = self._build.definition["source"].get("buildspec") or _BUILDSPEC
        if _INLINE.search(given):
            return given.encode(), f"the buildspec of the project {self._build.project_name}"
        path = PurePosixPath(given)
        if given.startswith("arn:") or path.is_absolute() or ".." in path.parts:
            raise BuildspecError(
                (f"The buildspec {given} is not in the source: give its path there",)
            )
        try:
            return _read(source, str(path)), str(source / path)
        except OSError as error:
            raise BuildspecError((f"YAML file does not exist: {path}: {error.strerror}",)) from None

    def _resolve(self, environment: Environment, given: Mapping[str, str]) -> Mapping[str, str]:
        """Hide the values that stand in for those of AWS's stores of secrets."""
        names = {*environment.parameter_store, *environment.secrets_manager} & given.keys()
        self._log.mask = Mask((*self._context.secrets, *(given[name] for name in names)))
        return builds.refuse_secrets(environment, given)

    def _store(self, made: Sequence[BuildArtifact]) -> None:
        """Store the output artifacts: the only one is the primary, or each is by its identifier."""
        outputs = self._context.action.output_artifacts
        by_name = {artifact.identifier: artifact for artifact in made}
        only = by_name.get(None) if len(outputs) == 1 else None
        self._stored = []
        for output in outputs:
            found = by_name.get(output.name, only)
            if found is None:
                self._log.line(
                    f"Warning: the buildspec has no artifact for the output artifact {output.name}"
                )
            else:
                self._stored.append(
                    store_output(self._context, output, found.folder, self._log, self._limits)
                )

    def _note(self, phases: Sequence[Phase]) -> None:
        self._context.note_build(self._so_far(phases))

    def _so_far(self, phases: Sequence[Phase]) -> Build:
        told = (*self._build.phases, *map(self._masked, phases))
        return replace(self._build, phases=told, current_phase=told[-1].type)

    def _masked(self, phase: Phase) -> Phase:
        if phase.context is None:
            return phase
        message = self._log.mask.text(phase.context.message)
        return replace(phase, context=replace(phase.context, message=message))

    def _ended(self, result: BuildResult) -> Build:
        mask = self._log.mask
        several = len(self._context.action.output_artifacts) > 1
        artifacts = tuple(
            {"location": item.key} | ({"artifactIdentifier": item.name} if several else {})
            for item in self._stored
        )
        return replace(
            self._so_far(result.phases),
            status=result.status,
            artifacts=({}, *artifacts) if several else artifacts,
            exported_variables={name: mask.text(text) for name, text in result.exported.items()},
        )


def _without_effect(definition: Mapping[str, Any]) -> Iterator[str]:
    """The members of a project that builds here make nothing of."""
    for name in ("vpcConfig", "fileSystemLocations", "buildBatchConfig", "concurrentBuildLimit"):
        if definition.get(name):
            yield name
    if definition["environment"].get("fleet"):
        yield "environment.fleet"
    for mode in definition.get("cache", {}).get("modes", ()):
        if mode != _CUSTOM_CACHE:
            yield f"cache mode {mode}"


def _keeps_paths(definition: Mapping[str, Any]) -> bool:
    """Whether the paths of a buildspec's cache are kept: on the node, also where it says S3."""
    cache = definition.get("cache", {})
    kind = cache.get("type", "NO_CACHE")
    return kind == "S3" or (kind == "LOCAL" and _CUSTOM_CACHE in cache.get("modes", ()))


def _read(source: Path, path: str) -> bytes:
    """A file of the source. Raises OSError, BuildspecError."""
    with Tree(source) as tree:
        descriptor = tree.open(path)
    if descriptor is None:
        raise BuildspecError((f"{path} is not a regular file",))
    with os.fdopen(descriptor, "rb") as content:
        data = content.read(_LONGEST_BUILDSPEC + 1)
    if len(data) > _LONGEST_BUILDSPEC:
        raise BuildspecError((f"{path} has more than {_LONGEST_BUILDSPEC} bytes",))
    return data


def _failure(build: Build) -> str:
    """Why a build failed, as AWS's CodePipeline tells it."""
    failed = next((phase for phase in build.phases if phase.context is not None), None)
    text = f"Build terminated with state: {build.status}"
    if failed is None or failed.context is None:
        return text
    context = failed.context
    return f"{text}. Phase: {failed.type}, Code: {context.status_code}, Message: {context.message}"
