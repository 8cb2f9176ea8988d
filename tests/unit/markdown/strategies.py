"""Texts as a model, a person or a vandal may write them."""

from __future__ import annotations

from hypothesis import strategies as st

WORDS = st.integers(0, 999).map(lambda n: f"w{n}")

# `zz` is the only language, and no word has a z: what a reopened fence adds can be told apart.
MARKS = st.sampled_from(
    [
        " ",
        " ",
        "\n",
        "\n\n",
        "\n- ",
        "\n  - ",
        "\n1. ",
        "\n7) ",
        "\n> ",
        "\n>> ",
        "\n# ",
        "\n#### ",
        "\n---\n",
        "\n***\n",
        "\n```zz\n",
        "\n```\n",
        "\n    ",
        "\n| ",
        " | ",
        " |\n",
        "\n|---|---|\n",
        "*",
        "**",
        "_",
        "__",
        "~~",
        "||",
        "`",
        "``",
        "[",
        "](",
        ")",
        "![",
        "](https://h.example/p)",
        "<div>",
        "</b>",
        "<!--",
        "https://h.example/__a__b_c*d* ",
        "<https://h.example>",
        "@everyone ",
        "@here ",
        " @w1 ",
        "<@123>",
        "<@U123>",
        "<!channel>",
        "\\",
        "&amp;",
        "🦊",
        "👩‍👩‍👧‍👦",
        "مرحبا ",
        "é",
        "世界。",
        "\t",
        "\r\n",
        ". ",
        "! ",
    ]
)

documents = st.lists(MARKS | WORDS, max_size=60).map("".join)
anything = st.text(st.characters(codec="utf-8"), max_size=400) | st.text(
    "`*_~|[]()<>!#-+>&;:\\ \n\taé1.@/", max_size=400
)
texts = documents | anything
