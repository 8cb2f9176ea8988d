"""`/incognito`, `/pause`, `/resume` and `/privacy`: they act at accept, so that the very next message is under the new
mode.

A mode belongs to a person in a conversation. A room's managers may add `room`: nobody there can be looser then.
"""

from __future__ import annotations

from core.commands.model import AcceptState, Argument, Arguments, Command, CommandReply, Transition
from core.errors import BadArgument, Forbidden, IncognitoUnavailable
from core.messages import Button, RoomRole
from core.privacy import stricter
from core.types import ConversationKind, PrivacyMode

ROOM = "room"

MEANING = {
    PrivacyMode.NORMAL: "I use what I remember, and I learn from what you tell me.",
    PrivacyMode.PAUSE_MEMORIES: (
        "I use what I remember and learn nothing new. This talk itself is kept, sealed, as history."
    ),
    PrivacyMode.INCOGNITO: (
        "I recall nothing, learn nothing and store no word of this talk; it is only in my working memory and gone at "
        "its end. It is not hidden from the chat platform, nor from the provider of my language model: both still see "
        "the text."
    ),
}
TITLE = {
    PrivacyMode.NORMAL: "Normal mode",
    PrivacyMode.PAUSE_MEMORIES: "Memory paused",
    PrivacyMode.INCOGNITO: "Incognito",
}
_BY_WORD = {
    "normal": PrivacyMode.NORMAL,
    "pause": PrivacyMode.PAUSE_MEMORIES,
    "incognito": PrivacyMode.INCOGNITO,
}
_WORD = {mode: word for word, mode in _BY_WORD.items()}
_LEAVE_FIRST = "You are incognito, which keeps even less. `/privacy {word}` leaves it; until then nothing changes."


def effective_mode(state: AcceptState) -> PrivacyMode:
    return stricter(state.member.mode, state.conversation.mode_floor)


def incognito(state: AcceptState, arguments: Arguments) -> Transition:
    target = PrivacyMode.NORMAL if arguments.get("switch") == "off" else PrivacyMode.INCOGNITO
    if _for_room(state, arguments):
        return _set_floor(state, target)
    if target is PrivacyMode.NORMAL and state.member.mode is not PrivacyMode.INCOGNITO:
        return _unchanged(f"You are not incognito here. {_now(state)}")
    return _set_mode(state, target)


def pause(state: AcceptState, arguments: Arguments) -> Transition:
    """Never weakens: somebody who is incognito stays so until they leave it in so many words."""
    if _for_room(state, arguments):
        return _set_floor(state, PrivacyMode.PAUSE_MEMORIES)
    if state.member.mode is PrivacyMode.INCOGNITO:
        return _stay_incognito("pause")
    return _set_mode(state, PrivacyMode.PAUSE_MEMORIES)


def resume(state: AcceptState, arguments: Arguments) -> Transition:
    if _for_room(state, arguments):
        return _set_floor(state, PrivacyMode.NORMAL)
    if state.member.mode is PrivacyMode.INCOGNITO:
        return _stay_incognito("normal")
    return _set_mode(state, PrivacyMode.NORMAL)


def privacy(state: AcceptState, arguments: Arguments) -> Transition:
    for_room = _for_room(state, arguments)
    word = arguments.get("mode")
    if word is None:
        return _overview(state)
    return (_set_floor if for_room else _set_mode)(state, _BY_WORD[word])


def _overview(state: AcceptState) -> Transition:
    current = effective_mode(state)
    lines = [f"**{TITLE[current]}.** {MEANING[current]}"]
    if stricter(state.member.mode, state.conversation.mode_floor) is not state.member.mode:
        lines.append("The managers of this room set it for everybody here.")
    others = [mode for mode in MEANING if mode is not current]
    lines += [f"- `/privacy {_WORD[mode]}`: {MEANING[mode]}" for mode in others]
    buttons = tuple(Button(TITLE[mode], f"/privacy {_WORD[mode]}") for mode in others)
    return Transition(CommandReply("\n\n".join(lines[:-2]) + "\n\n" + "\n".join(lines[-2:]), buttons))


