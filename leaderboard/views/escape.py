"""Names from results as text of a format: nothing in a name may become markup, a command or a control code."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

_CONTROLS: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]|~$#])")
_LATEX: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",  # a straight one is in no font that LaTeX begins with
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def plain(text: str) -> str:
    r"""Return a name on one line: control codes, line breaks and what turns the writing direction become �.

    Example:
        >>> plain("a\x1b[31mb\nc")
        'a�[31mb�c'
    """
    return "".join("�" if unicodedata.category(sign) in _CONTROLS else sign for sign in text)


def markdown(text: str) -> str:
    r"""Return a name as text within a Markdown table.

    Example:
        >>> print(markdown("a|b <i>"))
        a\|b &lt;i&gt;
    """
    return _MARKDOWN.sub(r"\\\1", html.escape(plain(text), quote=False))


def latex(text: str) -> str:
    r"""Return a name as text of LaTeX.

    Example:
        >>> print(latex("50 %_a"))
        50 \%\_a
    """
    return "".join(_LATEX.get(sign, sign) for sign in plain(text))
