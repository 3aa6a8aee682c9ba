"""Stores the output artifacts of an action."""

from pathlib import Path

from hookline.actions.log import ActionLog
from hookline.actions.provider import ActionContext, Artifact
from hookline.errors import ActionError


def store_outputs(context: ActionContext, folder: Path, log: ActionLog) -> tuple[Artifact, ...]:
    """Archive every output artifact of the action from `folder`.

    Raises:
        ActionError: a pattern matches nothing, or the store can't be written.
    """
    stored = []
    for output in context.action.output_artifacts:
        artifact = context.output(output.name)
        try:
            left_out = context.artifacts.pack(artifact.key, folder, output.files)
        except ActionError as error:
            message = f"Output artifact {output.name}: {error.message}"
            raise ActionError(message, error.code) from error
        for path in left_out:
            log.line(
                f"Output artifact {output.name} leaves out {path}: it leads outside, or is no file"
            )
        stored.append(artifact)
    return tuple(stored)
