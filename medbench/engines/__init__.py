"""Engines: where work over many volumes is done. Each is a ``concurrent.futures.Executor``."""
