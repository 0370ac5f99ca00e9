"""The shared test kit: every store case runs on SQLite and on a real PostgreSQL."""
