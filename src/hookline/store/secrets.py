"""Whether the database holds anything that is encrypted under the master key."""

from sqlalchemy import Connection, select

from hookline.store.tables import credentials, pipeline_versions, webhooks

# A version of a pipeline may hold an OAuth token; the others always hold a secret.
_TABLES = (credentials, webhooks, pipeline_versions)


def may_exist(connection: Connection) -> bool:
    """Whether a row exists that can hold a secret."""
    return any(connection.execute(select(table).limit(1)).first() for table in _TABLES)
