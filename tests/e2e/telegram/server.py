"""A small stateful Bot API server: what the SDK talks to over real HTTP when there is no Telegram.

It keeps chats, messages, unconfirmed updates and a webhook, checks what the real server checks (lengths, entities,
button data, blocked and unknown chats) and can be told to fail. Unknown methods answer 404, as an old server does.

    async with TelegramServer() as telegram:
        config = TelegramConfig(token=telegram.token, base_url=telegram.base_url, base_file_url=telegram.base_file_url)
        telegram.say(ANNA, "hello")
        ...
        assert telegram.visible_messages(ANNA) == ["Hello Anna"]
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

ANNA, BEN, CARLA = 101, 102, 103
ROOM, FORUM = -1001, -1002
BOT_ID = 7_000_000_001
MAX_TEXT = 4096
Json = dict[str, Any]

_ENTITY = re.compile(r"(?:^|(?<=\s))(?:(?P<bot_command>/[A-Za-z0-9_]{1,32}(?:@\w+)?)|(?P<mention>@\w{4,}))")


class Refusal(Exception):
    def __init__(self, status: int, description: str, **parameters: object) -> None:
        super().__init__(description)
        self.status = status
        self.parameters = parameters


@dataclass
class Fault:
    """What `times` calls of a method meet, once `after` more were let through. `cut`: the connection breaks after the
    call took effect."""

    status: int = 500
    description: str = "Internal Server Error"
    parameters: Json = field(default_factory=dict)
    times: int = 1
    after: int = 0
    chat: int | None = None
    cut: bool = False
    delay: float = 0.0


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def entities_of(text: str) -> list[Json]:
    """Commands and mentions as Telegram marks them, in UTF-16 units."""
    return [
        {
            "type": match.lastgroup,
            "offset": units(text[: match.start()]),
            "length": units(match.group()),
        }
        for match in _ENTITY.finditer(text)
    ]


class TelegramServer:
    def __init__(self, token: str = "123456:TEST-TOKEN", username: str = "memory_bot") -> None:
        self.token = token
        self.username = username
        self.me: Json = {"id": BOT_ID, "is_bot": True, "first_name": "MemoryChat", "username": username}
        self.users: dict[int, Json] = {}
        self.chats: dict[int, Json] = {}
        self.managers: dict[int, set[int]] = defaultdict(set)
        self.topics: dict[int, set[int]] = defaultdict(set)
        self.messages: dict[int, dict[int, Json]] = defaultdict(dict)
        self.drafts: list[Json] = []
        self.calls: list[tuple[str, Json]] = []
        self.answered: list[str] = []
        self.commands: dict[str, list[Json]] = {}
        self.files: dict[str, bytes] = {}
        self.started: set[int] = set()
        self.gone: set[int] = set()
        self.moved: dict[int, int] = {}
        self.missing: set[str] = set()
        self.answer_to_missing: tuple[int, str] | None = None
        self.webhook: Json = {"url": ""}
        self.clock: Callable[[], float] = time.time
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        self._updates: list[Json] = []
        self._next_update = 5_000
        self._next_message = 10
        self._news = asyncio.Event()
        self._shown = asyncio.Event()
        self._poll: asyncio.Task[Any] | None = None
        self._pusher: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self._port = 0
        for user_id, name in ((ANNA, "Anna"), (BEN, "Ben"), (CARLA, "Carla")):
            self.add_person(user_id, name)
        self.add_group(ROOM, "Kitchen")
        self.add_group(FORUM, "Club", is_forum=True)

    # --- life -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> TelegramServer:
        app = web.Application(client_max_size=60_000_000)
        app.router.add_route("*", "/bot{token}/{method}", self._serve)
        app.router.add_post("/control/{name}", self._control)
        app.router.add_get("/file/bot{token}/{path:.*}", self._serve_file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shut()

    async def shut(self) -> None:
        """Go away as a server that is down; `async with` again brings it back on the same port."""
        if self._pusher is not None:
            self._pusher.cancel()
            await asyncio.gather(self._pusher, return_exceptions=True)
            self._pusher = None
        if self._poll is not None:
            self._poll.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/bot"

    @property
    def base_file_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/file/bot"

    # --- people and places ------------------------------------------------------------------------------------------

    def add_person(self, user_id: int, name: str, *, started: bool = True, language: str = "en") -> None:
        self.users[user_id] = {"id": user_id, "is_bot": False, "first_name": name, "language_code": language}
        self.chats[user_id] = {"id": user_id, "type": "private", "first_name": name}
        if started:
            self.started.add(user_id)

    def add_group(self, chat: int, title: str, *, kind: str = "supergroup", is_forum: bool = False) -> None:
        self.chats[chat] = {"id": chat, "type": kind, "title": title, **({"is_forum": True} if is_forum else {})}
        self.started.add(chat)

    # --- what people do ---------------------------------------------------------------------------------------------

    def say(
        self,
        user: int,
        text: str,
        *,
        chat: int | None = None,
        reply_to: int | None = None,
        topic: int | None = None,
        **fields: object,
    ) -> Json:
        """A person writes: in their private chat, or in `chat`. `fields` go into the message as they are."""
        chat = user if chat is None else chat
        if chat == user:
            self.started.add(user)
        message = self._new_message(chat, self.users[user])
        if text:
            message |= {"text": text}
            if entities := entities_of(text):
                message["entities"] = entities
        if topic is not None:
            self.topics[chat].add(topic)
            message |= {"message_thread_id": topic, "is_topic_message": True}
        if reply_to is not None:
            message["reply_to_message"] = self.messages[chat][reply_to]
        message |= fields
        self.push({"message": message})
        return message

    def change(self, message: Json, text: str) -> None:
        """Its author edits a message."""
        message = {**message, "text": text, "entities": entities_of(text), "edit_date": message["date"] + 1}
        self.messages[message["chat"]["id"]][message["message_id"]] = message
        self.push({"edited_message": message})

    def press(self, user: int, label: str, *, chat: int | None = None) -> str:
        """Press the newest button with that label; the id of the callback query."""
        for message in reversed(self.messages[user if chat is None else chat].values()):
            for row in message.get("reply_markup", {}).get("inline_keyboard", []):
                for button in row:
                    if button["text"] == label and "callback_data" in button:
                        query = f"query-{self._next_update}"
                        data = button["callback_data"]
                        self.push(
                            {
                                "callback_query": {
                                    "id": query,
                                    "from": self.users[user],
                                    "message": message,
                                    "chat_instance": "1",
                                    "data": data,
                                }
                            }
                        )
                        return query
        raise AssertionError(f"no button {label!r}")

    def follow_link(self, user: int, *, chat: int) -> str:
        """Open the newest deep link of a chat and press Start; its payload."""
        for message in reversed(self.messages[chat].values()):
            for row in message.get("reply_markup", {}).get("inline_keyboard", []):
                for button in row:
                    if "?start=" in button.get("url", ""):
                        payload = str(button["url"]).partition("?start=")[2]
                        self.say(user, f"/start {payload}")
                        return payload
        raise AssertionError("no deep link")

    def send_file(self, user: int, field_name: str, content: bytes, *, caption: str = "", **about: object) -> Json:
        """A voice note, document and so on; `photo` comes in one size."""
        file_id = f"file-{self._next_message}"
        self.files[file_id] = content
        file: Json = {"file_id": file_id, "file_unique_id": file_id, "file_size": len(content), **about}
        fields: Json = {field_name: [{**file, "width": 1, "height": 1}] if field_name == "photo" else file}
        if caption:
            fields["caption"] = caption
        return self.say(user, "", **fields)

    def block(self, user: int) -> None:
        """The person blocks the bot, or a group throws it out."""
        self.gone.add(user)
        member = {"status": "kicked", "user": self.me, "until_date": 0}
        person = self.users.get(user, self.users[ANNA])
        old = {"status": "member", "user": self.me}
        self.push(
            {
                "my_chat_member": {
                    "chat": self.chats[user],
                    "from": person,
                    "date": 1,
                    "old_chat_member": old,
                    "new_chat_member": member,
                }
            }
        )

    def migrate(self, chat: int, new_chat: int, *, announce: bool = True) -> None:
        """A group becomes a supergroup; calls with the old id are refused with the new one."""
        self.add_group(new_chat, self.chats[chat]["title"])
        self.moved[chat] = new_chat
        if announce:
            self.push({"message": {**self._new_message(chat, self.users[ANNA]), "migrate_to_chat_id": new_chat}})

    def push(self, update: Json) -> int:
        """Queue a raw update; its id."""
        self._next_update += 1
        self._updates.append({"update_id": self._next_update, **update})
        self._news.set()
        return self._next_update

    def crowd(self, people: int, text: str) -> None:
        """So many people write once, all at the same time. Their ids count from 10,000."""
        for user in range(10_000, 10_000 + people):
            self.add_person(user, f"P{user}")
            self.say(user, text)

    async def ask(self, user: int, text: str) -> float:
        """Milliseconds from a person's message until the bot's next one stands in their private chat."""
        shown = len(self.visible(user))
        began = time.perf_counter()
        self.say(user, text)
        while len(self.visible(user)) == shown:
            self._shown.clear()
            await asyncio.wait_for(self._shown.wait(), 30)
        return (time.perf_counter() - began) * 1e3

    # --- what people see --------------------------------------------------------------------------------------------

    def visible(self, chat: int) -> list[Json]:
        """The bot's messages in a chat as they stand now, oldest first."""
        return [message for message in self.messages[chat].values() if message["from"]["id"] == BOT_ID]

    def visible_messages(self, chat: int) -> list[str]:
        return [str(message.get("text", "")) for message in self.visible(chat)]

    def buttons(self, chat: int) -> list[str]:
        """The labels under the bot's messages."""
        return [
            button["text"]
            for message in self.visible(chat)
            for row in message.get("reply_markup", {}).get("inline_keyboard", [])
            for button in row
        ]

    @property
    def answers(self) -> dict[str, int]:
        """How many messages of the bot stand in each chat that has any."""
        counts = {str(chat): len(self.visible(chat)) for chat in list(self.messages)}
        return {chat: count for chat, count in counts.items() if count}

    def called(self, method: str) -> list[Json]:
        return [parameters for name, parameters in self.calls if name == method]

    @property
    def unconfirmed(self) -> int:
        """How many updates would come again."""
        return len(self._updates)

    # --- trouble ----------------------------------------------------------------------------------------------------

    def fail(self, method: str, fault: Fault) -> None:
        self._faults[method].append(fault)

    def flood(self, method: str, retry_after: int, **when: Any) -> None:
        """A penalty; `when` as in Fault: chat, times, after."""
        description = f"Too Many Requests: retry after {retry_after}"
        self.fail(method, Fault(429, description, {"retry_after": retry_after}, **when))

    # --- HTTP -------------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        parameters = await _parameters(request)
        self.calls.append((method, parameters))
        try:
            if request.match_info["token"] != self.token:
                raise Refusal(401, "Unauthorized")
            call: Callable[[Json], Any] | None = getattr(self, f"_do_{_snake(method)}", None)
            if self.answer_to_missing and method in self.missing:
                status, text = self.answer_to_missing
                return web.Response(status=status, text=text)
            if call is None or method in self.missing:
                raise Refusal(404, "Not Found")
            fault = self._fault(method, parameters)
            if fault is not None and not fault.cut:
                await asyncio.sleep(fault.delay)
                raise Refusal(fault.status, fault.description, **fault.parameters)
            result = await call(parameters)
            if fault is not None:
                assert request.transport is not None
                request.transport.abort()
        except Refusal as refusal:
            body: Json = {"ok": False, "error_code": refusal.status, "description": str(refusal)}
            if refusal.parameters:
                body["parameters"] = refusal.parameters
            return web.json_response(body, status=refusal.status)
        return web.json_response({"ok": True, "result": result})

    async def _control(self, request: web.Request) -> web.Response:
        """`say`, `visible_messages`, … for another process: POST {"args": […], "kwargs": {…}}."""
        given = await request.json()
        wanted = getattr(self, request.match_info["name"])
        told = wanted(*given.get("args", ()), **given.get("kwargs", {})) if callable(wanted) else wanted
        return web.json_response(await told if inspect.isawaitable(told) else told)

    async def _serve_file(self, request: web.Request) -> web.Response:
        content = self.files.get(request.match_info["path"])
        return web.Response(body=content) if content is not None else web.Response(status=404)

    def _fault(self, method: str, parameters: Json) -> Fault | None:
        for fault in self._faults[method]:
            if fault.times <= 0 or fault.chat not in (None, parameters.get("chat_id")):
                continue
            if fault.after:
                fault.after -= 1
                continue
            fault.times -= 1
            return fault
        return None

    # --- Bot API ----------------------------------------------------------------------------------------------------

    async def _do_get_me(self, _: Json) -> Json:
        return self.me

    async def _do_get_updates(self, given: Json) -> list[Json]:
        if self.webhook["url"]:
            raise Refusal(409, "Conflict: can't use getUpdates method while webhook is active")
        if self._poll is not None and not self._poll.done():
            self._poll.cancel("conflict")
        offset, limit = given.get("offset", 0), given.get("limit", 100)
        self._updates = [update for update in self._updates if update["update_id"] >= offset]
        self._poll = asyncio.ensure_future(self._some_update())
        poll = self._poll
        try:
            await asyncio.wait_for(poll, max(given.get("timeout", 0), 0.001))
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            if poll is self._poll:
                raise
            description = "Conflict: terminated by other getUpdates request"
            raise Refusal(409, description) from None
        return self._updates[:limit]

    async def _some_update(self) -> None:
        while not self._updates:
            self._news.clear()
            await self._news.wait()

    async def _do_set_webhook(self, given: Json) -> bool:
        if not str(given.get("url", "")).startswith("http"):
            raise Refusal(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        self.webhook = given
        if self._pusher is None:
            self._pusher = asyncio.create_task(self._keep_pushing())
        return True

    async def _do_delete_webhook(self, _: Json) -> bool:
        self.webhook = {"url": ""}
        return True

    async def _do_get_webhook_info(self, _: Json) -> Json:
        known: Json = {key: self.webhook[key] for key in ("url", "last_error_message") if key in self.webhook}
        return {**known, "has_custom_certificate": False, "pending_update_count": self.unconfirmed}

    async def _keep_pushing(self) -> None:
        """One update at a time, again and again until the other side says 2xx."""
        async with aiohttp.ClientSession() as session:
            while True:
                await self._some_update()
                update = self._updates[0]
                headers = {"X-Telegram-Bot-Api-Secret-Token": str(self.webhook.get("secret_token", ""))}
                try:
                    async with session.post(self.webhook["url"], json=update, headers=headers) as response:
                        delivered = response.ok
                except aiohttp.ClientError:
                    delivered = False
                if delivered:
                    self._updates.remove(update)
                else:
                    await asyncio.sleep(0.01)

    async def _do_send_message(self, given: Json) -> Json:
        chat = self._open_chat(given)
        _check_text(given)
        message = self._new_message(chat, self.me)
        message |= {"text": given["text"], **_shown(given)}
        if thread := given.get("message_thread_id"):
            message |= {"message_thread_id": thread, "is_topic_message": True}
        if quoted := given.get("reply_parameters"):
            message["reply_to_message"] = self.messages[chat].get(quoted["message_id"], {})
        self._shown.set()
        return message

    async def _do_edit_message_text(self, given: Json) -> Json:
        chat = self._open_chat(given)
        _check_text(given)
        message = self.messages[chat].get(given["message_id"])
        if message is None or message["from"]["id"] != BOT_ID or "document" in message:
            raise Refusal(400, "Bad Request: message to edit not found")
        changed = {key: value for key, value in message.items() if key not in ("entities", "reply_markup")}
        changed |= {"text": given["text"], **_shown(given)}
        if changed == message:
            raise Refusal(400, "Bad Request: message is not modified: specified new message content is the same")
        message.clear()
        message.update(changed)
        return message

    async def _do_send_message_draft(self, given: Json) -> bool:
        chat = self._open_chat(given)
        if chat < 0 or not given.get("draft_id"):
            raise Refusal(400, "Bad Request: TEXTDRAFT_PEER_INVALID")
        if given.get("text"):
            _check_text(given)
        self.drafts.append(given)
        return True

    async def _do_delete_message(self, given: Json) -> bool:
        if self.messages[self._open_chat(given)].pop(given["message_id"], None) is None:
            raise Refusal(400, "Bad Request: message to delete not found")
        return True

    async def _do_send_chat_action(self, given: Json) -> bool:
        self._open_chat(given)
        return True

    async def _do_answer_callback_query(self, given: Json) -> bool:
        if given["callback_query_id"] in self.answered:
            raise Refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self.answered.append(given["callback_query_id"])
        return True

    async def _do_send_document(self, given: Json) -> Json:
        message = self._new_message(self._open_chat(given), self.me)
        document = given["document"]
        file_id = f"file-{message['message_id']}"
        self.files[file_id] = document["content"]
        file = {"file_id": file_id, "file_unique_id": file_id, "file_name": document["name"]}
        message["document"] = {**file, "file_size": len(document["content"])}
        return message

    async def _do_get_file(self, given: Json) -> Json:
        content = self.files.get(given["file_id"])
        if content is None:
            raise Refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        if len(content) > 20_000_000:
            raise Refusal(400, "Bad Request: file is too big")
        file_id = given["file_id"]
        return {"file_id": file_id, "file_unique_id": file_id, "file_size": len(content), "file_path": file_id}

    async def _do_set_my_commands(self, given: Json) -> bool:
        self.commands[given.get("scope", {}).get("type", "default")] = given["commands"]
        return True

    async def _do_get_chat_administrators(self, given: Json) -> list[Json]:
        chat = self._open_chat(given)
        return [
            {
                "status": "creator",
                "user": self.users[user],
                "is_anonymous": False,
            }
            for user in sorted(self.managers[chat])
        ]

    # --- inside -----------------------------------------------------------------------------------------------------

    def _open_chat(self, given: Mapping[str, Any]) -> int:
        chat = int(given["chat_id"])
        if chat in self.moved:
            description = "Bad Request: group chat was upgraded to a supergroup chat"
            raise Refusal(400, description, migrate_to_chat_id=self.moved[chat])
        if chat not in self.chats:
            raise Refusal(400, "Bad Request: chat not found")
        if chat in self.gone:
            kicked = "bot was kicked from the supergroup chat" if chat < 0 else "bot was blocked by the user"
            raise Refusal(403, f"Forbidden: {kicked}")
        if chat not in self.started:
            raise Refusal(403, "Forbidden: bot can't initiate conversation with a user")
        thread = given.get("message_thread_id")
        if thread is not None and thread not in self.topics[chat]:
            raise Refusal(400, "Bad Request: message thread not found")
        return chat

    def _new_message(self, chat: int, author: Json) -> Json:
        self._next_message += 1
        message: Json = {
            "message_id": self._next_message,
            "from": author,
            "chat": self.chats[chat],
            "date": int(self.clock()),
        }
        self.messages[chat][self._next_message] = message
        return message


def _snake(method: str) -> str:
    return re.sub(r"[A-Z]", lambda match: f"_{match.group().lower()}", method)


def _shown(given: Json) -> Json:
    return {key: given[key] for key in ("entities", "reply_markup") if given.get(key)}


def _check_text(given: Json) -> None:
    text = given.get("text", "")
    if not text.strip():
        raise Refusal(400, "Bad Request: message text is empty")
    if units(text) > MAX_TEXT:
        raise Refusal(400, "Bad Request: message is too long")
    if "parse_mode" in given:
        raise Refusal(400, "Bad Request: can't parse entities: this server takes entities only")
    if len(given.get("entities", [])) > 100:
        raise Refusal(400, "Bad Request: too many entities")
    for entity in given.get("entities", []):
        if entity["offset"] < 0 or entity["length"] < 1 or entity["offset"] + entity["length"] > units(text):
            raise Refusal(400, "Bad Request: ENTITY_BOUNDS_INVALID")
    for row in given.get("reply_markup", {}).get("inline_keyboard", []):
        for button in row:
            if len(button.get("callback_data", "x").encode()) > 64:
                raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")


async def _parameters(request: web.Request) -> Json:
    """Form fields, those that are JSON opened; text stays text."""
    given: Json = {}
    for key, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            given[key] = {"name": value.filename, "content": value.file.read()}
        elif isinstance(value, str) and key not in ("text", "caption", "url", "secret_token", "callback_query_id"):
            try:
                given[key] = json.loads(value)
            except ValueError:
                given[key] = value
        else:
            given[key] = value
    return given


async def _main() -> None:
    """On its own, for benchmarks: prints its address and runs until it is ended."""
    async with TelegramServer() as server:
        sys.stdout.write(f"{server.base_url.removesuffix('/bot')}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
