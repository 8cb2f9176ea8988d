"""Sentences that hold a secret, and sentences that only look as if. Keys are made here from the shapes that providers
document, so that no scanner of repositories takes them for real ones."""

from __future__ import annotations

import base64
import random
import string

_RANDOM = random.Random(20_261_122)
_LETTERS = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_UPPER = string.ascii_uppercase + string.digits


def _some(count: int, alphabet: str = _LETTERS) -> str:
    return "".join(_RANDOM.choice(alphabet) for _ in range(count))


def _card(prefix: str, length: int) -> str:
    body = prefix + _some(length - len(prefix) - 1, string.digits)
    doubled = [int(digit) * 2 - 9 * (int(digit) > 4) for digit in body[::-1][::2]]
    return body + str(-(sum(doubled) + sum(map(int, body[::-1][1::2]))) % 10)


def _grouped(number: str, sign: str) -> str:
    return sign.join(number[start : start + 4] for start in range(0, len(number), 4))


_KEYS = (
    *("sk-proj-" + _some(48), "sk-ant-api03-" + _some(80), "ghp_" + _some(36), "github_pat_" + _some(60)),
    *("glpat-" + _some(20), "xoxb-" + _some(11, string.digits) + "-" + _some(24), "xapp-1-" + _some(40)),
    *("AKIA" + _some(16, _UPPER), "AIza" + _some(35), "hf_" + _some(34), "npm_" + _some(36), "pypi-" + _some(80)),
    *("SG." + _some(22) + "." + _some(43), _some(9, "123456789") + ":AA" + _some(33), "sk_live_" + _some(24)),
    *("rk_live_" + _some(24), _some(40, _HEX), _some(64, _HEX), "ya29." + _some(60), "AC" + _some(32, _HEX)),
    *("dop_v1_" + _some(64, _HEX), "shpat_" + _some(32, _HEX), "EAACEdEose0cBA" + _some(40), "key-" + _some(32, _HEX)),
    base64.b64encode(_RANDOM.randbytes(32)).decode(),
    f"eyJhbGciOiJIUzI1NiJ9.{_some(40)}.{_some(43)}",
    f"-----BEGIN RSA PRIVATE KEY----- {_some(60)}",
    f"{_some(24)}.{_some(6)}.{_some(38)}",
)
_CARDS = (
    *(_card("4", 16), _grouped(_card("4", 16), " "), _grouped(_card("51", 16), "-"), _card("55", 16)),
    *(_card("2221", 16), _card("34", 15), _card("37", 15), _card("6011", 16), _grouped(_card("6011", 16), " ")),
    *(_card("3566", 16), _card("36", 14), _card("4", 13), _grouped(_card("4", 16), "-"), _card("62", 16)),
)
_PASSWORDS = """
My password is hunter2secret!|the wifi password is "correct horse"|password: Tr0ub4dor&3|my pin is 4821
PIN: 0007|my new passphrase is blue-tiger-42|The password of my bank is Sommer2026!
login with password swordfish99|his passcode is 735512|My PIN code is 9034|use the password x7Kp!22
root password = toor123|Mein Passwort ist Geheim123!|Das Kennwort lautet Winter#2026|Meine PIN ist 4711
Passwort: hallo1234|Mi contraseña es gatito2026|La clave es Luna_77|contraseña: perro99!|mi pin es 5521
Mon mot de passe est Soleil2026!|mot de passe : chat-noir7|mdp: azerty123|Le code pin est 1984
Мой пароль qwerty2026|пароль: Солнце77|мой пин-код 4402|Пароль от почты — kot2026|我的密码是abc12345|密码：hunter2026
口令是 tiger_88|我的密碼是 9f8d7c|my cvv is 123|The CVC2 is 907|our api key is 12ab34cd56|secret key: zx81spectrum
the seed phrase is "witch collapse practice feed"|remember: the alarm's passcode is 8812
my email password is MaxMustermann1!|the pwd is letmein77|WLAN-Passwort: Regenbogen12
""".replace("\n", "|").split("|")
_CODES = """
My verification code is 493021|your one-time code is 88213|The OTP is 552190|2FA code 120 884
security code: 44871|the SMS code was 9920|493021 is your verification code|481-223 is my login code
The TAN is 771204|Google sign-in code 338190|Der Bestätigungscode ist 552817|Einmalcode: 883910
mein Einmalpasswort lautet 774120|mi código de verificación es 661029|el código de confirmación es 5510
mon code de vérification est 330917|код подтверждения 552817|одноразовый код 8831|验证码是 552817|驗證碼 883910
my MFA code is 204 118|the authentication code is 5521 9982|confirmation code 7741
""".replace("\n", "|").split("|")

