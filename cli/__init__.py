"""The ``medbench`` command: parse, call, print. Whatever a script would want lives in ``medbench``."""
