"""`hookline serve` and `hookline settings`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hookline import config


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


def show_settings() -> None:
    """Show each setting with its source, value, default and meaning; secrets are masked."""
    table = Table("setting", "value", "source", "default", "meaning")
    for row in config.described():
        table.add_row(*row)
    Console(highlight=False).print(table)
