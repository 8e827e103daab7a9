"""The one `metadata` of the database. `load_all()` imports every table module; migrations compare against it."""

import importlib

from sqlalchemy import MetaData

# Names for constraints, so that a migration can find them on every database.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

TABLE_MODULES = (
    "server.db.tables_core",
    "server.db.tables_delivery",
    "server.db.tables_devices",
    "server.db.tables_auth",
    "server.db.tables_alarms",
    "server.db.tables_commands",
    "server.db.tables_metering",
    "server.db.tables_tools",
    "server.db.tables_pictures",
    "server.db.tables_configs",
)


def load_all() -> MetaData:
    """Return the metadata with every table of the product in it."""
    for name in TABLE_MODULES:
        importlib.import_module(name)
    return metadata
