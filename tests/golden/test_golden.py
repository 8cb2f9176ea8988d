"""Each text looks as the file says that a person has approved."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.render import DIALECTS, HERE, cases, expected_file, shown


@pytest.mark.parametrize(("dialect", "source"), list(cases()), ids=lambda value: getattr(value, "stem", value))
def test_it_looks_as_approved(dialect: str, source: Path) -> None:
    assert shown(dialect, source) == expected_file(dialect, source).read_text("utf-8")


def test_no_expected_file_is_left_over() -> None:
    expected = {expected_file(dialect, source) for dialect, source in cases()}
    assert {file for dialect in DIALECTS for file in (HERE / dialect).iterdir()} == expected
