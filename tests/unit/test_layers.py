"""What import-linter cannot say: core imports nothing but the standard library and pydantic."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

CORE = Path(__file__).parents[2] / "core"
ALLOWED = sys.stdlib_module_names | {"core", "pydantic"}


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "core"


def test_core_stands_on_the_standard_library_and_pydantic() -> None:
    modules = list(CORE.rglob("*.py"))
    assert len(modules) > 50
    strangers = {
        f"{path.relative_to(CORE)}: {name}"
        for path in modules
        for name in imported(path.read_text("utf-8"))
        if name.partition(".")[0] not in ALLOWED
    }
    assert strangers == set()


def test_a_stranger_would_be_seen() -> None:
    assert list(imported("import numpy as np\ndef late() -> None:\n    from httpx2 import get")) == ["numpy", "httpx2"]
