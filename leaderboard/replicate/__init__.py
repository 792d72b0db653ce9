"""A paper's tables and figures made again, each beside what the paper reports."""
