"""The leaderboard: runs compared with each other; the store of results and the ranking are not built yet."""
