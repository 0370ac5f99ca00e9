"""Results of others, and copies to other databases: the published tables, CSV, JSON, another store."""
