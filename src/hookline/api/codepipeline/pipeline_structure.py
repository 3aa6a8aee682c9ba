"""Checks a pipeline's structure as AWS does, where the service model's constraints say nothing."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hookline.api.codepipeline.action_types import (
    ACTION_TYPES,
    COMMANDS,
    CONNECTION,
    GITHUB,
    ActionTypeRule,
    Count,
)
from hookline.api.codepipeline.condition_structure import check_conditions
from hookline.errors import (
    InvalidActionDeclarationException,
    InvalidBlockerDeclarationException,
    InvalidStageDeclarationException,
    InvalidStructureException,
    LimitExceededException,
)
from hookline.globs import GlobError, Globs
from hookline.model import CONDITION_MEMBERS, Action, ActionType, Stage, stages_of

_LEAST_STAGES = 2
_MOST_STAGES = 50
_MOST_STAGE_ACTIONS = 50
_MOST_ACTIONS = 500
_NAME_TEXT = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.-]+"
_NAME = re.compile(_NAME_TEXT)
_REPOSITORY = re.compile(f"{_NAME_TEXT}/{_NAME_TEXT}")
_BRANCH = re.compile(
    r"(?![-/.])(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\]+(?<![/.])"
)
_WANTED = {
    "FullRepositoryId": "owner/repository",
    "Branch": "the name of a branch",
    "BranchName": "the name of a branch",
}
_QUERYABLE = re.compile("[A-Za-z0-9_-]{1,20}")
_NO_CUSTOM: Mapping[ActionType, ActionTypeRule] = {}
_VARIABLE = "#{"
_VARIABLES = "variables"
# Of AWS: the id of the execution is read from it.
_SERVICE_VARIABLES = "codepipeline"
_PATTERNS = ("branches", "tags", "filePaths")


@dataclass(frozen=True, slots=True)
class _Place:
    """An action, where it stands, as it was declared, and the rule for its type if there is one."""

    stage: Stage
    stage_number: int
    action: Action
    declared: Mapping[str, Any]
    rule: ActionTypeRule | None

    def __str__(self) -> str:
        return f"Action '{self.action.name}' in stage '{self.stage.name}'"

    def comes_after(self, other: "_Place") -> bool:
        """Whether this action starts only when `other` has ended."""
        if self.stage_number != other.stage_number:
            return self.stage_number > other.stage_number
        return self.action.run_order > other.action.run_order


def with_defaults(declaration: Mapping[str, Any]) -> dict[str, Any]:
    """The declaration as AWS answers it: what was left out has its default. A deep copy."""
    full = deepcopy(dict(declaration))
    full["pipelineType"] = _type_of(declaration)
    full.setdefault("executionMode", "SUPERSEDED")
    for stage in full["stages"]:
        for action in stage["actions"]:
            action.setdefault("runOrder", 1)
            action.setdefault("configuration", {})
            action.setdefault("inputArtifacts", [])
            action.setdefault("outputArtifacts", [])
    return full


def check_structure(
    declaration: Mapping[str, Any],
    region: str,
    custom: Mapping[ActionType, ActionTypeRule] = _NO_CUSTOM,
) -> None:
    """Check a PipelineDeclaration that already satisfies the constraints of the service model.

    `region` is the pipeline's, `custom` are the rules of custom action types that its actions can
    have.

    Raises:
        InvalidStructureException: the pipeline as a whole.
        InvalidStageDeclarationException: one stage.
        InvalidActionDeclarationException: one action.
        InvalidBlockerDeclarationException: a stage has blockers.
        LimitExceededException: too many stages or actions.
    """
    stages = stages_of(declaration)
    _check_artifact_store(declaration)
    _check_sizes(stages)
    _check_stages(declaration["stages"])
    check_conditions(stages, declaration["stages"])
    _check_pipeline_type(declaration)
    places = list(_places(declaration, stages, {**custom, **ACTION_TYPES}))
    _check_sources(places)
    for place in places:
        for check in _ACTION_CHECKS:
            check(place)
    _check_regions(declaration, region, places)
    _check_artifacts(places)
    _check_namespaces(places)
    _check_variables(declaration, places)
    _check_triggers(declaration, places)


def _places(
    declaration: Mapping[str, Any],
    stages: Iterable[Stage],
    rules: Mapping[ActionType, ActionTypeRule],
) -> Iterator[_Place]:
    for number, stage in enumerate(stages):
        declared = declaration["stages"][number]["actions"]
        for action, raw in zip(stage.actions, declared, strict=True):
            yield _Place(stage, number, action, raw, rules.get(action.type))


def _repeated(values: Iterable[str]) -> str | None:
    """The first value that occurs more than once."""
    return next((value for value, count in Counter(values).items() if count > 1), None)


def _check_artifact_store(declaration: Mapping[str, Any]) -> None:
    one, many = declaration.get("artifactStore"), declaration.get("artifactStores")
    if bool(one) == bool(many):
        raise InvalidStructureException(
            "Pipeline must have exactly one of artifactStore and artifactStores"
        )


def _check_sizes(stages: tuple[Stage, ...]) -> None:
    if len(stages) < _LEAST_STAGES:
        raise InvalidStructureException(
            f"Pipeline has only {len(stages)} stage(s). There should be a minimum of"
            f" {_LEAST_STAGES} stages in a pipeline"
        )
    if len(stages) > _MOST_STAGES:
        raise LimitExceededException(
            f"Pipeline has {len(stages)} stages; {_MOST_STAGES} is the most"
        )
    for stage in stages:
        if len(stage.actions) > _MOST_STAGE_ACTIONS:
            raise LimitExceededException(
                f"Stage '{stage.name}' has {len(stage.actions)} actions; {_MOST_STAGE_ACTIONS}"
                " is the most"
            )
    total = sum(len(stage.actions) for stage in stages)
    if total > _MOST_ACTIONS:
        raise LimitExceededException(f"Pipeline has {total} actions; {_MOST_ACTIONS} is the most")


def _check_stages(stages: Sequence[Mapping[str, Any]]) -> None:
    if name := _repeated(stage["name"] for stage in stages):
        raise InvalidStageDeclarationException(
            f"Stage names must be unique within a pipeline. '{name}' has been used more than once"
        )
    for stage in stages:
        _check_stage(stage)


def _check_stage(stage: Mapping[str, Any]) -> None:
    if not stage["actions"]:
        raise InvalidStageDeclarationException(
            f"Stage '{stage['name']}' has no actions. A stage must have at least one"
        )
    if name := _repeated(action["name"] for action in stage["actions"]):
        raise InvalidStageDeclarationException(
            f"Action names must be unique within a stage. '{name}' has been used more than once"
            f" in stage '{stage['name']}'"
        )
    if stage.get("blockers"):
        raise InvalidBlockerDeclarationException(
            f"Stage '{stage['name']}' has blockers, which AWS reserves for future use; leave them"
            " out, or disable the stage's inbound transition"
        )


def _type_of(declaration: Mapping[str, Any]) -> str:
    """The pipeline's type: unless it is said, what only V2 has makes it V2, as the API says."""
    inferred = "V2" if next(_features_of_v2(declaration), None) else "V1"
    return str(declaration.get("pipelineType", inferred))


