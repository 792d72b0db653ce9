"""Where rows live: SQLite or PostgreSQL, written by several programs at once."""
