"""Write the expected files anew."""

from __future__ import annotations

from tests.golden.render import cases, expected_file, shown


def main() -> None:
    for dialect, source in cases():
        file = expected_file(dialect, source)
        file.parent.mkdir(exist_ok=True)
        file.write_text(shown(dialect, source), "utf-8")


main()
