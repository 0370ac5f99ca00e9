"""From a URL to an open, migrated database."""
