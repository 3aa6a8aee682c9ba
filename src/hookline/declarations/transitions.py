"""The transitions that a template disables: it enables again those, and no others.

CloudFormation compares a template with the one before it. What an operator disables is in neither,
so an update of the stack leaves it alone. Apply has no template before: it knows what it disabled
by the end of the reason.
"""

from collections.abc import Iterator

from hookline.declarations.plans import Call, Present
from hookline.declarations.resources import DeclaredPipeline

_MARK = " (hookline apply)"
_LONGEST_REASON = 300


def transition_calls(
    declared: DeclaredPipeline, present: Present | None, title: str
) -> Iterator[tuple[str, Call]]:
    """The calls that make transitions as they are declared, each with its line of the diff."""
    if declared.disabled is None:
        return
    there = present.disabled if present else {}
    for stage, reason in declared.disabled.items():
        marked = reason[: _LONGEST_REASON - len(_MARK)] + _MARK
        if there.get(stage) != marked:
            line = f"+ transition into {stage} disabled: {reason}"
            what = f"disable the transition into {stage} of {title}"
            yield line, _call("DisableStageTransition", declared.name, stage, what, reason=marked)
    stages = {stage["name"] for stage in declared.declaration["stages"]}
    for stage, reason in there.items():
        if stage in stages - declared.disabled.keys() and reason.endswith(_MARK):
            line = f"- transition into {stage} disabled: {reason.removesuffix(_MARK)}"
            what = f"enable the transition into {stage} of {title}"
            yield line, _call("EnableStageTransition", declared.name, stage, what)


def _call(operation: str, pipeline: str, stage: str, what: str, **more: str) -> Call:
    return Call(
        operation=operation,
        parameters={
            "pipelineName": pipeline,
            "stageName": stage,
            "transitionType": "Inbound",
            **more,
        },
        what=what,
    )
