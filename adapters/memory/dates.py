"""The time that a question names: "in March", "last week", "2024". Six languages; what is not understood is no time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_NAMES = """
    january januar enero janvier январь январе января
    february februar febrero février февраль феврале февраля
    march märz marzo mars март марте марта
    april abril avril апрель апреле апреля
    may mai mayo май мае мая
    june juni junio juin июнь июне июня
    july juli julio juillet июль июле июля
    august agosto août август августе августа
    september septiembre septembre сентябрь сентябре сентября
    october oktober octubre octobre октябрь октябре октября
    november noviembre novembre ноябрь ноябре ноября
    december dezember diciembre décembre декабрь декабре декабря"""
_MONTHS = {name: number for number, line in enumerate(_NAMES.strip().splitlines(), 1) for name in line.split()}
# "May I …" and "I march" are no months: these two count only behind a word that leads to one.
_AMBIGUOUS = re.compile(
    r"(?<!\bin )(?<!\bof )(?<!\bsince )(?<!\bearly )(?<!\blate )(?<!\bim )(?<!\bseit )(?<!\ben )(?<!\bde )(?<!\d )"
    r"(?<!\d\. )\b(?:may|march|mars|mai)\b"
)
_WORD = re.compile(r"[^\W\d_]+")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_HAN_MONTH = re.compile(r"(?<!\d)(1[0-2]|[1-9])月")

# Days back: from, to (both included).
_RELATIVE = (
    (0, 0, r"\btoday\b|\bheute\b|\bhoy\b|\baujourd'hui\b|\bсегодня\b|今天"),
    (1, 1, r"\byesterday\b|\bgestern\b|\bayer\b|\bhier\b|\bвчера\b|昨天"),
    (13, 4, r"\blast week\b|\bletzte woche\b|\bla semana pasada\b|\bla semaine dernière\b|\bна прошлой неделе\b|上周"),
    (6, 0, r"\bthis week\b|\bdiese woche\b|\besta semana\b|\bcette semaine\b|\bна этой неделе\b|这周|本周"),
    (62, 20, r"\blast month\b|\bletzten monat\b|\bel mes pasado\b|\ble mois dernier\b|\bв прошлом месяце\b|上个月"),
)
_PATTERNS = tuple((start, end, re.compile(pattern)) for start, end, pattern in _RELATIVE)


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to, and without, `end`. A month without a year is `month` alone."""

    start: datetime | None = None
    end: datetime | None = None
    month: int = 0

    def holds(self, moment: datetime) -> bool:
        if self.month and moment.month != self.month:
            return False
        return (self.start is None or moment >= self.start) and (self.end is None or moment < self.end)


def asked_periods(question: str, now: datetime) -> list[Period]:
    """The times that a question names; empty for most questions."""
    text = question.casefold().replace("’", "'")
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    periods = [
        Period(midnight - timedelta(days=start), midnight - timedelta(days=end - 1))
        for start, end, pattern in _PATTERNS
        if pattern.search(text)
    ]
    return periods + list(_by_calendar(text))


def _by_calendar(text: str) -> Iterator[Period]:
    plain = _AMBIGUOUS.sub(" ", text)
    months = {_MONTHS[word] for word in _WORD.findall(plain) if word in _MONTHS}
    months |= {int(number) for number in _HAN_MONTH.findall(text)}
    years = [int(year) for year in _YEAR.findall(text)] or [0]
    for year in years:
        start = datetime(year, 1, 1, tzinfo=UTC) if year else None
        end = datetime(year + 1, 1, 1, tzinfo=UTC) if year else None
        if months:
            yield from (Period(start, end, month) for month in sorted(months))
        elif year:
            yield Period(start, end)
