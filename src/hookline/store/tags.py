"""Tags of resources, by ARN."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, select

from hookline.store.tables import tags


def replace(connection: Connection, arn: str, values: Mapping[str, str]) -> None:
    """Give the resource exactly these tags."""
    connection.execute(delete(tags).where(tags.c.arn == arn))
    if values:
        rows = [{"arn": arn, "key": key, "value": value} for key, value in values.items()]
        connection.execute(tags.insert(), rows)


def of(connection: Connection, arns: Sequence[str]) -> dict[str, dict[str, str]]:
    """The tags of several resources by ARN, each in the order of its keys."""
    found: dict[str, dict[str, str]] = {arn: {} for arn in arns}
    query = select(tags).where(tags.c.arn.in_(arns)).order_by(tags.c.arn, tags.c.key)
    for row in connection.execute(query):
        found[row.arn][row.key] = row.value
    return found
