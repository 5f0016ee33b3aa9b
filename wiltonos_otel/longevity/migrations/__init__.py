"""The history of the diary's tables, for alembic."""
