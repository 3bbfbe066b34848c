"""What a mail is about, where what follows within a minute is gathered into it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mail", sa.Column("about", sa.String(length=64), nullable=False, server_default=""))
    op.create_index("ix_mail_about", "mail", ["about"])


def downgrade() -> None:
    op.drop_index("ix_mail_about", table_name="mail")
    op.drop_column("mail", "about")
