"""A node without an engine: it takes actions, and the test says how they end."""

from hookline.actions.provider import ActionResult
from hookline.errors import ActionError
from hookline.executions.finish import Outcome, finish
from hookline.executions.nodes import release_lost
from hookline.executions.take import take
from hookline.model import DEFAULT_LABEL, new_id
from hookline.store import nodes
from hookline.store.action_executions import ActionExecution
from hookline.store.database import Database
from hookline.store.nodes import Node

DONE = ActionResult("done")
FAILED = ActionError("no")


class TestNode:
    """Takes what is to be run, as the node of a new instance."""

    __test__ = False

    def __init__(self, database: Database, *labels: str) -> None:
        self.instance = new_id()
        self._database = database
        self._labels = labels or (DEFAULT_LABEL,)
        with database.write() as connection:
            nodes.put(connection, Node(self.instance, self.instance, "0", self._labels))

    def take(self, limit: int = 10) -> dict[str, ActionExecution]:
        """What the node gets now, by the names of their actions."""
        tasks = take(self._database, self.instance, self._labels, limit)
        found = {task.action_name: task for task in tasks}
        assert len(found) == len(tasks)
        return found

    def take_one(self) -> ActionExecution:
        """The only one that there is."""
        [task] = self.take().values()
        return task

    def finish(self, task: ActionExecution, outcome: Outcome = DONE) -> bool:
        """Report an outcome; whether it counts."""
        with self._database.write() as connection:
            return finish(connection, task, outcome)

    def lose(self, *once_only: str) -> int:
        """Take the node for lost; how many actions it ran."""
        return release_lost(self._database, [self.instance], once_only)
