"""`setup` writes answers into `.env` so that they are read back as they were given, and harms nothing else in it."""

from __future__ import annotations

import io
import stat
from pathlib import Path

from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from bot.setup import QUESTIONS, Question, merged, write_private

LINE = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\x85"), max_size=40)


def read(text: str) -> dict[str, str | None]:
    return dict(dotenv_values(stream=io.StringIO(text), interpolate=False))


@given(LINE)
def test_any_answer_is_read_back_as_it_was_given(answer: str) -> None:
    text = merged("# mine\nOTHER=1\n", {"SYSTEM_PROMPT": answer})
    assert read(text) == {"OTHER": "1", "SYSTEM_PROMPT": answer}


def test_answers_stand_where_the_variable_stood_and_the_rest_stays() -> None:
    before = "# comment\nOPENAI_MODEL=old\nexport BOT_NAME = x\n\nOTHER='a b'\n"
    after = merged(before, {"OPENAI_MODEL": "new", "BOT_NAME": "Ann", "TELEGRAM_BOT_TOKEN": "1:x"})
    assert after == "# comment\nOPENAI_MODEL=new\nBOT_NAME=Ann\n\nOTHER='a b'\nTELEGRAM_BOT_TOKEN=1:x\n"


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("OLD=1\n", "utf-8")
    path.chmod(0o644)
    write_private(path, "NEW=1\n")
    assert path.read_text("utf-8") == "NEW=1\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == [".env"]


def test_a_wrong_answer_is_refused_at_once_and_one_that_needs_company_is_not() -> None:
    by_name = {question.variable: question for question in QUESTIONS}
    assert "http://" in (by_name["OPENAI_BASE_URL"].refusal("localhost") or "")
    assert by_name["OPENAI_BASE_URL"].refusal("http://localhost:11434/v1") is None
    assert by_name["SLACK_BOT_TOKEN"].refusal("xoxb-1") is None
    assert Question("BOT_NAME", "Name").refusal("a\nEVIL=1") is not None
