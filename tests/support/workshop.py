"""What an action is given, in one temporary folder: a real store, and a log in a file."""

import itertools
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hookline.actions import provider_for
from hookline.actions.archives import Bounds
from hookline.actions.artifacts import ArtifactStore
from hookline.actions.mirrors import Mirrors
from hookline.actions.provider import ActionContext, ActionResult, ActionSettings, Artifact
from hookline.model import Action, ActionType, OutputArtifact, new_id
from hookline.runners import Runner, Sandbox
from hookline.runners.containers import Containers

BOUNDS = Bounds(1_000_000_000)
COMMANDS = ActionType("Compute", "AWS", "Commands", "1")


@dataclass(frozen=True)
class KeptLog:
    """The log of an action in a file, which outlasts the process that writes it."""

    file: Path

    @property
    def data(self) -> bytes:
        return self.file.read_bytes() if self.file.exists() else b""

    @property
    def length(self) -> int:
        return len(self.data)

    def append(self, data: bytes) -> None:
        with self.file.open("ab") as file:
            file.write(data)


@dataclass
class Workshop:
    """Makes contexts in one temporary folder, and reads what actions left there."""

    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    pid_namespaces: bool = True
    runner: Runner = Runner.HOST
    containers: Containers = field(default_factory=Containers)

    @property
    def store(self) -> ArtifactStore:
        return ArtifactStore(str(self.folder / "artifacts"))

    @property
    def kept(self) -> KeptLog:
        return KeptLog(self.folder / "log")

    @property
    def log(self) -> str:
        return self.kept.data.decode(errors="replace")

    def context(self, action: Action, **changes: Any) -> ActionContext:
        settings = ActionSettings(
            github_url=changes.pop("github_url", f"file://{self.folder}/repositories"),
            time_limit=changes.pop("time_limit", 20.0),
            max_log=changes.pop("max_log", 1_000_000),
            max_artifact=changes.pop("max_artifact", BOUNDS.max_bytes),
            pid_namespaces=self.pid_namespaces,
            runner=self.runner,
            containers=self.containers,
            sandbox=changes.pop("sandbox", Sandbox()),
            limits=changes.pop("limits", {}),
        )
        given: dict[str, Any] = {
            "attempt": 1,
            "action_execution_id": new_id(),
            "execution_id": "execution",
            "pipeline_name": "release",
            "pipeline_id": 1,
            "stage_name": "Stage",
            "action": action,
            "region": "eu-west-1",
            "source_revision": None,
            "inputs": (),
            "artifacts": self.store,
            "folder": self.folder / "work",
            "log": self.kept,
            "settings": settings,
            "stop": self.stop,
            "mirrors": Mirrors(self.folder / "mirrors", b"key", 1_000_000_000),
        }
        return ActionContext(**given | changes)

    def run(self, action: Action, **changes: Any) -> ActionResult:
        result = provider_for(action.type).run(self.context(action, **changes))
        assert isinstance(result, ActionResult)
        return result

    def commands(self, *commands: str, files: tuple[str, ...] = (), **changes: Any) -> ActionResult:
        action = Action(
            "Compile",
            COMMANDS,
            commands=commands,
            output_artifacts=(OutputArtifact("Made", files),) if files else (),
            environment=changes.pop("environment", ()),
            timeout_minutes=changes.pop("timeout_minutes", None),
            output_variables=changes.pop("output_variables", ()),
        )
        return self.run(action, **changes)

    def artifact(self, name: str, files: dict[str, str]) -> Artifact:
        """An artifact in the store that has `files`."""
        source = self.folder / f"input-{next(self.numbers)}"
        for path, text in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(text)
        self.store.pack(f"inputs/{name}", source, bounds=BOUNDS)
        return Artifact(name, f"inputs/{name}")

    def unpacked(self, artifact: Artifact) -> Path:
        folder = self.folder / f"unpacked-{next(self.numbers)}"
        self.store.unpack(artifact.key, folder, bounds=BOUNDS)
        return folder
