"""Stores the output artifacts of an action."""

from pathlib import Path

from hookline.actions.archives import Bounds
from hookline.actions.log import ActionLog
from hookline.actions.processes import Limits
from hookline.actions.provider import ActionContext, Artifact
from hookline.errors import ActionError
from hookline.model import OutputArtifact


def store_outputs(
    context: ActionContext, folder: Path, log: ActionLog, limits: Limits
) -> tuple[Artifact, ...]:
    """Archive every output artifact of the action from `folder`.

    Raises what `store_output` does.
    """
    outputs = context.action.output_artifacts
    return tuple(store_output(context, output, folder, log, limits) for output in outputs)


def store_output(
    context: ActionContext, output: OutputArtifact, folder: Path, log: ActionLog, limits: Limits
) -> Artifact:
    """Archive an output artifact of the action from `folder`.

    Raises:
        ActionError: a pattern matches nothing, the artifact is too large, the store can't be
            written, or the time is over.
        Interrupted: `limits.stop` is set.
    """
    bounds = Bounds(context.settings.max_artifact, limits.check)
    artifact = context.output(output.name)
    try:
        left_out = context.artifacts.pack(artifact.key, folder, output.files, bounds=bounds)
    except ActionError as error:
        message = f"Output artifact {output.name}: {error.message}"
        raise ActionError(message, error.code) from error
    for path in left_out:
        log.line(
            f"Output artifact {output.name} leaves out {path}: it leads outside, or is no file"
        )
    return artifact
