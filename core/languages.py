"""Telling languages apart, and the words that say something from those that only hold a sentence together."""

from __future__ import annotations

import re

_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\u1100-\u11ff\uac00-\ud7af]")),
    ("zh", re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")),
    ("uk", re.compile("[іїєґІЇЄҐ]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("fa", re.compile("[پچژگ]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
)
_STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": """
            the a an i i'm i'll my me you your we our he she his her they their it is are am was were be been
            do does did have has had will would can could should and or but not in on at of to from for with
            what who where when why how this that there about any some hello hi thanks please can i've let
        """,
        "de": """
            der die das den dem des ein eine einen einem einer ich mich mir mein meine meinen meinem meiner du
            dich dir dein deine er sie es wir uns ihr ist sind bin bist war waren hat habe hast haben wird und
            oder aber nicht kein keine in im am auf von zu zum zur mit für bei aus nach was wer wo wann warum
            wie heißt gern auch noch hallo danke
        """,
        "es": """
            el la los las un una unos unas yo me mi mis tú tu tus él ella nosotros es son soy eres era está
            estoy están ha he hay tengo tiene y o pero no en de del al a con por para que qué quién dónde
            cuándo cómo cuál se llama muy también gusta hola gracias
        """,
        "fr": """
            le la les un une des du de je j'ai j'habite j'aime me moi mon ma mes tu ton ta tes il elle nous
            vous est sont suis es était a ai as ont et ou mais ne pas n'est dans en au aux à avec pour par sur
            que qui quoi où quand comment pourquoi c'est s'appelle très aussi bonjour merci
        """,
        "it": """
            il lo la gli le un una io mi mio mia miei tu tuo tua lui lei noi è sono sei era ho ha hai hanno e
            o ma non in di del della al alla con per che chi dove quando come cosa perché si chiama molto
            anche ciao grazie
        """,
        "pt": """
            o a os as um uma eu me meu minha meus minhas você seu sua ele ela nós é são sou está estou era
            tenho tem e ou mas não em no na de do da dos das ao com por para que quem onde quando como qual se
            chama muito também olá obrigado
        """,
        "nl": """
            de het een ik mij mijn je jij jouw hij zij wij is zijn ben bent was heb heeft hebben en of maar
            niet geen in op van te naar met voor bij uit wat wie waar wanneer waarom hoe heet ook nog hallo
            dank
        """,
        "pl": """
            ja mnie mój moja moje ty twój on ona my jest są jestem był była mam ma i lub ale nie w na z do od
            dla po co kto gdzie kiedy dlaczego jak się to bardzo też cześć dziękuję
        """,
        "tr": """
            ben benim beni sen senin o biz bu şu bir ve veya ama değil var yok için ile de da ne kim nerede
            nasıl neden mi mı çok merhaba teşekkürler
        """,
        "ru": """
            я меня мне мой моя моё мои мою моего моей ты тебя тебе твой твоя он его она её мы нас вы вас они
            их и или но не нет в во на с со у к по о об из от до для за что кто как где когда почему это этот
            эта есть был была быть бы ли же то так очень тоже привет спасибо
        """,
    }.items()
}
_LETTERS = {"de": "ßäöü", "es": "ñ¿¡", "fr": "çœèêù", "pt": "ãõ", "pl": "łąęśżźćń", "tr": "ğışİ", "it": "òì"}
_LANGUAGES_OF = {
    word: tuple(language for language, stop in _STOP_WORDS.items() if word in stop)
    for word in frozenset().union(*_STOP_WORDS.values())
}
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_URL = re.compile(r"https?://\S+")


def detect_language(text: str) -> str:
    """The ISO 639-1 code of the text's language, by script, stop words and letters; `''` where nothing tells."""
    text = _URL.sub("", text).lower()
    foreign = not text.isascii()
    letters = sum(ch.isalpha() for ch in text) if foreign else 0
    for language, pattern in _SCRIPTS if foreign else ():
        # A foreign name in a sentence does not change its language, so a fifth of the letters must be in the script;
        # Ukrainian and Persian are told from Russian and Arabic by a few letters only.
        share = 0.03 if language in {"uk", "fa"} else 0.2
        if letters and len(pattern.findall(text)) > share * letters:
            return language
    scores = dict.fromkeys(_STOP_WORDS, 0.0)
    for word in _words(text):
        for language in _LANGUAGES_OF.get(word, ()):
            scores[language] += 1
    for language, signs in _LETTERS.items() if foreign else ():
        scores[language] += 0.6 * any(ch in text for ch in signs)
    best = max(scores, key=lambda language: scores[language])
    return best if scores[best] else ""


def content_words(text: str) -> frozenset[str]:
    """The lower-case words and numbers that say something: stop words of the text's language left out; neighbouring
    pairs of signs where a script has no blanks."""
    runs = re.findall(f"{_CJK.pattern}+", text)
    pairs = {run[i : i + 2] for run in runs for i in range(max(1, len(run) - 1))}
    stop = _STOP_WORDS.get(detect_language(text), frozenset())
    words = {word for word in _words(text) if word not in stop and not _CJK.search(word)}
    return frozenset(words | pairs | set(_NUMBER.findall(text)))


def _words(text: str) -> list[str]:
    return [word.replace("’", "'") for word in _WORD.findall(text.lower())]
