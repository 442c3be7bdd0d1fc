"""Inputs of which only a part is shown."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Inputs that are there are shown whole."""
    op.add_column("inputs", sa.Column("start", sa.Float()))
    op.add_column("inputs", sa.Column("end", sa.Float()))
