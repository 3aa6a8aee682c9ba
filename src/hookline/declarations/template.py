"""CloudFormation templates: what they declare that is built, as `cdk synth` writes them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hookline.declarations.forms import Origin, from_properties
from hookline.declarations.functions import NO_VALUE, Evaluator, section
from hookline.declarations.problems import EndlessError, Problems, each, problems_of
from hookline.declarations.resources import Declarations, Declared, Deployed, Kind
from hookline.declarations.secrets import Secrets
from hookline.declarations.stack import (
    Parameters,
    RequiredValue,
    StackContext,
    placeholder,
    placeholder_attribute,
)
from hookline.errors import HooklineError
from hookline.model import Scope

_KINDS = {
    "AWS::CodeBuild::Project": Kind.PROJECT,
    "AWS::CodePipeline::Pipeline": Kind.PIPELINE,
    "AWS::CodePipeline::Webhook": Kind.WEBHOOK,
    "AWS::CodePipeline::CustomActionType": Kind.ACTION_TYPE,
}
# The attribute of those that `Ref` gives the name of.
_NAMED = {Kind.PROJECT: "Arn", Kind.PIPELINE: "Version", Kind.WEBHOOK: "Url"}
# Without a meaning here; templates make them of what only a deployment knows.
_IGNORED: Mapping[Kind, frozenset[str]] = {
    Kind.ACTION_TYPE: frozenset(),
    Kind.PROJECT: frozenset({"Triggers", "Visibility", "ResourceAccessRole"}),
    Kind.PIPELINE: frozenset({"RestartExecutionOnUpdate"}),
    Kind.WEBHOOK: frozenset({"TargetPipelineVersion"}),
}
_LONGEST_NAME = 100


def is_template(content: Any) -> bool:
    """Whether a document is a CloudFormation template."""
    return isinstance(content, dict) and isinstance(content.get("Resources"), dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """What was found in a document: `declarations`, unless there are `problems` or values lack.

    `required` is what it asks for from outside, `used` the names of given values that it took.
    """

    declarations: Declarations | None = None
    problems: tuple[str, ...] = ()
    required: Mapping[str, RequiredValue] = field(default_factory=dict)
    used: frozenset[str] = frozenset()


def read_template(content: Mapping[str, Any], title: str, context: StackContext) -> ReadResult:
    """Read what a template declares. Resources of other services are left out, with a note."""
    try:
        template = _Template(content, title, context)
    except HooklineError as error:
        return ReadResult(problems=tuple(f"{title}: {text}" for text in problems_of(error)))
    declarations = None
    problems: tuple[str, ...] = ()
    try:
        declarations = template.declarations()
    except RecursionError:
        problems = ("its values are nested too deeply",)
    except HooklineError as error:
        problems = problems_of(error)
    shown = map(template.secrets.without, problems)
    return ReadResult(
        declarations=declarations,
        problems=tuple(_titled(text, title) for text in shown),
        required={
            name: replace(item, missing=_titled(item.missing, title))
            for name, item in template.parameters.required.items()
        },
        used=frozenset(template.parameters.used),
    )


def _titled(text: str, title: str) -> str:
    # Conditions, mappings and parameters know no file.
    return text if text.startswith(title) else f"{title}: {text}"


class _Template:
    def __init__(self, content: Mapping[str, Any], title: str, context: StackContext) -> None:
        self._title = title
        self._context = context
        self._pseudo_parameters = context.pseudo_parameters()
        self._resources = section(content, "Resources")
        self._outputs = section(content, "Outputs")
        transforms = content.get("Transform", [])
        self._transforms = transforms if isinstance(transforms, list) else [transforms]
        self.parameters = Parameters(section(content, "Parameters"), context.parameters)
        self._evaluator = Evaluator(content, self)
        self._deployed: Deployed | None = None
        self._placeholders: dict[str, str] = {}

    def declarations(self) -> Declarations:
        """All that the template declares. Raises ProblemsError with all that is wrong with it."""
        found = each(self._resources, self._declared_or_endless)
        return Declarations(
            resources=tuple(item for item in found if item is not None),
            notes=tuple(map(self.secrets.without, self._notes())),
            secrets=frozenset(self.parameters.secrets),
            outputs=(self._deployed_outputs,),
        )

    def _declared_or_endless(self, logical_id: str) -> Declared | None:
        try:
            return self._declared(logical_id)
        except EndlessError as error:
            # The end of this resource, and not of the others.
            raise HooklineError(error.message) from error

    def _declared(self, logical_id: str) -> Declared | None:
        """What a resource declares; None if it is another service's or its condition fails."""
        resource = self._resource(logical_id)
        kind = _KINDS.get(resource["Type"])
        if kind is None:
            return None
        try:
            present = self._is_present(logical_id, resource)
        except HooklineError:
            # Where the condition is open, what the resource may ask for is noted, too.
            with Problems():
                self._made(logical_id, kind)
            raise
        return self._made(logical_id, kind) if present else None

    def _made(self, logical_id: str, kind: Kind) -> Declared:
        problems, name = Problems(), {}
        with problems:
            properties = self._properties(logical_id, _IGNORED[kind])
        with problems:
            if kind is not Kind.ACTION_TYPE:
                name = {"Name": self._name(logical_id)}
        problems.check()
        found = from_properties(kind, {**properties, **name}, self._origin(logical_id))
        if kind is not Kind.PROJECT:
            return found
        return replace(found, left_out=self._left_out(logical_id))

    def _left_out(self, logical_id: str) -> tuple[str, ...]:
        given = self._resource(logical_id)["Properties"]
        names = sorted(_IGNORED[Kind.PROJECT] & given.keys())
        return tuple(name for name in names if (name, given[name]) != ("Visibility", "PRIVATE"))

    @property
    def secrets(self) -> Secrets:
        """What was told so far and may not be shown."""
        return Secrets(texts=frozenset(self.parameters.secrets))

    def _is_present(self, logical_id: str, resource: Mapping[str, Any]) -> bool:
        condition = resource.get("Condition")
        place = f"{self._title}: Resources.{logical_id}.Condition"
        return condition is None or self._evaluator.conditions.holds(str(condition), place)

    def _resource(self, logical_id: str) -> Mapping[str, Any]:
        if logical_id.startswith("Fn::"):
            raise HooklineError(
                f"{self._title}: {logical_id} among the Resources can't be evaluated here. Write "
                "the resources themselves."
            )
        resource = self._resources[logical_id]
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise HooklineError(f"{self._title}: the resource {logical_id} has no Type")
        return resource

    def _properties(self, logical_id: str, ignored: Collection[str]) -> dict[str, Any]:
        path = self._origin(logical_id).path
        given = self._resource(logical_id).get("Properties", {})
        if isinstance(given, dict):
            given = {name: value for name, value in given.items() if name not in ignored}
        found = self._evaluator.value(given, path)
        if not isinstance(found, dict):
            raise HooklineError(f"{path} must be an object")
        return found

    def _origin(self, logical_id: str) -> Origin:
        return Origin(self._context.stack_name, self._title, logical_id)

    def _name(self, logical_id: str) -> str:
        properties = self._resource(logical_id).get("Properties", {})
        given = properties.get("Name", NO_VALUE) if isinstance(properties, dict) else NO_VALUE
        path = f"{self._origin(logical_id).path}.Name"
        value = given if given is NO_VALUE else self._evaluator.value(given, path)
        if value is NO_VALUE:
            return f"{self._context.stack_name}-{logical_id}"[:_LONGEST_NAME]
        if isinstance(value, str | int):
            return str(value)
        raise HooklineError(f"{path} must be a text")

    def _notes(self) -> list[str]:
        types = {name: self._resource(name)["Type"] for name in self._resources}
        notes = [
            f"{name}: RestartExecutionOnUpdate is not acted on"
            for name in filter(self._restarts, self._resources)
        ]
        notes += self._placeholders.values()
        if self._transforms:
            notes.append(f"transforms are not run: {', '.join(map(str, self._transforms))}")
        if skipped := {kind for kind in types.values() if kind not in _KINDS}:
            notes.append(f"left out: {', '.join(sorted(skipped))}")
        return [f"{self._title}: {text}" for text in notes]

    def _restarts(self, logical_id: str) -> bool:
        resource = self._resource(logical_id)
        return _KINDS.get(resource["Type"]) is Kind.PIPELINE and (
            "RestartExecutionOnUpdate" in resource.get("Properties", {})
        )

    def reference(self, name: str, path: str) -> Any:
        if name in self.parameters:
            return self.parameters.value(name, path)
        if name.startswith("AWS::"):
            if name not in self._pseudo_parameters:
                raise HooklineError(f"{path}: there is no pseudo parameter {name}")
            return self._pseudo_parameters[name]
        resource = self._referred(name, path)
        if _KINDS.get(resource["Type"]) in _NAMED:
            return self._name(name)
        made = placeholder(name, resource, self._context, self._evaluator.value)
        return self._noted(f"Ref {name}", resource, made)

    def attribute(self, logical_id: str, name: str, path: str) -> Any:
        resource = self._referred(logical_id, path)
        kind = _KINDS.get(resource["Type"])
        if kind in _NAMED:
            if name != _NAMED[kind]:
                raise HooklineError(
                    f"{path}: {resource['Type']} has no attribute '{name}', only {_NAMED[kind]}"
                )
            if kind is Kind.PROJECT:
                return self._project_arn(logical_id)
            return self._late(logical_id, kind, path)
        made = placeholder_attribute(
            logical_id, name, resource, self._context, self._evaluator.value
        )
        return self._noted(f"{logical_id}.{name}", resource, made)

    def dynamic(self, reference: str, path: str) -> str:
        return self.parameters.external(
            reference,
            f"{{{{resolve:{reference}}}}}",
            missing=f"{path}: {{{{resolve:{reference}}}}} is kept in AWS, where Hookline doesn't "
            f"read it; give it as '{reference}'",
            is_secret=True,
        )

    def note_derived(self, text: str, parts: Iterable[str]) -> None:
        self.parameters.note_derived(text, parts)

    def exported(self, name: str, path: str) -> str:
        return self.parameters.external(name, missing=f"{path}: '{name}' is another stack's output")

    def _referred(self, logical_id: str, path: str) -> Mapping[str, Any]:
        if logical_id not in self._resources:
            raise HooklineError(
                f"{path}: the template has no parameter and no resource '{logical_id}'"
            )
        resource = self._resource(logical_id)
        if not self._is_present(logical_id, resource):
            raise HooklineError(
                f"{path}: the condition of the resource '{logical_id}' does not hold, so it can't "
                "be referred to"
            )
        return resource

    def _noted(self, what: str, resource: Mapping[str, Any], made: str) -> str:
        self._placeholders[what] = f"{what} ({resource['Type']}) is taken as {made}"
        return made

    def _project_arn(self, logical_id: str) -> str:
        scope = Scope(self._context.account, self._context.region)
        return scope.build_project_arn(self._name(logical_id))

    def _late(self, logical_id: str, kind: Kind, path: str) -> str:
        if self._deployed is None:
            raise HooklineError(
                f"{path}: this is known only after it was applied, so only Outputs can have it"
            )
        name = self._name(logical_id)
        known = self._deployed
        found = (known.urls if kind is Kind.WEBHOOK else known.versions).get(name)
        if found is None:
            raise HooklineError(f"{path}: there is no '{name}'")
        return str(found)

    def _deployed_outputs(self, deployed: Deployed) -> Mapping[str, str]:
        """The outputs that speak of what was declared alone; others would be invented."""
        self._deployed = deployed
        outputs = {}
        for name, output in self._outputs.items():
            self._placeholders.clear()
            try:
                if not self._is_present(name, output):
                    continue
                text = self._evaluator.text(output["Value"], f"{self._title}: Outputs.{name}")
            except (HooklineError, AttributeError, KeyError, TypeError, RecursionError):
                continue
            if not self._placeholders:
                outputs[name] = text
        return outputs
