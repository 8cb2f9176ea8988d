"""Finding what must never become a memory: card numbers, keys, passwords and one-time codes."""

from __future__ import annotations

import math
import re
from collections import Counter

_CARD = re.compile(r"(?<![\w.])[2-6](?:[ -]?\d){12,18}(?!\w)")

# Prefixes that providers document for their tokens; a private key block; a JSON web token.
_KEY = re.compile(
    r"\b(?:sk|pk|rk)[-_](?:[a-z]+[-_])*[A-Za-z0-9_-]{16,}|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}"
    r"|\bxox[abeoprs]-[\w-]{10,}|\bxapp-[\w-]{10,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,}|\bhf_\w{20,}"
    r"|\bnpm_\w{20,}|\bpypi-\w{20,}|\bSG\.[\w-]{16,}\.\w+|\bya29\.[\w-]{20,}"
    r"|\b[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}|\b\d{8,10}:[\w-]{35}\b|\bm0-\w{20,}"
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)

_TOKEN = re.compile(r"(?<![\w/.@:-])[A-Za-z0-9+/_=-]{28,}(?![\w/.@])")

_NAMED = re.compile(
    r"""(?ix)
    (?: \b(?: password | passwd | passphrase | passcode | pass\ word | pwd | passwort | kennwort | contraseña | clave
        | mot\ de\ passe | mdp | пароль | пин(?:-?код)? | pin(?:[- ]?(?:code|number|nummer))? | cvv2? | cvc2?
        | api[- _]?key | secret\ key | access\ token | recovery\ code | seed\ phrase )\b
      | 密码 | 密碼 | 口令 )
    [^\n.!?。！？]{0,40}?
    (?: \s*[:=：]\s* | \s+(?:is|are|was|to|ist|lautet|auf|es|a|est|à|—|–|-)\s+ | \s*[是为為]\s* | \s+ )
    ["'“«„`]? (?=\S*[\d!@#$%^&*_+-]|\S{3,}["'”»`])  \S{3,}
    """
)

_PASSWORD_IS = re.compile(
    r"(?i)\b(?:password|passwort|kennwort|passphrase|contraseña|mot de passe|пароль)\b[^\n.!?]{0,40}?"
    r"(?:\s*[:=]\s*|\s+(?:is|ist|lautet|es|est|—|–)\s+)(?!(?:a|an|the|my|too|very|so|not|same|now|old|new|long|short|"
    r"weak|strong|wrong|safe|stored|in|on|saved|muy|zu|sehr|très|очень)\b)\S{3,}"
)

_ONE_TIME = re.compile(
    r"""(?ix)
    (?: \b(?: otp | one[- ]?time | 2fa | mfa | two[- ]factor | verification | authenticat\w+ | security | login | log-in
        | sign-in | confirmation | sms | tan | einmal\w* | bestätigungs\w* | verificación | vérification | confirmación
        | подтверждени\w+ | одноразов\w+ )\b
      | 验证码 | 驗證碼 )
    [^\n]{0,40}? (?<!\d)\d(?:[ -]?\d){3,7}(?!\d)
    | (?<!\d)\d{3,4}[ -]?\d{1,4}(?!\d)[^\n]{0,20}?\b(?:is|ist|es|est)\b[^\n]{0,20}?
        \b(?:otp|one[- ]time|verification|2fa|login)\b
    """
)

_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def holds_secret(text: str) -> bool:
    """Whether a sentence tells a card number (by Luhn's check), a key, a password, a PIN or a one-time code.

    It may take a harmless sentence for a secret; then that sentence is no memory, and nothing else happens.
    """
    if any(pattern.search(text) for pattern in (_KEY, _NAMED, _PASSWORD_IS, _ONE_TIME)):
        return True
    if any(_luhn(match.group()) for match in _CARD.finditer(text)):
        return True
    return any(_looks_random(match.group()) for match in _TOKEN.finditer(text))


def _luhn(number: str) -> bool:
    digits = [int(character) for character in number if character.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _looks_random(token: str) -> bool:
    """A long token with letters and digits whose characters are spread as in a key; identifiers are not secret."""
    if _UUID.fullmatch(token) or not any(map(str.isdigit, token)) or not any(map(str.isalpha, token)):
        return False
    counts = Counter(token)
    entropy = -sum(n / len(token) * math.log2(n / len(token)) for n in counts.values())
    return entropy > 3.5
