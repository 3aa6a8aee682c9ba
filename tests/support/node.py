"""A node without an engine: it takes actions, and the test says how they end."""

from hookline.actions.provider import ActionResult
from hookline.errors import ActionError
from hookline.executions.finish import Outcome, finish
from hookline.executions.take import Task, take
from hookline.model import DEFAULT_LABEL, new_id
from hookline.sealing import Seal
from hookline.store import nodes
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

    def take(self, limit: int = 10) -> dict[str, Task]:
        """The tasks that the node gets now, by the names of their actions."""
        tasks = take(self._database, Seal([b"k" * 32]), self.instance, self._labels, limit)
        found = {task.held.action_name: task for task in tasks}
        assert len(found) == len(tasks)
        return found

    def take_one(self) -> Task:
        """The only task that there is."""
        [task] = self.take().values()
        return task

    def finish(self, task: Task, outcome: Outcome = DONE) -> bool:
        """Report an outcome; whether it counts."""
        with self._database.write() as connection:
            return finish(connection, task.held, outcome)
