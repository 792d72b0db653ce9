"""What a run leaves behind: its record, its results, its samples."""
