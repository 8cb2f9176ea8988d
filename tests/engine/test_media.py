"""Files in messages: images reach the model, voice notes become words, the rest is refused without losing the text."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.memory.embedder import Embedder
from core.errors import BadArgument, ModelUnavailable, NotFound
from core.media import MAX_BYTES, MAX_IMAGES
from core.messages import Attachment, ReplyKind
from core.policy import EnginePolicy
from tests.support.models import ScriptedModel
from tests.support.world import Town, TownAdapter, world

PNG = b"\x89PNG a small picture"


@dataclass
class Letterbox(TownAdapter):
    """Hands out the files that a test put into it."""

    files: dict[str, bytes] = field(default_factory=lambda: {"pic": PNG, "voice": b"OggS"})

    async def fetch(self, attachment: Attachment, *, max_bytes: int) -> bytes:
        if attachment.reference not in self.files:
            raise NotFound
        content = self.files[attachment.reference]
        if len(content) > max_bytes:
            raise BadArgument
        return content


@dataclass
class Ear:
    """A transcriber that hears what a test says."""

    hears: str = "my dog is called Rex"
    failures: list[Exception] = field(default_factory=list)
    heard: list[tuple[bytes, str]] = field(default_factory=list)

    async def transcribe(self, audio: bytes, media_type: str) -> str:
        if self.failures:
            raise self.failures.pop(0)
        self.heard.append((audio, media_type))
        return self.hears

    async def close(self) -> None:
        """Nothing to close."""


def image(reference: str = "pic", media_type: str = "image/png", size: int = 0) -> Attachment:
    return Attachment("image", "holiday.png", media_type, size, reference)


VOICE = Attachment("audio", "voice.ogg", "audio/ogg; codecs=opus", 4, "voice")
TABLE = Attachment("file", "table.xlsx", "application/vnd.ms-excel", 4, "table")
FILM = Attachment("video", "film.mp4", "video/mp4", 4, "film")


async def said(town: Town, text: str, *attachments: Attachment) -> tuple[ReplyKind, str]:
    reply = await town.person("ana").says(text, attachments=attachments)
    return reply.kind, reply.text


def images(model: ScriptedModel) -> Sequence[str]:
    return model.calls[-1].messages[-1].images


async def test_an_image_reaches_the_model_with_its_question(embedder: Embedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model, adapter=Letterbox()) as town:
        await said(town, "what is this?", image())
        assert images(model) == (f"data:image/png;base64,{base64.b64encode(PNG).decode()}",)
        await said(town, "", image())
        assert images(model)
        assert model.calls[-1].messages[-1].content == "[file]"
        await said(town, "and now?")
        assert not any(message.images for message in model.calls[-1].messages)
        assert all(message.content for message in model.calls[-1].messages)


async def test_a_model_without_eyes_says_so(embedder: Embedder) -> None:
    policy = EnginePolicy(takes_images=False)
    async with world(embedder=embedder, adapter=Letterbox(), policy=policy) as town:
        assert await said(town, "", image()) == (ReplyKind.ERROR, "My language model cannot see images.")
        kind, text = await said(town, "hello", image())
        assert kind is ReplyKind.ANSWER
        assert text.startswith("_My language model cannot see images._")
        assert text.endswith("You said: hello")


async def test_only_so_many_images_of_known_kinds(embedder: Embedder) -> None:
    model = ScriptedModel()
    async with world(embedder=embedder, model=model, adapter=Letterbox()) as town:
        _, text = await said(town, "look", *(image() for _ in range(MAX_IMAGES + 2)), image(media_type="image/heic"))
        assert len(images(model)) == MAX_IMAGES
        assert text.count("up to 4 images") == 1
        assert "JPEG, PNG" in text


async def test_a_voice_note_is_words_to_answer_and_to_remember(embedder: Embedder) -> None:
    ear = Ear()
    async with world(embedder=embedder, adapter=Letterbox(), transcriber=ear) as town:
        assert await said(town, "", VOICE) == (ReplyKind.ANSWER, "You said: my dog is called Rex")
        assert ear.heard == [(b"OggS", "audio/ogg")]
        assert "Rex" in (await town.person("ana").says("/memories")).text


async def test_voice_notes_that_cannot_be_heard(embedder: Embedder) -> None:
    ear = Ear(failures=[ModelUnavailable("away")])
    async with world(embedder=embedder, adapter=Letterbox(), transcriber=ear) as town:
        kind, text = await said(town, "", VOICE)
        assert kind is ReplyKind.ERROR
        assert "/retry" in text
        assert (await town.person("ana").says("/retry")).text == "You said: my dog is called Rex"
        ear.hears = ""
        assert "no words" in (await said(town, "", VOICE))[1]
    async with world(embedder=embedder, adapter=Letterbox()) as town:
        assert "cannot listen" in (await said(town, "", VOICE))[1]


async def test_other_files_are_refused_and_the_text_is_answered(embedder: Embedder) -> None:
    async with world(embedder=embedder, adapter=Letterbox()) as town:
        kind, text = await said(town, "", TABLE, FILM)
        assert kind is ReplyKind.ERROR
        assert "cannot read files of that kind" in text
        assert "cannot watch videos" in text
        assert (await said(town, "hello", TABLE))[1].endswith("You said: hello")
    async with world(embedder=embedder) as town:
        assert "cannot read files" in (await said(town, "", image()))[1]


async def test_files_too_large_or_gone(embedder: Embedder) -> None:
    adapter = Letterbox(files={"big": b"x" * (MAX_BYTES + 1)})
    async with world(embedder=embedder, adapter=adapter) as town:
        assert "up to 20 MB" in (await said(town, "", image("told", size=MAX_BYTES + 1)))[1]
        assert "up to 20 MB" in (await said(town, "", image("big")))[1]
        assert "could not get that file" in (await said(town, "", image("gone")))[1]


async def test_an_incognito_file_is_named_nowhere(embedder: Embedder) -> None:
    async with world(embedder=embedder, adapter=Letterbox()) as town:
        ana = town.person("ana")
        await ana.says("/incognito")
        await said(town, "what is this?", image())
        row = await town.store.newest_turn((await town.store.list_conversations(town.adapter.name))[0].id)
        assert row is not None
        assert row.content is None
        assert "holiday" not in repr(vars(town.store))
