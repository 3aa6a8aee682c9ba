from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from hookline import store
from hookline.errors import SettingsError, StoreUnavailableError
from hookline.model import SourceRevision, new_id
from hookline.store import executions
from hookline.store.database import SCHEMA_VERSION, Database
from hookline.store.tables import metadata
from support import sqlite
from support.postgres import Cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite.address(tmp_path / "hookline.db")
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.create_empty_database()


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    def is_ours(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or name in metadata.tables

    with database.read() as connection:
        options = {"compare_type": True, "include_name": is_ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        names = set(inspect(connection).get_table_names())
        version = connection.execute(
            text("SELECT version_num FROM hookline_schema_version")
        ).scalar()
    assert names == {*metadata.tables, "hookline_schema_version"}
    assert version == SCHEMA_VERSION


def test_indexes_and_unique_constraints_are_those_of_the_tables(database: Database) -> None:
    with database.read() as connection:
        for table in metadata.sorted_tables:
            found = {
                str(index["name"]): bool(index["unique"])
                for index in inspect(connection).get_indexes(table.name)
                if not index.get("duplicates_constraint")
            }
            declared = {str(index.name): bool(index.unique) for index in table.indexes}
            assert found == declared, table.name


def test_migrating_again_changes_nothing(database: Database) -> None:
    database.migrate()


def test_several_processes_may_migrate_at_once(empty_database_url: str) -> None:
    def migrate(_: int) -> None:
        database = Database(empty_database_url)
        try:
            database.migrate()
        finally:
            database.close()

    migrate(0)  # Alembic keeps module state: threads of one process may only meet at the end
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, range(4)))


def test_a_transaction_that_fails_writes_nothing(database: Database) -> None:
    insert = text("INSERT INTO hookline_tags (arn, key, value) VALUES ('a', 'k', 'v')")

    def write_and_fail() -> None:
        with database.write() as connection:
            connection.execute(insert)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM hookline_tags")).scalar() == 0


@pytest.mark.parametrize("address", ["", "nonsense", "mysql://u:hidden@h/d"])
def test_an_address_of_another_database_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Database(address)
    assert "hidden" not in caught.value.message


def test_a_database_that_does_not_answer_is_unavailable() -> None:
    database = Database("postgresql://u:hidden@127.0.0.1:1/d")
    for call in (database.migrate, lambda: database.read().__enter__()):
        with pytest.raises(StoreUnavailableError) as caught:
            call()
        assert "hidden" not in caught.value.message
    database.close()


def test_executions_of_an_earlier_schema_are_found_by_their_revision(
    empty_database_url: str,
) -> None:
    database = Database(empty_database_url)
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    revision = SourceRevision("App-Ü", "sha256:\u2028é\n\x7f")
    row = {"action_name": revision.action_name, "revision_id": revision.revision_id}
    values = {
        "id": new_id(),
        "pipeline_id": 7,
        "pipeline_version": 1,
        "status": "Succeeded",
        "mode": "QUEUED",
        "trigger_type": "",
        "trigger_detail": "",
        "source_revisions": orjson.dumps([row]).decode(),
        "stage_name": "Source",
        "in_stage": False,
        "started_at": 1.0,
        "updated_at": 1.0,
    }
    marks = ", ".join(f":{name}" for name in values)
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        insert = f"INSERT INTO hookline_executions ({', '.join(values)}) VALUES ({marks})"  # noqa: S608 - our own names
        connection.execute(text(insert), values)
    database.migrate()
    with database.read() as connection:
        found = executions.find_by_revision(connection, 7, revision)
        assert found is not None
        assert found.id == values["id"]
        assert executions.find_by_revision(connection, 8, revision) is None
    database.close()