def _set_mode(state: AcceptState, target: PrivacyMode) -> Transition:
    if target is state.member.mode:
        return _unchanged(f"Nothing changes: it is so already. {_now(state)}")
    _check_incognito(state, target)
    held = stricter(target, state.conversation.mode_floor)
    if held is not target:
        text = (
            f"For you that is set. The managers of this room hold it stricter for everybody, though: "
            f"**{TITLE[held]}**. {MEANING[held]}"
        )
        return Transition(CommandReply(text), mode=target)
    return Transition(CommandReply(_entered(state, target)), mode=target)


def _entered(state: AcceptState, target: PrivacyMode) -> str:
    left = state.member.mode is PrivacyMode.INCOGNITO
    over = "The incognito talk is over and gone. " if left else ""
    scope = " This counts for you alone, in this place." if state.conversation.kind is ConversationKind.SHARED else ""
    back = {
        PrivacyMode.NORMAL: " `/pause` stops the learning.",
        PrivacyMode.PAUSE_MEMORIES: " `/resume` lets me learn again.",
        PrivacyMode.INCOGNITO: " `/incognito off` leaves it.",
    }[target]
    return f"{over}**{TITLE[target]}.** {MEANING[target]}{scope}{back}"


def _set_floor(state: AcceptState, target: PrivacyMode) -> Transition:
    if state.role is not RoomRole.MANAGER:
        raise Forbidden(
            user_message="Only a manager of this room can set that for everybody. "
            "Without `room` it counts for you alone."
        )
    if target is state.conversation.mode_floor:
        return _unchanged(f"Nothing changes: that holds for this room already. {_now(state)}")
    _check_incognito(state, target)
    if target is PrivacyMode.NORMAL:
        text = "This room has no mode of its own any more: everybody's own choice counts again."
    else:
        text = f"For everybody in this room: **{TITLE[target]}.** {MEANING[target]} Nobody here can set it looser."
    return Transition(CommandReply(text), mode_floor=target)


def _for_room(state: AcceptState, arguments: Arguments) -> bool:
    if arguments.get("scope") != ROOM:
        return False
    if state.conversation.kind is not ConversationKind.SHARED:
        raise BadArgument(user_message="We are alone here: leave out `room`.")
    return True


def _check_incognito(state: AcceptState, target: PrivacyMode) -> None:
    if target is PrivacyMode.INCOGNITO and state.incognito_unavailable is not None:
        raise IncognitoUnavailable(
            user_message=f"{IncognitoUnavailable.user_message} The reason: {state.incognito_unavailable}"
        )


def _stay_incognito(word: str) -> Transition:
    button = Button(f"Leave incognito ({TITLE[_BY_WORD[word]].lower()})", f"/privacy {word}")
    return Transition(CommandReply(_LEAVE_FIRST.format(word=word), (button,)))


def _unchanged(text: str) -> Transition:
    return Transition(CommandReply(text))


def _now(state: AcceptState) -> str:
    mode = effective_mode(state)
    return f"**{TITLE[mode]}.** {MEANING[mode]}"


_SCOPE = Argument("scope", "in a room, for managers: `room` sets it for everybody", choices=(ROOM,))

COMMANDS = (
    Command(
        "incognito",
        "Talk off the record: nothing recalled, learned or stored",
        (Argument("switch", "on or off; on when left out", choices=("on", "off")), _SCOPE),
        while_running=True,
        transition=incognito,
        spoken=("", "on", "off", "on room", "off room"),
    ),
    Command(
        "pause",
        "Stop learning; what is remembered stays in use",
        (_SCOPE,),
        while_running=True,
        transition=pause,
        spoken=("", ROOM),
    ),
    Command("resume", "Learn again", (_SCOPE,), while_running=True, transition=resume, spoken=("", ROOM)),
    Command(
        "privacy",
        "Show or choose how much is remembered",
        (Argument("mode", "the mode to go to; shows the current one when left out", choices=tuple(_BY_WORD)), _SCOPE),
        while_running=True,
        transition=privacy,
        spoken=("", *_BY_WORD, *(f"{word} {ROOM}" for word in _BY_WORD)),
    ),
)
