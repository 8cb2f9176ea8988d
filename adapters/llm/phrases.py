"""What the offline model says, in the languages it can say it in; English elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Phrases:
    """`*_said` and `was_noted` take `{date}` and `{text}`, `they_said` also `{name}`; `date` takes day,
    month and year; `months` are twelve words."""

    hello: str
    noted: str
    rest: str
    not_noted: str
    incognito: str
    unknown: str
    unknown_private: str
    you_said: str
    they_said: str
    was_noted: str
    nearest: str
    date: str
    months: str

    def day(self, moment: datetime) -> str:
        return self.date.format(day=moment.day, month=self.months.split()[moment.month - 1], year=moment.year)


_NUMBERS = " ".join(str(number) for number in range(1, 13))

_PHRASES: dict[str, Phrases] = {
    "en": Phrases(
        hello="Hello! I run without a language model: I note what you tell me and quote it when you ask.",
        noted="I have noted that.",
        rest="I have noted the rest.",
        not_noted="I heard you; nothing of that was noted.",
        incognito="You are incognito: nothing is noted, and I do not look into your memories.",
        unknown="I know nothing about that. I run without a language model: I can only quote what you told me.",
        unknown_private="I know nothing about that here: in incognito I do not look into your memories.",
        you_said="On {date} you said: “{text}”",
        they_said="On {date} {name} said: “{text}”",
        was_noted="Noted on {date}: “{text}”",
        nearest="The nearest that I have noted:",
        date="{day} {month} {year}",
        months="January February March April May June July August September October November December",
    ),
    "de": Phrases(
        hello="Hallo! Ich laufe ohne Sprachmodell: Ich notiere, was du mir sagst, und zitiere es, wenn du fragst.",
        noted="Das habe ich notiert.",
        rest="Das Übrige habe ich notiert.",
        not_noted="Ich habe es gelesen; davon wird nichts notiert.",
        incognito="Du bist inkognito: Nichts wird notiert, und ich sehe nicht in deine Erinnerungen.",
        unknown="Darüber weiß ich nichts. Ich laufe ohne Sprachmodell und kann nur zitieren, was du mir gesagt hast.",
        unknown_private="Darüber weiß ich hier nichts: Inkognito sehe ich nicht in deine Erinnerungen.",
        you_said="Am {date} hast du gesagt: „{text}“",
        they_said="Am {date} sagte {name}: „{text}“",
        was_noted="Notiert am {date}: „{text}“",
        nearest="Am nächsten kommt, was ich notiert habe:",
        date="{day}. {month} {year}",
        months="Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    ),
    "es": Phrases(
        hello="¡Hola! Funciono sin modelo de lenguaje: anoto lo que me cuentas y lo cito cuando preguntas.",
        noted="Lo he anotado.",
        rest="Lo demás lo he anotado.",
        not_noted="Lo he leído; de eso no anoto nada.",
        incognito="Estás de incógnito: no se anota nada y no miro tus recuerdos.",
        unknown="No sé nada de eso. Funciono sin modelo de lenguaje y solo puedo citar lo que me contaste.",
        unknown_private="Aquí no sé nada de eso: de incógnito no miro tus recuerdos.",
        you_said="El {date} dijiste: «{text}»",
        they_said="El {date} {name} dijo: «{text}»",
        was_noted="Anotado el {date}: «{text}»",
        nearest="Lo más parecido que tengo anotado:",
        date="{day} de {month} de {year}",
        months="enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    ),
    "fr": Phrases(
        hello="Bonjour ! Je fonctionne sans modèle de langue : je note ce que vous me dites et je le cite sur demande.",
        noted="C'est noté.",
        rest="J'ai noté le reste.",
        not_noted="J'ai lu ; rien de cela n'est noté.",
        incognito="Vous êtes en mode incognito : rien n'est noté et je ne regarde pas vos souvenirs.",
        unknown="Je ne sais rien à ce sujet. Sans modèle de langue, je ne peux que citer ce que vous m'avez dit.",
        unknown_private="Je ne sais rien à ce sujet ici : en mode incognito, je ne regarde pas vos souvenirs.",
        you_said="Le {date}, vous avez dit : « {text} »",
        they_said="Le {date}, {name} a dit : « {text} »",
        was_noted="Noté le {date} : « {text} »",
        nearest="Ce que j'ai noté de plus proche :",
        date="{day} {month} {year}",
        months="janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    ),
    "ru": Phrases(
        hello="Здравствуйте! Я работаю без языковой модели: записываю то, что вы говорите, и цитирую по вопросу.",
        noted="Записано.",
        rest="Остальное записано.",
        not_noted="Прочитано; из этого ничего не записано.",
        incognito="Вы в режиме инкогнито: ничего не записывается, и в ваши воспоминания я не смотрю.",
        unknown="Об этом я ничего не знаю. Без языковой модели я могу только цитировать то, что вы мне говорили.",
        unknown_private="Здесь я об этом ничего не знаю: в режиме инкогнито я не смотрю в ваши воспоминания.",
        you_said="{date} вы сказали: «{text}»",
        they_said="{date} {name}: «{text}»",
        was_noted="Записано {date}: «{text}»",
        nearest="Самое близкое из записанного:",
        date="{day} {month} {year} г.",
        months="января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    ),
    "zh": Phrases(
        hello="你好！我没有语言模型：我会记下你告诉我的话，并在你提问时引用。",
        noted="我记下了。",
        rest="其余的我记下了。",
        not_noted="我看到了，这句话没有记录。",
        incognito="你在无痕模式：什么都不会记下，我也不会查看你的记忆。",
        unknown="关于这个我什么都不知道。我没有语言模型，只能引用你告诉过我的话。",
        unknown_private="在这里我什么都不知道：无痕模式下我不查看你的记忆。",
        you_said="{date}你说过：“{text}”",
        they_said="{date}{name}说过：“{text}”",
        was_noted="记于{date}：“{text}”",
        nearest="我记下的最接近的内容：",
        date="{year}年{month}月{day}日",
        months=_NUMBERS,
    ),
}

_GREETINGS = """
    hello hi hey hiya howdy thanks thank you thx bye goodbye ok okay good morning evening night afternoon
    there cheers hallo moin servus danke schön tschüss guten tag morgen abend hola buenos buenas días tardes
    noches gracias adiós bonjour bonsoir salut merci beaucoup привет здравствуйте спасибо пока ciao olá
    obrigado 你好 您好 谢谢 再见
"""
GREETINGS = frozenset(_GREETINGS.split())

_FAINT = """
    called name named names number favourite favorite best kind live lives old like likes again know tell
    heißt heiße name namens nummer lieblings liebste alt wohne wohnt mag
    llama llamo nombre número favorito favorita vivo vive años gusta
    appelle nom numéro préféré préférée habite âge aime
    зовут имя номер любимый любимая любимое живу живёт лет нравится
    叫什 什么 的是 名字 号码
"""
FAINT_WORDS = frozenset(_FAINT.split())
"""Words that ask for something without saying of what."""


def phrases(language: str) -> Phrases:
    return _PHRASES.get(language, _PHRASES["en"])
