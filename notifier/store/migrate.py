"""Brings a database to the tables of this program, and refuses one of a newer program."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Connection, cast, func, select

from notifier.errors import StoreError
from wiltonos_service.logs import quiet

# alembic tells the name of the dialect at every start
quiet(("alembic",))
# two replicas that start together must not both make the tables
_LOCK = 8_391_162_080_512_172_398


def migrate(connection: Connection) -> None:
    """Apply what is missing, inside the caller's transaction.

    Raises:
        StoreError: a newer program has migrated the database.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(cast(_LOCK, BigInteger))))
    config = Config()
    config.set_main_option("script_location", str(files("notifier.store").joinpath("migrations")))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {each.revision for each in scripts.walk_revisions()}:
        raise StoreError(
            f"the database was made by a newer notifier (revision {current}); "
            "upgrade this one, or set another [notifier] database"
        )
    if current != scripts.get_current_head():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
