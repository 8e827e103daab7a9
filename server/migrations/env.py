"""Alembic's entry: runs on the connection that `server.db.migrate` hands over, in its transaction."""

from alembic import context
from sqlalchemy.types import TypeDecorator

from server.db.schema import load_all


def render_item(kind: str, item: object, _context: object) -> object:
    # A migration must not change when our column types do: write the type that the database sees.
    if kind == "type" and isinstance(item, TypeDecorator):
        impl = item.impl_instance if hasattr(item, "impl_instance") else item.impl
        return f"sa.{type(impl).__name__}()"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=load_all(),
    render_as_batch=True,
    render_item=render_item,
    compare_type=True,
    transaction_per_migration=False,
)
context.run_migrations()
