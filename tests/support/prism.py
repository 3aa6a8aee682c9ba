"""GitHub's own description of its API, served by Prism, which checks what it is asked."""

import json
import socket
import subprocess
from pathlib import Path
from typing import Any, Self

from .ports import free_port
from .programs import program
from .server import until

_MODULES = Path(__file__).parents[1] / "node" / "node_modules"
_PRISM = _MODULES / "@stoplight" / "prism-cli" / "dist" / "index.js"
_DESCRIPTION = _MODULES / "@octokit" / "openapi" / "generated" / "api.github.com.json"
_HOOKS = "/repos/{owner}/{repo}/hooks"


def hooks_description() -> dict[str, Any]:
    """The part of GitHub's description that is about a repository's hooks."""
    whole = json.loads(_DESCRIPTION.read_text())
    trimmed: dict[str, Any] = {
        "openapi": whole["openapi"],
        "info": whole["info"],
        "servers": whole["servers"],
        "paths": {path: item for path, item in whole["paths"].items() if path.startswith(_HOOKS)},
        "components": {},
    }
    waiting = _references(trimmed["paths"])
    while waiting:
        kind, name = waiting.pop().split("/")[2:]
        kept = trimmed["components"].setdefault(kind, {})
        if name not in kept:
            kept[name] = whole["components"][kind][name]
            waiting += _references(kept[name])
    return trimmed


def _references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for item in node for found in _references(item)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for item in node.values() for found in _references(item)]


class Prism:
    """Answers as the description's examples do; what does not fit the description is an error."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def __enter__(self) -> Self:
        description, log = self._folder / "hooks.json", self._folder / "prism.log"
        description.write_text(json.dumps(hooks_description()))
        command = [program("node"), str(_PRISM), "mock", "--errors", "--host", "127.0.0.1"]
        with log.open("wb") as output:
            self._process = process = subprocess.Popen(
                [*command, "--port", str(self.port), str(description)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        until(lambda: listens() or process.poll() is not None, 60)
        assert process.poll() is None, log.read_text(errors="replace")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
