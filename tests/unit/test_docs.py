"""The README is true: its commands, settings and files exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.settings import fields
from core.commands.registry import build_registry

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("command", [command.name for command in build_registry().visible])
def test_each_command_is_in_the_readme(command: str) -> None:
    assert f"`/{command}" in README


def test_each_command_of_the_readme_exists() -> None:
    known = {command.name for command in build_registry().commands}
    assert set(re.findall(r"`/([a-z]+)", README)) <= known


def test_each_setting_of_the_readme_exists() -> None:
    known = {name for _, name, _ in fields()}
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z0-9]+)+\b", README))
    assert named <= known, named - known


def test_each_file_that_the_readme_links_to_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


def test_each_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)", README)) <= targets


def test_each_dependency_says_why_it_is_there() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert block is not None
    names = re.findall(r'"([A-Za-z0-9.-]+)', block[1])
    page = (ROOT / "docs" / "dependencies.md").read_text().lower()
    missing = [name for name in names if name.lower().removesuffix("-binary") not in page]
    assert missing == []