def _check_pipeline_type(declaration: Mapping[str, Any]) -> None:
    if _type_of(declaration) == "V2":
        return
    if feature := next(_features_of_v2(declaration), None):
        raise InvalidStructureException(
            f"Pipelines of type V1 can't have {feature}. Set pipelineType to V2"
        )


def _features_of_v2(declaration: Mapping[str, Any]) -> Iterator[str]:
    mode = declaration.get("executionMode", "SUPERSEDED")
    if mode != "SUPERSEDED":
        yield f"the executionMode {mode}"
    for feature in (_VARIABLES, "triggers"):
        if declaration.get(feature):
            yield feature
    for stage in declaration["stages"]:
        yield from _stage_features_of_v2(stage)


def _stage_features_of_v2(stage: Mapping[str, Any]) -> Iterator[str]:
    for condition in CONDITION_MEMBERS.values():
        if stage.get(condition):
            yield f"{condition} (in stage '{stage['name']}')"
    for action in stage["actions"]:
        if ActionType.of(action["actionTypeId"]) == COMMANDS:
            yield f"actions of the type {COMMANDS} ('{action['name']}' in stage '{stage['name']}')"


def _check_sources(places: Iterable[_Place]) -> None:
    for place in places:
        is_source = place.action.type.category == "Source"
        if place.stage_number == 0 and not is_source:
            raise InvalidStructureException(
                f"{place} is not a source action. Pipeline should start with a stage that only"
                " contains source actions"
            )
        if place.stage_number > 0 and is_source:
            raise InvalidStructureException(
                f"{place} is a source action. Source actions can only be in the first stage"
            )


