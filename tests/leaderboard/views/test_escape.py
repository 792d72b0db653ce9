import pytest

from leaderboard.views.escape import latex, markdown, plain

HOSTILE = "<script>alert(1)</script>\n\\input{x} $a_b$ | `c` \x1b[2J\u202e"


def test_a_name_stays_on_its_line_and_moves_no_cursor() -> None:
    told = plain(HOSTILE)
    assert not set(told) & {"\n", "\x1b", "\u202e"}
    assert plain("Med-LoRD (ds8), α") == "Med-LoRD (ds8), α"


@pytest.mark.parametrize("sign", ["<", ">", "|", "`", "$"])
def test_no_sign_of_markdown_survives_bare(sign: str) -> None:
    told = markdown(HOSTILE)
    assert all(told[place - 1] == "\\" for place in range(len(told)) if told[place] == sign)


def test_latex_reads_every_sign_as_text() -> None:
    assert latex("a\\b{c}_d^e&f#g%h~i$") == (
        r"a\textbackslash{}b\{c\}\_d\textasciicircum{}e\&f\#g\%h\textasciitilde{}i\$"
    )
