"""What Alembic runs to walk the migrations: on the connection, and in the transaction, of whoever asked."""

from alembic import context

# SQLite changes a column by copying its table.
context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