def _check_type(place: _Place) -> None:
    if place.rule is not None:
        _check_counts(place, place.rule)
        _check_configuration(place, place.rule)
        return
    kind = place.action.type
    if kind.owner == "Custom":
        raise InvalidActionDeclarationException(
            f"{place} has the custom action type {kind}, which is not available in this region."
            " Register it with CreateCustomActionType"
        )
    raise InvalidActionDeclarationException(
        f"{place} has the action type {kind}, which does not exist"
    )


def _check_counts(place: _Place, rule: ActionTypeRule) -> None:
    _check_count(place, "input", len(place.action.input_artifacts), rule.inputs)
    _check_count(place, "output", len(place.action.output_artifacts), rule.outputs)


def _check_count(place: _Place, what: str, count: int, allowed: Count) -> None:
    declares = f"{place} declares {count} {what} artifacts which is"
    if count < allowed.least:
        raise InvalidActionDeclarationException(
            f"{declares} less than the minimum count ({allowed.least})"
        )
    if count > allowed.most:
        raise InvalidActionDeclarationException(
            f"{declares} more than the maximum count ({allowed.most})"
        )


def _check_configuration(place: _Place, rule: ActionTypeRule) -> None:
    configuration = place.action.configuration
    of_action = (
        f"Action configuration for action '{place.action.name}' in stage '{place.stage.name}'"
    )
    for key in rule.missing(configuration):
        raise InvalidActionDeclarationException(
            f"{of_action} is missing required configuration '{key}'"
        )
    unknown = configuration.keys() - {*rule.keys, *rule.others}
    if rule.is_closed and unknown:
        raise InvalidActionDeclarationException(
            f"{of_action} contains unknown configuration '{min(unknown)}'"
        )
    if rule.queryable is not None and not _QUERYABLE.fullmatch(configuration[rule.queryable]):
        raise InvalidActionDeclarationException(
            f"{of_action} has a value of '{rule.queryable}' that job workers can't ask for: give it"
            " at most 20 characters, of A-Z a-z 0-9 _ -"
        )


def _check_repository(place: _Place) -> None:
    for key, value, pattern in _repository_values(place.action):
        if _VARIABLE not in value and not pattern.fullmatch(value):
            wanted = _WANTED.get(key, "a name of letters, digits and _ . -")
            raise InvalidActionDeclarationException(
                f"{place} has the {key} '{value}', which is not {wanted}"
            )


def _repository_values(action: Action) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    keys = {
        GITHUB: (("Owner", _NAME), ("Repo", _NAME), ("Branch", _BRANCH)),
        CONNECTION: (("FullRepositoryId", _REPOSITORY), ("BranchName", _BRANCH)),
    }
    for key, pattern in keys.get(action.type, ()):
        yield key, action.configuration[key], pattern


def _check_commands(place: _Place) -> None:
    if place.action.type == COMMANDS and not place.action.commands:
        raise InvalidActionDeclarationException(f"{place} has no commands")
    if place.action.type != COMMANDS and place.action.commands:
        raise InvalidActionDeclarationException(
            f"{place} has commands, which only actions of the type {COMMANDS} can have"
        )


_ACTION_CHECKS: tuple[Callable[[_Place], None], ...] = (
    _check_type,
    _check_repository,
    _check_commands,
)


def _check_regions(declaration: Mapping[str, Any], region: str, places: Iterable[_Place]) -> None:
    for place in places:
        wanted = place.declared.get("region", region)
        if wanted != region:
            _check_other_region(place, wanted, declaration.get("artifactStores") or {})


