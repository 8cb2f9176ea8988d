"""Who may talk to the bot: what the operator decided, and who waits with a code. Nothing was ever kept there before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from adapters.stores.sql.schema import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("access_grants")
    op.create_table(
        "access_grants",
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("changed_at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("platform", "workspace_id", "external_id", name=op.f("pk_access_grants")),
    )