SECRETS = (
    *(f"Here you go: {key}" for key in _KEYS),
    *(f"My card is {card}." for card in _CARDS),
    *(sentence for sentence in (*_PASSWORDS, *_CODES) if sentence),
)

HARMLESS = tuple(
    sentence
    for sentence in """
My dog is called Rex.|I was born on 14 March 1987.|My phone number is +49 170 1234567.
Our meeting is on 2026-11-22 at 14:30.|I live at 221B Baker Street, London NW1 6XE.
The flight LH1234 leaves at 06:45.|I earn 54,000 euros a year.|My shoe size is 43.
Order 4711-0815 has arrived.|I ran 42.195 km in 3:58:12.|The book's ISBN is 978-3-16-148410-0.
My IBAN ends in 3000.|I forgot my password again.|My password is too long to remember.
The password is stored in the safe.|I changed my password yesterday.|I have to reset my password.
My wife knows all my passwords.|A good password is long.|I never share my passwords.|My pin cushion is red.
I collect pins and badges.|I pinned the note to the fridge.|My favourite token is the top hat.
The key is under the mat.|I lost my house key.|My key interest is history.|I play in the key of G minor.
I work in security at the airport.|My login time is usually 9 in the morning.|I need two factors to decide.
The verification took three days.|I like codes and ciphers.|The post code here is 10115.|My zip code is 94107.
The area code is 030.|Our dress code is casual.|My UUID is 3f2b8c1a-9d4e-4a7b-8c6d-5e0f1a2b3c4d.
The file is at https://example.org/a/b/c/d?e=f&g=h12345.|I use Python 3.11.7 and numpy 1.26.4.
My commit is on the branch feature/long-name-of-a-branch-2026.
The class is called AbstractSingletonProxyFactoryBean.|My username is ana_1987.
My e-mail is ana.example@example.org.|Call me after 18:00 on 030 1234567.|I have 3 sisters and 2 brothers.
I was born in 1987 in Graz.|My membership number is 20261122.|I weigh 82 kg.|The server has 64 GB of memory.
My cat weighs 4.5 kilos.|The rent is 1,200 a month.|I parked on level 3, row 44.|My room number is 1408.
Bus 1234 stops here.|I take 500 mg twice a day.|The invoice 2026-000123 is paid.
Ich wohne in der Hauptstraße 17.|Mein Hund heißt Rex.|Mein Geburtstag ist der 3. Mai 1990.
Ich habe mein Passwort vergessen.|Die Postleitzahl ist 80331.|Mein Lieblingsbuch ist 1984.
Ich habe am 12.12.2025 geheiratet.|Unsere Kundennummer steht auf der Rechnung.|Das Passwort ist zu lang.
Ich arbeite als Bäcker.|Mi perro se llama Rex.|Vivo en la calle Mayor 17.|Nací en 1990 en Sevilla.
He olvidado mi contraseña.|Mi libro favorito es 1984.|La clave del éxito es la paciencia.
Trabajo como panadera.|El código postal es 28013.|Tengo 3 hermanas.|Mi número de zapato es 39.
Mon chien s'appelle Rex.|J'habite 17 rue de Rivoli.|Je suis né en 1990.|J'ai oublié mon mot de passe.
Le code postal est 75001.|Mon livre préféré est 1984.|Je travaille comme boulanger.|J'ai deux sœurs.
Ma pointure est 43.|Le train part à 8 h 15.|Моя собака зовётся Рекс.|Я живу на улице Ленина 17.
Я родился в 1990 году.|Я забыл свой пароль.|Мой любимый роман 1984.|Я работаю пекарем.|У меня две сестры.
Мой номер обуви 43.|Поезд уходит в 8:15.|Почтовый индекс 101000.
我的狗叫旺财。|我住在北京路17号。|我1990年出生。|我忘记了密码。
我最喜欢的书是1984。|我是面包师。|我有两个姐姐。|我的鞋码是43。|火车8点15分开。|邮编是100000。
The access code of the house changed.
My confirmation is in May.|I authenticated the painting.|I login every day.|The secret of my bread is time.
I have a secret admirer.|My api returns 404 for 12 routes.|The CVs are on the table.
I saw 12 pinball machines.|We sold 48,210 tickets.|My loyalty card has 12 stamps.
The card game needs 52 cards.|I gave her a birthday card in 2024.|The tan from 2025 is gone.
My mother's recipe needs 350 g of flour.
""".replace("\n", "|").split("|")
    if sentence
)
