"""The rule type Rule · AWS · DeploymentWindow · 1: waits until the current time is in a window."""

from collections.abc import Mapping
from datetime import UTC, datetime

from hookline.actions.provider import ActionContext, ActionResult, Waiting
from hookline.actions.waiting import time_limit
from hookline.cron import Cron, CronError, time_zone
from hookline.errors import ActionError

# As long as AWS lets an approval wait.
_WEEK_S = 7 * 86_400.0


class DeploymentWindow:
    """Succeeds while the window is open, and waits for it otherwise: a week unless told else."""

    def run(self, context: ActionContext) -> ActionResult | Waiting:
        """See Provider."""
        if is_open(context.action.configuration, datetime.now(UTC)):
            return ActionResult(OPEN)
        return Waiting(context.action_execution_id, time_limit(context, _WEEK_S))


OPEN = "The deployment window is open"


def is_open(configuration: Mapping[str, str], moment: datetime) -> bool:
    """Whether `moment` is in the window that a resolved configuration describes.

    Raises:
        ActionError: its Cron or TimeZone can't be used.
    """
    try:
        zone = time_zone(configuration.get("TimeZone", "UTC"))
        return Cron(configuration["Cron"]).includes(moment.astimezone(zone))
    except CronError as error:
        raise ActionError(f"The window can't be used: {error}", "ConfigurationError") from error