def _check_other_region(place: _Place, wanted: str, stores: Mapping[str, Any]) -> None:
    kind = place.action.type
    if kind.category == "Source" or kind.owner != "AWS":
        raise InvalidActionDeclarationException(
            f"{place} is in the region {wanted}. Source actions, and actions of third parties and"
            " of custom types, can't be in another region than their pipeline: leave region out"
        )
    if wanted not in stores:
        raise InvalidStructureException(
            f"{place} is in the region {wanted}, which has no artifact store. A pipeline with"
            " actions in other regions must have artifactStores, with one for each region"
        )


def _check_artifacts(places: Iterable[_Place]) -> None:
    made: dict[str, _Place] = {}
    for place in places:
        for artifact in place.action.output_artifacts:
            if artifact.name in made:
                raise InvalidStructureException(
                    f"Output artifact names must be unique within a pipeline. '{artifact.name}' of"
                    f" {_inside(place)} is also made by {_inside(made[artifact.name])}"
                )
            made[artifact.name] = place
    for place in places:
        _check_inputs(place, made)


def _check_inputs(place: _Place, made: Mapping[str, _Place]) -> None:
    names = place.action.input_artifacts
    if name := _repeated(names):
        raise InvalidActionDeclarationException(
            f"{place} declares the input artifact '{name}' more than once"
        )
    for name in names:
        if name not in made:
            raise InvalidActionDeclarationException(
                f"{place} declares the input artifact '{name}', which no action makes"
            )
        if not place.comes_after(made[name]):
            raise InvalidActionDeclarationException(
                f"{place} declares the input artifact '{name}', which {_inside(made[name])} does"
                " not make before it: put it in a later stage or give it a higher runOrder"
            )


def _inside(place: _Place) -> str:
    text = str(place)
    return text[0].lower() + text[1:]


def _check_namespaces(places: Iterable[_Place]) -> None:
    used: dict[str, _Place] = {}
    for place in places:
        namespace = place.declared.get("namespace")
        if namespace == _SERVICE_VARIABLES:
            raise InvalidActionDeclarationException(
                f"{place} has the namespace '{namespace}', which is reserved for the variables of"
                " the pipeline's execution"
            )
        if namespace in used:
            raise InvalidActionDeclarationException(
                f"{place} has the namespace '{namespace}', which {_inside(used[namespace])} has too"
            )
        if namespace is not None:
            used[namespace] = place


def _check_variables(declaration: Mapping[str, Any], places: Iterable[_Place]) -> None:
    variables = declaration.get("variables") or ()
    if name := _repeated(variable["name"] for variable in variables):
        raise InvalidStructureException(
            f"Variable names must be unique within a pipeline. '{name}' has been used more than"
            " once"
        )
    for place in places:
        if variables and place.declared.get("namespace") == _VARIABLES:
            raise InvalidActionDeclarationException(
                f"{place} has the namespace '{_VARIABLES}', which is reserved for the pipeline's"
                " own variables"
            )


def _check_triggers(declaration: Mapping[str, Any], places: Iterable[_Place]) -> None:
    connections = {place.action.name for place in places if place.action.type == CONNECTION}
    named = [
        trigger["gitConfiguration"]["sourceActionName"]
        for trigger in declaration.get("triggers", ())
    ]
    if name := _repeated(named):
        raise InvalidStructureException(f"Source action '{name}' has more than one trigger")
    for name in named:
        if name not in connections:
            raise InvalidStructureException(
                f"A trigger names the source action '{name}', and the first stage has no such"
                f" action of the type {CONNECTION}"
            )
    for trigger in declaration.get("triggers", ()):
        _check_git_filters(trigger["gitConfiguration"])


def _check_git_filters(git: Mapping[str, Any]) -> None:
    of_trigger = f"The trigger on source action '{git['sourceActionName']}'"
    for number, rule in enumerate(git.get("push", ()), 1):
        if "tags" in rule and ("branches" in rule or "filePaths" in rule):
            raise InvalidStructureException(
                f"{of_trigger} has tags beside branches or filePaths in its push filter {number}."
                " Give them a push filter of their own"
            )
    rules = [*git.get("push", ()), *git.get("pullRequest", ())]
    try:
        for patterns in _patterns(rules):
            Globs(patterns)
    except GlobError as error:
        raise InvalidStructureException(f"{of_trigger} can't be used. {error}") from error


def _patterns(rules: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    for rule in rules:
        for key in _PATTERNS:
            yield from rule.get(key, {}).values()
