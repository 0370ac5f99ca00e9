"""What was found as pandas frames, means over seeds, figures about the database, and files."""
