"""The command line: which commands there are, and where each is implemented."""

import sys
from importlib import import_module
from typing import Any

import typer.main
from typer.core import TyperCommand, TyperGroup

from hookline.errors import HooklineError
from hookline.terminal import printable

_COMMANDS = {
    "serve": (
        "commands.server:serve",
        "Run the server: trigger URLs, the API and the engine, until SIGINT or SIGTERM.",
    ),
    "settings": (
        "commands.server:show_settings",
        "Show each setting with its source, value, default and meaning; secrets are masked.",
    ),
    "demo": (
        "demo:demo",
        "Show the whole of it in a temporary folder: a signed push that runs a pipeline.",
    ),
    "send": (
        "commands.send:send",
        "Sign an event and send it as GitHub does; without a secret it goes unsigned.",
    ),
    "try": (
        "commands.try_filters:try_filters",
        "Tell whether an event passes filters, and why; nothing is recorded or started.",
    ),
    "logs": (
        "commands.action_logs:show_logs",
        "Print the logs of an execution's actions and rules, in the order in which they began.",
    ),
    "nodes": (
        "commands.nodes:show_nodes",
        "List the nodes of the database, whether they are alive, and the actions they run.",
    ),
    "doctor": (
        "commands.doctor:doctor",
        "Say whether this machine can run what the settings ask for, and what to do if it can't.",
    ),
    "build": (
        "commands.build:build",
        "Run the buildspec of a folder on this machine, as an action of CodeBuild would.",
    ),
    "apply": (
        "commands.apply:apply",
        "Create or change pipelines, webhooks, projects and action types as files say.",
    ),
    "export": (
        "commands.export:export",
        "Write pipelines, webhooks, projects and action types, as `hookline apply` takes them.",
    ),
    "import-aws": (
        "commands.import_aws:import_aws",
        "Read pipelines, webhooks, projects and action types from AWS and apply them to Hookline.",
    ),
    "credentials": ("commands.credentials:app", "Access keys of the API."),
    "deliveries": (
        "commands.deliveries:app",
        "What has come in, why it got its verdict, and once more.",
    ),
}
"""Each command's `module:function` (or `module:app` of a group), and its line of `--help`."""


class LazyGroup(TyperGroup):
    """Lists commands by their lines of help, and imports only the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        commands = [TyperCommand(name, help=line) for name, (_, line) in _COMMANDS.items()]
        super().__init__(commands=commands, **attributes)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the arguments name, imported, with the rest of the arguments."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and load(name), rest


def load(name: Any) -> Any:
    """The command of that name, with its options or its own commands."""
    module, _, attribute = _COMMANDS[name][0].partition(":")
    found = getattr(import_module(f"hookline.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        command, found = found, typer.Typer(add_completion=False)
        found.command(name)(command)
    return typer.main.get_command(found)


app = LazyGroup(
    name="hookline", help="AWS CodePipeline's webhooks, self-hosted.", no_args_is_help=True
)


def main() -> None:
    """Run the command line; an error on purpose is one line and exit status 2."""
    try:
        app()
    except HooklineError as error:
        lines = map(printable, error.message.splitlines())
        print("hookline:", "\n".join(lines), file=sys.stderr)  # noqa: T201 - a person reads it
        sys.exit(2)


if __name__ == "__main__":
    main()
