"""A small stateful Slack: what the real SDK talks to over real HTTP and WebSocket when there is no Slack.

It keeps people, channels, messages, streams, ephemeral answers and files, checks what the real one checks (membership,
sizes, stream states, uses of a response_url) and can be told to fail.

    async with SlackServer() as slack:
        config = SlackConfig(bot_token=slack.bot_token, app_token=slack.app_token, base_url=slack.base_url)
        slack.say(ANNA, "hello")                      # in her DM with the bot
        slack.say(BEN, f"<@{BOT}> hi", channel=TEAM_ROOM)
        ...
        assert slack.visible_messages(DM[ANNA], ANNA) == ["Hello Anna"]
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Self

from aiohttp import web

from tests.e2e.slack.model import (
    ANNA,
    BEN,
    BOT,
    BOT_ID,
    CARLA,
    DM,
    MARKDOWN_LIMIT,
    OTHER_ROOM,
    TEAM,
    TEAM_ROOM,
    Fault,
    Message,
    Refusal,
    arguments_of,
    check,
    check_blocks,
    failed,
    page,
    type_of,
)
from tests.e2e.slack.transport import HttpTransport, Json, Sent, SocketTransport


class SlackServer:
    """`calls` are the Web API calls in order; `faults` what the next ones of a method meet; `missing` are methods that
    this server does not know, `under_way` counts calls whose effect may be still to come."""

    def __init__(self, *, signing_secret: str = "shh") -> None:
        self.bot_token, self.app_token, self.signing_secret = "xoxb-test", "xapp-test", signing_secret
        self.socket = SocketTransport()
        self.http: HttpTransport | None = None
        self.calls: list[tuple[str, Json]] = []
        self.faults: dict[str, list[Fault]] = {}
        self.missing: set[str] = set()
        self.answer_to_missing: tuple[int, str] | None = None
        self.under_way = 0
        self.channels: dict[str, dict[str, Message]] = {}
        self.members: dict[str, set[str]] = {TEAM_ROOM: {BOT, ANNA, BEN}, OTHER_ROOM: {ANNA, BEN}}
        self.creators = {TEAM_ROOM: BEN, OTHER_ROOM: ANNA}
        self.people: dict[str, Json] = {
            ANNA: {"name": "anna", "profile": {"display_name": "Anna"}, "is_admin": True, "locale": "en-US"},
            BEN: {"name": "ben", "profile": {"display_name": "", "real_name": "Ben Müller"}, "locale": "de-DE"},
            CARLA: {"name": "carla", "profile": {"display_name": "Карла 🦊"}},
        }
        self.response_uses: dict[str, list[Any]] = {}
        self.uploads: dict[str, bytes] = {}
        self.shared_files: dict[str, str] = {}
        self.downloads: dict[str, tuple[str, bytes]] = {}
        self.statuses: list[str] = []
        self.scopes = ["chat:write", "im:history", "users:read"]
        self.closed_directs: set[str] = set()
        self.sent: list[Sent] = []
        self.ahead = 0.0
        """Seconds that its clock is ahead of this machine's."""
        self._last = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def base_url(self) -> str:
        return f"{self.url}/api/"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64_000_000)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_get("/socket", self.socket.connect)
        app.router.add_post("/response/{id}", self._respond)
        app.router.add_post("/upload/{file}", self._upload)
        app.router.add_get("/files/{file}", self._download)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await self.socket.close()
        assert self._runner is not None
        await self._runner.cleanup()

    # -- what people do -----------------------------------------------------------------------------------------------

    def say(self, user: str, text: str, *, channel: str = "", thread: str = "", files: list[Json] | None = None) -> str:
        """Write a message (in the DM with the bot, unless `channel` is named) and tell the app. Returns its ts."""
        channel = channel or DM[user]
        message = self._add(channel, Message(self.now(), user, text, thread_ts=thread, files=files or []))
        event = {**message.as_event(), "channel": channel, "channel_type": type_of(channel)}
        if thread and thread in self.channels[channel]:
            event["parent_user_id"] = self.channels[channel][thread].user
        if BOT in self.members.get(channel, {BOT}):
            self.tell(event)
            if f"<@{BOT}>" in text and not channel.startswith("D"):
                self.tell({**{k: v for k, v in event.items() if k != "channel_type"}, "type": "app_mention"})
        return message.ts

    def edit(self, channel: str, ts: str, text: str) -> None:
        message = self.channels[channel][ts]
        before, message.text = message.as_event(), text
        event = {"type": "message", "subtype": "message_changed", "hidden": True, "channel": channel, "ts": self.now()}
        after = {**message.as_event(), "edited": {"user": message.user, "ts": self.now()}}
        self.tell({**event, "channel_type": type_of(channel), "message": after, "previous_message": before})

    def delete(self, channel: str, ts: str) -> None:
        before = self.channels[channel].pop(ts).as_event()
        event = {"type": "message", "subtype": "message_deleted", "hidden": True, "channel": channel, "ts": self.now()}
        self.tell({**event, "channel_type": type_of(channel), "deleted_ts": ts, "previous_message": before})

    def command(self, user: str, command: str, text: str = "", *, channel: str = "") -> Sent:
        channel = channel or DM[user]
        payload = {
            "command": command,
            "text": text,
            "user_id": user,
            "user_name": self.people[user]["name"],
            "team_id": TEAM,
            "channel_id": channel,
            "channel_name": "directmessage" if channel.startswith("D") else "team",
            "trigger_id": self.now(),
            "response_url": self.response_url(channel, user),
        }
        return self.deliver("slash_commands", payload)

    def press(self, user: str, message: Message, label: str, *, channel: str) -> Sent:
        button = next(item for item in message.buttons() if item["text"]["text"] == label)
        shown = {"message_ts": message.ts, "channel_id": channel, "is_ephemeral": bool(message.only_for)}
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": self.people[user]["name"], "team_id": TEAM},
            "team": {"id": TEAM},
            "channel": {"id": channel, "name": "x"},
            "container": {"type": "message", **shown},
            "message": {"ts": message.ts, "thread_ts": message.thread_ts or None},
            "actions": [{**button, "block_id": "b", "action_ts": self.now()}],
            "response_url": self.response_url(channel, user),
            "trigger_id": self.now(),
        }
        return self.deliver("interactive", payload)

    def visible_messages(self, channel: str, user: str = "") -> list[str]:
        """What the bot has said there, as that person (or, without one, everybody) can read it."""
        messages = self.messages(channel)
        return [message.shown for message in messages if message.only_for in ("", user) and message.user == BOT]

    def messages(self, channel: str) -> list[Message]:
        """In order; ephemeral ones carry `only_for`."""
        return sorted(self.channels.get(channel, {}).values(), key=lambda message: message.ts)

    def last(self, channel: str) -> Message:
        return [message for message in self.messages(channel) if message.user == BOT][-1]

    # -- what happens to the app --------------------------------------------------------------------------------------

    def tell(self, event: Json) -> Sent:
        body = {"type": "event_callback", "team_id": TEAM, "api_app_id": "A1", "event_id": f"Ev{self.now()}"}
        return self.deliver("events_api", {**body, "event": event, "authorizations": [{"team_id": TEAM}]})

    def fail(self, method: str, *faults: Fault) -> None:
        self.faults.setdefault(method, []).extend(faults)

    def expire_streams(self) -> None:
        """Slack ends streams by itself after some minutes."""
        for messages in self.channels.values():
            for message in messages.values():
                message.streaming = False

    def response_url(self, channel: str, user: str, uses: int = 5) -> str:
        key = self.now()
        self.response_uses[key] = [uses, channel, user]
        return f"{self.url}/response/{key}"

    def offer_file(self, name: str, media_type: str, content: bytes) -> Json:
        """A file that can be sent with `say`."""
        file_id = f"F{self.now()}"
        self.downloads[file_id] = (media_type, content)
        address = f"{self.url}/files/{file_id}"
        shape = {"id": file_id, "name": name, "mimetype": media_type, "size": len(content)}
        return {**shape, "url_private_download": address}

    def called(self, method: str) -> list[Json]:
        return [arguments for name, arguments in self.calls if name == method]

    def now(self) -> str:
        self._last = micros = max(int(1e6 * (time.time() + self.ahead)), self._last + 1)
        return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"

    def deliver(self, kind: str, payload: Json) -> Sent:
        """Any payload, of the kinds `events_api`, `slash_commands` and `interactive`."""
        sent = Sent(kind, payload)
        self.sent.append(sent)
        task = asyncio.create_task((self.http or self.socket).send(sent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return sent

    def _add(self, channel: str, message: Message) -> Message:
        self.channels.setdefault(channel, {})[message.ts] = message
        return message

    # -- the Web API --------------------------------------------------------------------------------------------------

    async def _api(self, request: web.Request) -> web.StreamResponse:
        self.under_way += 1
        try:
            return await self._answer(request)
        finally:
            self.under_way -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments = await arguments_of(request)
        self.calls.append((method, arguments))
        handler = getattr(self, "_do_" + method.replace(".", "_").lower(), None)
        fault = self.faults.get(method, []).pop(0) if self.faults.get(method) else Fault()
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.status != 200 or fault.error:
            return failed(fault)
        if self.answer_to_missing and method in self.missing:
            status, body = self.answer_to_missing
            return web.Response(status=status, text=body, content_type="text/html")
        if handler is None or method in self.missing:
            return web.json_response({"ok": False, "error": "unknown_method"})
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        expected = self.app_token if method == "apps.connections.open" else self.bot_token
        if token != expected:
            return web.json_response({"ok": False, "error": "invalid_auth"})
        try:
            answer = handler(arguments)
        except Refusal as refusal:
            return web.json_response({"ok": False, "error": refusal.error})
        if fault.cut and request.transport is not None:
            request.transport.abort()
        return web.json_response({"ok": True, **answer}, headers={"X-OAuth-Scopes": ",".join(self.scopes)})

    def _do_auth_test(self, _: Json) -> Json:
        return {"url": "https://t/", "team": "Team", "user": "bot", "team_id": TEAM, "user_id": BOT, "bot_id": BOT_ID}

    def _do_apps_connections_open(self, _: Json) -> Json:
        return {"url": f"{self.url.replace('http', 'ws')}/socket?ticket={self.socket.ticket()}"}

    def _do_users_info(self, arguments: Json) -> Json:
        if arguments["user"] not in self.people:
            raise Refusal("user_not_found")
        return {"user": {"id": arguments["user"], **self.people[arguments["user"]]}}

    def _do_conversations_info(self, arguments: Json) -> Json:
        channel = arguments["channel"]
        return {"channel": {"id": channel, "creator": self.creators.get(channel, "")}}

    def _do_conversations_open(self, arguments: Json) -> Json:
        user = arguments["users"]
        if user in self.closed_directs or user not in DM:
            raise Refusal("user_disabled")
        return {"channel": {"id": DM[user]}}

    def _do_conversations_replies(self, arguments: Json) -> Json:
        root = arguments["ts"]
        found = [m for m in self.messages(arguments["channel"]) if root in (m.ts, m.thread_ts) and not m.only_for]
        if not found:
            raise Refusal("thread_not_found")
        return page([m for m in found if m.ts == root or m.ts >= arguments.get("oldest", "0")], arguments)

    def _do_conversations_history(self, arguments: Json) -> Json:
        every = self.messages(arguments["channel"])
        top = [m for m in every if not m.thread_ts and not m.only_for and m.ts > arguments.get("oldest", "0")]
        answer = page(top[::-1], arguments)
        for item in answer["messages"]:
            replies = [m.ts for m in every if m.thread_ts == item["ts"]]
            item |= {"reply_count": len(replies), "latest_reply": replies[-1]} if replies else {}
        return answer

    def _do_chat_postmessage(self, arguments: Json) -> Json:
        channel = self._open_to_bot(arguments)
        check(arguments)
        message = Message(self.now(), BOT, arguments["text"], arguments.get("blocks", []))
        message.thread_ts = arguments.get("thread_ts", "")
        self._add(channel, message)
        self._echo(channel, message)
        return {"channel": channel, "ts": message.ts}

    def _do_chat_postephemeral(self, arguments: Json) -> Json:
        channel = self._open_to_bot(arguments)
        check(arguments)
        if arguments["user"] not in self.members.get(channel, set()):
            raise Refusal("user_not_in_channel")
        return {"message_ts": self._add_ephemeral(channel, arguments["user"], arguments).ts}

    def _do_chat_update(self, arguments: Json) -> Json:
        message = self._own(arguments)
        check(arguments)
        if message.streaming:
            raise Refusal("streaming_state_conflict")
        message.text, message.blocks, message.streamed = arguments["text"], arguments.get("blocks", []), ""
        message.edits += 1
        return {"channel": arguments["channel"], "ts": message.ts}

    def _do_chat_startstream(self, arguments: Json) -> Json:
        channel = self._open_to_bot(arguments)
        if not arguments.get("thread_ts"):
            raise Refusal("invalid_thread_ts")
        for name in ("recipient_team_id", "recipient_user_id"):
            if not channel.startswith("D") and not arguments.get(name):
                raise Refusal(f"missing_{name}")
        message = Message(self.now(), BOT, thread_ts=arguments["thread_ts"], streaming=True)
        message.streamed = arguments.get("markdown_text", "")
        self._add(channel, message)
        return {"channel": channel, "ts": message.ts}

    def _do_chat_appendstream(self, arguments: Json) -> Json:
        message = self._streaming(arguments)
        message.streamed += arguments["markdown_text"]
        return {"channel": arguments["channel"], "ts": message.ts}

    def _do_chat_stopstream(self, arguments: Json) -> Json:
        message = self._streaming(arguments)
        message.streamed += arguments.get("markdown_text", "")
        message.blocks, message.streaming = arguments.get("blocks", []), False
        self._echo(arguments["channel"], message)
        return {"channel": arguments["channel"], "ts": message.ts}

    def _do_assistant_threads_setstatus(self, arguments: Json) -> Json:
        self.statuses.append(arguments["status"])
        return {}

    def _do_files_getuploadurlexternal(self, arguments: Json) -> Json:
        file_id = f"F{self.now()}"
        return {"upload_url": f"{self.url}/upload/{file_id}", "file_id": file_id}

    def _do_files_completeuploadexternal(self, arguments: Json) -> Json:
        files = json.loads(arguments["files"])
        for file in files:
            if file["id"] not in self.uploads:
                raise Refusal("file_not_found")
            self.shared_files[file["id"]] = arguments["channel_id"]
        return {"files": files}

    def _do_files_info(self, arguments: Json) -> Json:
        if arguments["file"] not in self.downloads:
            raise Refusal("file_not_found")
        return {"file": {"id": arguments["file"], "url_private_download": f"{self.url}/files/{arguments['file']}"}}

    def _open_to_bot(self, arguments: Json) -> str:
        channel = str(arguments["channel"])
        if channel not in self.members and channel not in DM.values():
            raise Refusal("channel_not_found")
        if channel in self.members and BOT not in self.members[channel]:
            raise Refusal("not_in_channel")
        return channel

    def _own(self, arguments: Json) -> Message:
        message = self.channels.get(arguments["channel"], {}).get(arguments["ts"])
        if message is None or message.only_for:
            raise Refusal("message_not_found")
        if message.user != BOT:
            raise Refusal("cant_update_message")
        return message

    def _streaming(self, arguments: Json) -> Message:
        message = self._own(arguments)
        if not message.streaming:
            raise Refusal("message_not_in_streaming_state")
        if len(arguments.get("markdown_text", "")) > MARKDOWN_LIMIT:
            raise Refusal("msg_too_long")
        check_blocks(arguments.get("blocks", []))
        return message

    def _add_ephemeral(self, channel: str, user: str, arguments: Json) -> Message:
        message = Message(self.now(), BOT, arguments["text"], arguments.get("blocks", []), only_for=user)
        message.thread_ts = arguments.get("thread_ts", "")
        return self._add(channel, message)

    def _echo(self, channel: str, message: Message) -> None:
        """Slack tells an app of its own messages too."""
        self.tell({**message.as_event(), "channel": channel, "channel_type": type_of(channel)})

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        use = self.response_uses.get(request.match_info["id"])
        arguments = await request.json()
        self.calls.append(("response_url", arguments))
        faults = self.faults.get("response_url")
        if faults:
            return failed(faults.pop(0))
        if use is None or use[0] < 1:
            return web.Response(status=404, text="used_url")
        use[0] -= 1
        check(arguments)
        assert arguments["response_type"] == "ephemeral"
        self._add_ephemeral(use[1], use[2], arguments)
        return web.Response(text="ok")

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        self.uploads[request.match_info["file"]] = await request.read()
        return web.Response(text="OK - 200")

    async def _download(self, request: web.Request) -> web.StreamResponse:
        media_type, content = self.downloads.get(request.match_info["file"], ("", b""))
        if request.headers.get("Authorization") != f"Bearer {self.bot_token}" or not media_type:
            return web.Response(text="<html>Sign in</html>", content_type="text/html")
        return web.Response(body=content, content_type=media_type)
