"""Which runner runs the commands of an action, and how."""

from collections.abc import Mapping, Sequence

from hookline.actions.processes import Child, Owner
from hookline.errors import ActionError
from hookline.runners import RUNNER_TAG, Place, Runner, refusal, sandboxed


def child_of(
    context: Owner,
    place: Place,
    argv: Sequence[str],
    environment: Mapping[str, str],
) -> Child:
    """The program that runs `argv` by the runner of the action.

    Raises:
        ActionError: there is no such runner, or this machine can't run commands by it.
    """
    limits = context.settings.limits
    runner = _runner(context)
    if runner is Runner.HOST:
        return Child(argv, place.folder, environment, context, limits)
    if reason := _reason_against(runner, context):
        raise ActionError(
            f"Commands can't run by the runner {runner.value}: {reason}", "ConfigurationError"
        )
    wrapped = sandboxed(context.settings.sandbox, place, argv)
    return Child(wrapped, place.folder, environment, context, limits, is_monitor=True)


def _runner(context: Owner) -> Runner:
    if context.runner is None:
        return context.settings.runner
    try:
        return Runner(context.runner)
    except ValueError:
        known = ", ".join(runner.value for runner in Runner)
        raise ActionError(
            f'The pipeline\'s tag {RUNNER_TAG} asks for the runner "{context.runner}"; there are'
            f" {known}",
            "ConfigurationError",
        ) from None


def _reason_against(runner: Runner, context: Owner) -> str | None:
    if not context.settings.pid_namespaces:
        return "the setting pid_namespaces is off, and a sandbox needs it"
    return refusal(runner)
