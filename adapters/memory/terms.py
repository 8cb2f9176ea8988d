"""Words of a text as the lexical score compares them: without stop words, stemmed by language, accents folded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import snowballstemmer

from adapters.memory.stopwords import STOP_WORDS

_ALGORITHMS = {
    "en": "english",
    "es": "spanish",
    "de": "german",
    "fr": "french",
    "ru": "russian",
    "it": "italian",
    "pt": "portuguese",
    "nl": "dutch",
    "tr": "turkish",
}
_STEMMERS = {language: snowballstemmer.stemmer(name) for language, name in _ALGORITHMS.items()}
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_HAN_FILLERS = frozenset("的了是在我你他她它们吗呢吧也都很就和有这那么什个不啊")


def document_terms(text: str, language: str) -> list[str]:
    """The informative terms of a memory, each once, in order of appearance."""
    return list(dict.fromkeys(term for word in words(text) for term in _forms(word, (language,))))


def query_terms(text: str, languages: Iterable[str]) -> list[tuple[str, ...]]:
    """The informative terms of a question, each with its stem in every language that the searched memories are in.

    A short text's language is easily taken for another; with all stems a term is found all the same.
    """
    languages = tuple(languages) or ("en",)
    forms = (_forms(word, languages) for word in words(text))
    return list(dict.fromkeys(form for form in forms if form))


def words(text: str) -> list[str]:
    """Case-folded words in order; writing without blanks gives pairs of neighbouring characters."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    found: list[str] = []
    for word in _WORD.findall(text):
        position = 0
        for run in _UNSPACED.finditer(word):
            found.extend(filter(None, (word[position : run.start()],)))
            found.extend(_pairs(run.group()))
            position = run.end()
        found.extend(filter(None, (word[position:],)))
    return found


def _pairs(run: str) -> list[str]:
    if len(run) == 1:
        return [run]
    pairs = [run[index : index + 2] for index in range(len(run) - 1)]
    return [pair for pair in pairs if not set(pair) <= _HAN_FILLERS] or pairs


def _forms(word: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    if _UNSPACED.match(word):
        return (word,)
    if any(word in STOP_WORDS.get(language, ()) for language in languages):
        return ()
    word = word.removesuffix("'s")
    if len(word) == 1 and not word.isdigit():
        return ()
    return tuple(dict.fromkeys(stem(word, language) for language in languages))


@lru_cache(maxsize=32_768)
def stem(word: str, language: str) -> str:
    """The word's stem without accents; words with digits and of other languages stay as they are."""
    stemmer = _STEMMERS.get(language)
    if stemmer is not None and word.isalpha():
        word = stemmer.stemWord(word)
    if word.isascii():
        return word
    return "".join(part for part in unicodedata.normalize("NFD", word) if not unicodedata.combining(part))
