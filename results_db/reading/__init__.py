"""What was found as pandas frames, means over seeds, facts about the database, and files."""
