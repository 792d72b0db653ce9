"""The leaderboard: results store, ranking and comparison. Its place; it is not built yet."""
