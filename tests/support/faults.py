"""Nodes on one database that are killed, frozen and revived at random while they work."""

import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import psutil

from hookline.store import action_executions

from .server import Server, until
from .tenant import Tenant, commands

_LAST_S = 180.0
# Longer than others take a silent node for alive.
_LOST_S = (22.0, 30.0)


@dataclass
class Tally:
    """What became of the executions that were answered: each must have ended once.

    `refused` starts were told to try again.
    """

    answered: int = 0
    refused: int = 0
    once: int = 0
    twice: list[str] = field(default_factory=list)
    never: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)


class Storm:
    """Starts executions through the first node, and hurts nodes meanwhile.

    Of the first node only the engine is hurt, so that it answers. The nodes log as JSON.
    """

    def __init__(self, nodes: Sequence[Server], tenant: Tenant, seed: int) -> None:
        self._nodes = nodes
        self._tenant = tenant
        self._dice = random.Random(seed)  # noqa: S311 - the same each time
        self._tally = Tally()
        self._frozen: dict[int, tuple[float, list[psutil.Process]]] = {}

    def blow(self, seconds: float) -> Tally:
        """Go on for so long, then wait until all executions have ended."""
        pipeline = self._tenant.pipeline(
            ("Build", commands("Make", "sleep 0.5"), commands("Test", "sleep 0.2")),
            ("Deploy", commands("Ship", "sleep 0.1")),
            executionMode="PARALLEL",
            pipelineType="V2",
        )
        started, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            started += self._started(pipeline)
            self._thaw(time.monotonic())
            self._hurt(self._dice.randrange(len(self._nodes)))
            time.sleep(self._dice.uniform(0.5, 3))
        self._thaw(float("inf"))
        self._count(pipeline, started)
        return self._tally

    def _started(self, pipeline: str) -> list[str]:
        """A new execution; none where the server says to try again, such as while a node froze."""
        client = self._tenant.client
        try:
            answer = client.start_pipeline_execution(name=pipeline)
        except client.exceptions.ClientError as error:
            if (
                error.response["ResponseMetadata"]["HTTPStatusCode"]
                != HTTPStatus.SERVICE_UNAVAILABLE
            ):
                raise
            self._tally.refused += 1
            return []
        return [answer["pipelineExecutionId"]]

    def _hurt(self, number: int) -> None:
        if number in self._frozen:
            return
        node, draw = self._nodes[number], self._dice.random()
        if number > 0 and draw < 0.1:
            self._tally.faults["node killed"] += 1
            node.kill()
            node.start()
        elif number > 0 and draw < 0.2:
            self._tally.faults["node frozen until it was lost"] += 1
            self._freeze(number)
        else:
            for engine in node.children("engine"):
                with suppress(psutil.NoSuchProcess):
                    self._hurt_engine(engine)

    def _hurt_engine(self, engine: psutil.Process) -> None:
        if self._dice.random() < 0.5:
            self._tally.faults["engine killed"] += 1
            engine.kill()
            return
        self._tally.faults["engine frozen"] += 1
        engine.suspend()
        time.sleep(self._dice.uniform(0.1, 2))
        engine.resume()

    def _freeze(self, number: int) -> None:
        supervisor = psutil.Process(self._nodes[number].process.pid)
        # The supervisor first, as it would replace the others.
        supervisor.suspend()
        processes = [supervisor, *supervisor.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        self._frozen[number] = time.monotonic() + self._dice.uniform(*_LOST_S), processes

    def _thaw(self, now: float) -> None:
        for number, (due, processes) in list(self._frozen.items()):
            if due <= now:
                for process in processes:
                    with suppress(psutil.NoSuchProcess):
                        process.resume()
                del self._frozen[number]

    def _count(self, pipeline: str, started: Sequence[str]) -> None:
        def going_on() -> list[str]:
            statuses = {
                item["pipelineExecutionId"]: item["status"]
                for item in self._tenant.executions(pipeline)
            }
            return [item for item in started if statuses.get(item) != "Succeeded"]

        until(lambda: not going_on(), _LAST_S)
        self._tally.answered, self._tally.never = len(started), going_on()
        reported = self._reported()
        assert reported or not started, "the nodes' logs tell of no outcomes"
        self._tally.twice = [item for item in started if self._ended_twice(item, reported)]
        self._tally.once = len({*started} - {*self._tally.never, *self._tally.twice})

    def _ended_twice(self, execution_id: str, reported: Counter[tuple[str, str]]) -> bool:
        """Whether an action of an execution has two outcomes that counted, or went on twice."""
        with self._nodes[0].database.read() as connection:
            ran = action_executions.of_execution(connection, execution_id)
        names = Counter(item.action_name for item in ran)
        outcomes = (reported[execution_id, name] for name in names)
        return max(names.values()) > 1 or max(outcomes) > 1

    def _reported(self) -> Counter[tuple[str, str]]:
        """How many outcomes of each action have counted, by the logs of all nodes."""
        counted: Counter[tuple[str, str]] = Counter()
        for line in "\n".join(node.output for node in self._nodes).splitlines():
            # A line may be cut short where its process was killed.
            with suppress(ValueError):
                entry = json.loads(line)
                is_end = (entry.get("event"), entry.get("what")) == ("action recorded", "ended")
                if is_end and not entry["outcome"].startswith("not counted"):
                    counted[entry["execution"], entry["action"]] += 1
        return counted
