"""Alembic migrations of the store, packaged so that any install can bring an older database up to date."""
