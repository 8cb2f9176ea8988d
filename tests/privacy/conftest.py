from __future__ import annotations

from pathlib import Path

import pytest

from adapters.memory.embedder import OnnxEmbedder
from adapters.stores.migrations import upgrade
from tests.privacy.homes import Home


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database to copy."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(params=["sealed", "plain"])
def home(request: pytest.FixtureRequest, tmp_path: Path, template: Path, embedder: OnnxEmbedder) -> Home:
    return Home(tmp_path, template, embedder, sealed=request.param == "sealed")
