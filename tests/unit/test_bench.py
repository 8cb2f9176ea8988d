"""`make bench`: one report of all that was measured, also when a part of it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

import bench.__main__ as bench
from bench.table import Row, cells, percentile

GOOD = """
from bench.table import Row, publish
publish([Row("speed", 3.0, "ms", 5.0, 6.0, "a plainer way", plot="Speed against people", x=1),
         Row("answers", 80.0, "%", 95.0, at_least=True)], "python -m good")
"""
BAD = """
from bench.table import Row, publish
publish([Row("weight", 1.0, "MB")], "python -m bad")
raise SystemExit(3)
"""
SLOW = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("child", "w").write(str(child.pid))
time.sleep(600)
"""


@pytest.mark.long
def test_a_benchmark_that_fails_or_hangs_loses_no_other_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, code in (("bad", BAD), ("slow", SLOW), ("good", GOOD)):
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setattr(bench, "BENCHMARKS", (("Bad", ("bad",)), ("Slow", ("slow",)), ("Good", ("good",))))
    monkeypatch.setattr(bench, "LONGEST", 10)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path.cwd()}")
    monkeypatch.chdir(tmp_path)
    assert bench.main(["--quick"], tmp_path) == 1
    told = (tmp_path / "report.md").read_text()
    assert "| speed | 3.00 ms | ≤ 5 ms ✓ | 6.00 ms (a plainer way) | 0.50 | `python -m good` |" in told
    assert "| answers | 80.00 % | ≥ 95 % ✗ |  |  | `python -m good` |" in told
    assert "| weight | 1.00 MB |  |  |  | `python -m bad` |" in told
    assert "Goals met in this run: 1 of 2. Missed: answers." in told
    assert "Not measured to the end: Bad (ended with 3); Slow (took more than 10 s)." in told
    assert (tmp_path / "speed-against-people.svg").exists()
    assert "All of it took 0." in capfd.readouterr().out
    started = Path(f"/proc/{(tmp_path / 'child').read_text()}/cmdline")
    assert not (started.exists() and started.read_bytes())  # what a benchmark started ends with it


def test_a_row_is_met_only_when_its_bound_and_its_ratio_are() -> None:
    assert Row("a", 4.0, "ms", 5.0, 10.0, "x", ratio_goal=0.5).met
    assert not Row("a", 6.0, "ms", 5.0, 100.0, "x", ratio_goal=0.5).met
    assert not Row("a", 4.0, "ms", 5.0, 6.0, "x", ratio_goal=0.5).met
    assert Row("a", 96.0, "%", 95.0, at_least=True).met
    assert not Row("a", 94.0, "%", 95.0, at_least=True).met
    assert Row("a", 1.0, "ms").met
    assert cells(Row("a", 1.0, "ms"))[2] == ""
    assert cells(Row("a", 1.0, "ms", 40_000.0))[2] == "≤ 40,000 ms ✓"
    assert cells(Row("a", 1.0, "%", 90.5532, at_least=True, ratio_goal=0.2))[2] == "≥ 90.55 %, ≥ 0.2 × control ✗"
    assert cells(Row("a", 0.0, "", 0.0))[2] == "≤ 0 ✓"
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.95) == 3.0
