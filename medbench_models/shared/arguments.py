"""What the command lines of converters share."""

from __future__ import annotations


def triple(number: type[int] | type[float]) -> object:
    """Return a parser of three numbers, written like ``512x512x256``, for argparse."""

    def parse(text: str) -> tuple[float, ...]:
        values = tuple(number(part) for part in text.lower().split("x"))
        if len(values) != 3:
            raise ValueError(text)
        return values

    parse.__name__ = "XxYxZ"  # argparse names the type in its message
    return parse
