"""`hookline nodes`: the machines that run actions, and what each runs."""

from rich.table import Table

from hookline.commands.opening import open_database
from hookline.commands.output import cell, console, moment
from hookline.executions.nodes import living
from hookline.store import action_executions, nodes
from hookline.store.action_executions import ActionExecution


def show_nodes() -> None:
    """List the nodes of the database, whether they are alive, and the actions they run."""
    with open_database().read() as connection:
        found = nodes.all_of(connection)
        alive = living(connection)
        running = {
            node.instance: action_executions.owned(connection, node.instance) for node in found
        }
    if not found:
        console().print("No node is at work. Start one with `hookline serve`.")
        return
    table = Table("node", "state", "labels", "version", "started", "last sign of life", "runs")
    for node in found:
        table.add_row(
            cell(node.name),
            cell("alive") if node.instance in alive else cell("lost", "bold red"),
            cell(", ".join(node.labels)),
            cell(node.version),
            cell(moment(node.started_at)),
            cell(moment(node.beat_at)),
            cell(_running(running[node.instance])),
        )
    console().print(table)


def _running(items: list[ActionExecution]) -> str:
    return "\n".join(
        f"{item.stage_name} / {item.action_name} of {item.execution_id}" for item in items
    )
