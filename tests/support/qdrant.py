"""A stand-in for a Qdrant server: its HTTP interface, as far as we use it, over the client's own engine in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from qdrant_client import QdrantClient, models

Body = dict[str, Any]


@dataclass
class QdrantServer:
    """`fault` is what happens to every request: `error` (500), `garbage`, `hang`, `cut`, or an `away` that has no open
    port at all."""

    engine: QdrantClient = field(default_factory=lambda: QdrantClient(":memory:"))
    fault: str = ""
    asked: list[str] = field(default_factory=list)
    indexes: list[Body] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.asked.append(f"{request.method} {request.path}")
        self.bodies.append(text)
        if self.fault == "hang":
            await asyncio.Event().wait()
        if self.fault == "cut":
            assert request.transport is not None
            request.transport.abort()
        if self.fault == "error":
            return web.json_response({"status": {"error": "disk is broken"}, "time": 0.0}, status=500)
        if self.fault == "garbage":
            return web.Response(text="<html>a proxy</html>", content_type="text/html")
        _, name, *rest = request.path.strip("/").split("/")
        result = self._do(request.method, name, "/".join(rest), json.loads(text) if text else {})
        return web.json_response({"result": result, "status": "ok", "time": 0.0})

    def _do(self, method: str, name: str, what: str, body: Body) -> object:
        if what == "exists":
            return {"exists": self.engine.collection_exists(name)}
        if (method, what) == ("PUT", ""):
            return self.engine.create_collection(name, models.VectorParams(**body["vectors"]))
        if what == "index":
            self.indexes.append(body)
        elif (method, what) == ("PUT", "points"):
            self.engine.upsert(name, models.Batch(**body["batch"]))
        elif what == "points/delete":
            selector = models.PointIdsList if "points" in body else models.FilterSelector
            self.engine.delete(name, selector(**body))
        else:
            return self._read(name, what, body)
        return {"operation_id": 1, "status": "completed"}

    def _read(self, name: str, what: str, body: Body) -> object:
        given = models.Filter(**body["filter"]) if body.get("filter") else None
        if what == "points/query":
            found = self.engine.query_points(
                name, query=body["query"]["nearest"], query_filter=given, limit=body["limit"], with_payload=False
            )
            return {"points": [point.model_dump(mode="json") for point in found.points]}
        if what == "points/scroll":
            records, offset = self.engine.scroll(
                name, scroll_filter=given, limit=body["limit"], offset=body.get("offset"), with_payload=True
            )
            return {"points": [record.model_dump(mode="json") for record in records], "next_page_offset": offset}
        records = self.engine.retrieve(name, body["ids"], with_payload=False, with_vectors=True)
        return [record.model_dump(mode="json") for record in records]


@asynccontextmanager
async def qdrant_server() -> AsyncIterator[QdrantServer]:
    server = QdrantServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()
    server.engine.close()
