"""The list of troubles in this package's docstring names tests that are there."""

from __future__ import annotations

import ast
import re

import pytest

from tests import chaos
from tests.chaos import long
from tests.chaos.bot import ROOT

TROUBLES = re.findall(r"^- (.*?)(?=^- |^$|\Z)", chaos.__doc__ or "", re.MULTILINE | re.DOTALL)


def test_the_long_form_ends_within_forty_minutes_and_leaves_nothing_out() -> None:
    assert sum(case.minutes for case in long.CASES) <= 40
    named = [where for case in long.CASES for where in case.where if not where.startswith("--")]
    assert {where.partition("::")[0] for where in named} == {long.HERE, long.WALKS, *long.ALONE}
    assert all((ROOT / path).exists() for path in long.ALONE)


def test_the_list_is_read() -> None:
    assert len(TROUBLES) > 20


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda text: text.partition(":")[0])
def test_each_trouble_has_a_test(trouble: str) -> None:
    named = re.findall(r"(tests/\S+\.py)::(\w+)", trouble)
    assert named
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        assert name in {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
