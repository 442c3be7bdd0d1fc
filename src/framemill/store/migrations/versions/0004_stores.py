"""Sources and targets in stores that take credentials; several targets of an output."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

_PICTURES_IN_FOLDERS = {"thumbnails", "storyboard"}


def upgrade() -> None:
    """What is there takes no credentials; its one target becomes the first of several."""
    op.add_column("inputs", sa.Column("credentials", sa.String(100)))
    op.add_column("inputs", sa.Column("sealed_access", sa.Text()))
    with op.batch_alter_table("inputs") as inputs:
        inputs.add_column(sa.Column("trusted", sa.Boolean()))
    op.add_column("deliveries", sa.Column("target", sa.Integer()))
    with op.batch_alter_table("outputs") as outputs:
        outputs.add_column(sa.Column("targets", JSON))
        outputs.add_column(sa.Column("stays", sa.Boolean()))
        outputs.add_column(sa.Column("trusted", sa.Boolean()))
    _move_targets()
    _trust_nobody()
    with op.batch_alter_table("outputs") as outputs:
        outputs.alter_column("targets", existing_type=JSON, nullable=False)
        outputs.alter_column("stays", existing_type=sa.Boolean(), nullable=False)
        outputs.alter_column("trusted", existing_type=sa.Boolean(), nullable=False)
        outputs.drop_column("target")
        outputs.drop_column("sealed_target")


def _move_targets() -> None:
    conn = op.get_bind()
    outputs = sa.table("outputs", *(sa.column(name) for name in ("id", "target", "sealed_target", "stays")),
                       sa.column("settings", JSON), sa.column("targets", JSON))  # fmt: skip
    deliveries = sa.table("deliveries", *(sa.column(name) for name in ("output_id", "path", "uri", "target")))
    targeted = outputs.c.target.is_not(None)
    conn.execute(sa.update(outputs).where(~targeted).values(targets=[], stays=True))
    for row in conn.execute(sa.select(outputs).where(targeted)).mappings().all():
        target = {"uri": row["target"], "sealed_uri": row["sealed_target"]}
        conn.execute(sa.update(outputs).where(outputs.c.id == row["id"]).values(targets=[target], stays=False))
        # A delivery's address is that of its file by now, and not of the folder that the file is in.
        uri = deliveries.c.uri + "/" + deliveries.c.path if _is_folder(row["settings"]) else deliveries.c.uri
        conn.execute(sa.update(deliveries).where(deliveries.c.output_id == row["id"]).values(target=0, uri=uri))


def _trust_nobody() -> None:
    for name in ("inputs", "outputs"):
        table = sa.table(name, sa.column("trusted"))
        op.get_bind().execute(sa.update(table).values(trusted=False))
    with op.batch_alter_table("inputs") as inputs:
        inputs.alter_column("trusted", existing_type=sa.Boolean(), nullable=False)


def _is_folder(settings: dict[str, object]) -> bool:
    """Whether the output is one of several files."""
    if settings.get("container") == "package":
        return True
    return settings.get("picture") in _PICTURES_IN_FOLDERS and not settings.get("archive")
