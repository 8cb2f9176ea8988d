"""docs/export.md and the exported document are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from core import export

PAGE = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
SECTIONS = {
    "Document": export.ExportDocument,
    "`person`": export.ExportedPerson,
    "`accounts`": export.ExportedAccount,
    "`profiles`": export.ExportedProfile,
    "Memories": export.ExportedMemory,
    "`sessions`": export.ExportedSession,
    "Messages": export.ExportedMessage,
    "`shares`": export.ExportedShare,
    "`usage_today`": export.ExportedUsage,
}


@pytest.mark.parametrize(("title", "model"), SECTIONS.items())
def test_every_field_is_described_and_none_else(title: str, model: type[BaseModel]) -> None:
    (section,) = [part for part in PAGE.split("\n## ") if part.startswith(title)]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(model.model_fields)
