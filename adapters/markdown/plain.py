"""Text without marks, for pipes and for terminals without colour. There is no limit, so nothing is split."""

from __future__ import annotations

from adapters.markdown.layout import Layout


def render(markdown: str) -> str:
    """Code stands as it is, tables are aligned, links show their address."""
    return Layout(markdown).run().strip("\n")
