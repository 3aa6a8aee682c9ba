"""The command line."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hookline import config
from hookline.commands import (
    action_logs,
    apply,
    build,
    credentials,
    deliveries,
    doctor,
    export,
    import_aws,
    nodes,
    send,
    try_filters,
)
from hookline.errors import HooklineError
from hookline.logs import printable

app = typer.Typer(
    name="hookline",
    help="AWS CodePipeline's webhooks, self-hosted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_out = Console(highlight=False)


@app.command()
def serve(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the database, keys and artifacts.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="HTTP worker processes.")] = 1,
    no_verify_credentials: Annotated[
        bool,
        typer.Option(
            "--no-verify-credentials",
            help="Accept API calls with any access key. Only on a loopback address.",
        ),
    ] = False,
) -> None:
    """Run the server: trigger URLs, the API and the engine, until SIGINT or SIGTERM."""
    options = {
        "DATA_DIR": data_dir,
        "HOST": host,
        "PORT": port,
        "VERIFY_CREDENTIALS": "false" if no_verify_credentials else None,
    }
    for name, value in options.items():
        # The processes that serve starts read their settings from the environment, too.
        if value is not None:
            os.environ[f"HOOKLINE_{name}"] = str(value)
    config.load()
    # The supervisor lives as long as the server: it goes on without what a command line loads.
    os.execv(sys.executable, [sys.executable, "-m", "hookline.serve", str(workers)])  # noqa: S606 - our own interpreter and module


@app.command("settings")
def show_settings() -> None:
    """Show each setting with its source, value, default and meaning; secrets are masked."""
    table = Table("setting", "value", "source", "default", "meaning")
    for row in config.described():
        table.add_row(*row)
    _out.print(table)


@app.command()
def demo() -> None:
    """Show the whole of it in a temporary folder: a signed push that runs a pipeline."""
    from hookline.demo import run  # noqa: PLC0415 - other commands don't need boto3

    raise typer.Exit(run(_out))


app.add_typer(credentials.app, name="credentials")
app.add_typer(deliveries.app, name="deliveries")
app.command("send")(send.send)
app.command("try")(try_filters.try_filters)
app.command("logs")(action_logs.show_logs)
app.command("nodes")(nodes.show_nodes)
app.command("doctor")(doctor.doctor)
app.command("build")(build.build)
app.command("apply")(apply.apply)
app.command("export")(export.export)
app.command("import-aws")(import_aws.import_aws)


def main() -> None:
    """Run the command line; an error on purpose is one line and exit status 2."""
    try:
        app(standalone_mode=True)
    except HooklineError as error:
        lines = map(printable, error.message.splitlines())
        print("hookline:", "\n".join(lines), file=sys.stderr)  # noqa: T201 - a person reads it
        sys.exit(2)


if __name__ == "__main__":
    main()
