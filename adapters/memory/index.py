"""Where vectors are compared: Qdrant, embedded or as a server. It holds ids and vectors, never a text."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from core.errors import InvalidNamespace, MemoryUnavailable
from core.types import MemoryId, MemoryNamespace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from qdrant_client import QdrantClient
    from qdrant_client import models as qdrant

    Vectors = NDArray[np.float32]

TIMEOUT_SECONDS = 2
PAGE = 1_000
MOST_POINTS = 1_000_000


class QdrantIndex:
    """The nearest vectors of one namespace, by cosine. Synchronous; one thread owns it, which is also its write lock.

    Embedded (`url` empty) there is one collection a namespace, in memory, without any filter: the client's local mode
    walks over all points of a collection (facts: 21 ms at 1,000 filtered points, 1 ms unfiltered). On a server all
    namespaces share one collection, with a tenant index on the payload's `namespace`; `generation` in the payload tells
    which version of a memory a point shows, so that a server that missed a write is mended at the next load.

    Raises MemoryUnavailable from every method when the server does not answer.
    """

    def __init__(self, dimension: int, *, url: str = "", api_key: str = "", collection: str = "memorychat") -> None:
        self._dimension = dimension
        self._url = url
        self._api_key = api_key
        self._shared = f"{collection}_{dimension}" if url else ""
        self._client: QdrantClient | None = None

    @classmethod
    def over(cls, client: QdrantClient, dimension: int, *, collection: str = "memorychat") -> QdrantIndex:
        """On a client of one's own, laid out as on a server."""
        index = cls(dimension, url="given", collection=collection)
        index._connect = lambda: client  # type: ignore[method-assign]  # the one seam for another transport
        return index

    @property
    def is_shared(self) -> bool:
        """Whether other processes use the same index: a server."""
        return bool(self._shared)

    def open(self) -> None:
        """Import the client and connect: about a second, so do it off the event loop."""
        self._opened()

    def fill(self, namespace: MemoryNamespace, generations: Mapping[MemoryId, int], vectors: Vectors) -> None:
        """Make the namespace hold exactly these memories; `vectors` has their rows in the same order."""
        ids = list(generations)
        if not self._shared:
            with _mapped():
                self._opened().delete_collection(self._collection(namespace))
                self._create(self._collection(namespace))
                if ids:
                    self._opened().upload_collection(
                        self._collection(namespace), vectors=vectors, ids=list(map(str, ids))
                    )
            return
        known = self._server_generations(namespace)
        self.remove(namespace, [memory_id for memory_id in known if memory_id not in generations])
        stale = [row for row, memory_id in enumerate(ids) if known.get(memory_id) != generations[memory_id]]
        self.put(namespace, {ids[row]: generations[ids[row]] for row in stale}, vectors[stale])

    def put(self, namespace: MemoryNamespace, generations: Mapping[MemoryId, int], vectors: Vectors) -> None:
        """Insert or replace."""
        from qdrant_client import models

        ids = list(generations)
        for start in range(0, len(ids), PAGE):
            page = ids[start : start + PAGE]
            payloads = [{"namespace": str(namespace), "generation": generations[memory_id]} for memory_id in page]
            batch = models.Batch(
                ids=list(map(str, page)),
                vectors=vectors[start : start + PAGE].tolist(),
                payloads=payloads if self._shared else None,
            )
            with _mapped():
                self._opened().upsert(self._collection(namespace), batch)

    def remove(self, namespace: MemoryNamespace, ids: Sequence[MemoryId]) -> None:
        from qdrant_client import models

        if ids:
            with _mapped():
                points = models.PointIdsList(points=list(map(str, ids)))
                self._opened().delete(self._collection(namespace), points)

    def unload(self, namespace: MemoryNamespace) -> None:
        """Give the namespace's memory back; a server keeps it."""
        if not self._shared:
            with _mapped():
                self._opened().delete_collection(self._collection(namespace))

    def erase(self, namespace: MemoryNamespace) -> None:
        if self._shared:
            with _mapped():
                self._opened().delete(self._shared, self._filter(namespace))
        else:
            self.unload(namespace)

    def nearest(self, namespace: MemoryNamespace, vector: Vectors, limit: int) -> dict[MemoryId, float]:
        """Cosines of the nearest memories, best first."""
        with _mapped():
            points = self._opened().query_points(
                self._collection(namespace),
                query=vector.tolist() if self._shared else vector,
                query_filter=self._filter(namespace) if self._shared else None,
                limit=limit,
                with_payload=False,
            )
        return {MemoryId(str(point.id)): point.score for point in points.points}

    def cosines(self, namespace: MemoryNamespace, vector: Vectors, ids: Sequence[MemoryId]) -> dict[MemoryId, float]:
        """Cosines of given memories; ids that are not there are left out."""
        import numpy as np

        if not ids:
            return {}
        with _mapped():
            records = self._opened().retrieve(
                self._collection(namespace), list(map(str, ids)), with_payload=False, with_vectors=True
            )
        rows = {MemoryId(str(record.id)): np.asarray(record.vector, np.float32) for record in records}
        return {memory_id: float(row @ vector) for memory_id, row in rows.items()}

    def held(self, namespace: MemoryNamespace) -> dict[MemoryId, int]:
        """What is really there, by generation; embedded, where nobody else can write, every generation is 0."""
        if self._shared:
            return self._server_generations(namespace)
        with _mapped():
            if not self._opened().collection_exists(self._collection(namespace)):
                return {}
            points, _ = self._opened().scroll(self._collection(namespace), limit=MOST_POINTS, with_payload=False)
        return {MemoryId(str(point.id)): 0 for point in points}

    def on_server(self) -> set[MemoryNamespace]:
        """Every namespace that has a point on the server; none when there is no server."""
        if not self._shared:
            return set()
        found: set[MemoryNamespace] = set()
        for record in self._scroll(None, "namespace"):
            with suppress(InvalidNamespace):
                found.add(MemoryNamespace.parse(str((record.payload or {}).get("namespace"))))
        return found

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _opened(self) -> QdrantClient:
        if self._client is None:
            with _mapped():
                client = self._connect()
                self._prepare(client)
            self._client = client
        return self._client

    def _connect(self) -> QdrantClient:
        from qdrant_client import QdrantClient

        if not self._url:
            # It warns on stderr from 20,000 points on; `QDRANT_URL` and its use stand in the README.
            warnings.filterwarnings("ignore", "Local mode is not recommended", UserWarning)
            return QdrantClient(":memory:")
        # The compatibility check would ask from a thread of its own and warn where nobody looks.
        return QdrantClient(
            url=self._url, api_key=self._api_key or None, timeout=TIMEOUT_SECONDS, check_compatibility=False
        )

    def _prepare(self, client: QdrantClient) -> None:
        if not self._shared or client.collection_exists(self._shared):
            return
        from qdrant_client import models

        self._create(self._shared, client)
        tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        if self._url != "given":
            client.create_payload_index(self._shared, "namespace", tenant)

    def _create(self, name: str, client: QdrantClient | None = None) -> None:
        from qdrant_client import models

        # All vectors here have length one: their products are cosines. The client's own engine would otherwise measure
        # every length anew at each search, which at 50,000 memories takes ten times as long as the products.
        distance = models.Distance.COSINE if self._shared else models.Distance.DOT
        vectors = models.VectorParams(size=self._dimension, distance=distance)
        (client or self._opened()).create_collection(name, vectors_config=vectors)

    def _collection(self, namespace: MemoryNamespace) -> str:
        return self._shared or str(namespace).replace(":", "_")

    def _filter(self, namespace: MemoryNamespace) -> qdrant.Filter:
        from qdrant_client import models

        match = models.MatchValue(value=str(namespace))
        return models.Filter(must=[models.FieldCondition(key="namespace", match=match)])

    def _server_generations(self, namespace: MemoryNamespace) -> dict[MemoryId, int]:
        found: dict[MemoryId, int] = {}
        for record in self._scroll(namespace):
            found[MemoryId(str(record.id))] = int((record.payload or {}).get("generation", -1))
        return found

    def _scroll(self, namespace: MemoryNamespace | None, field: str = "generation") -> Iterator[qdrant.Record]:
        offset: object = None
        while True:
            with _mapped():
                records, offset = self._opened().scroll(
                    self._shared,
                    scroll_filter=self._filter(namespace) if namespace else None,
                    limit=PAGE,
                    offset=offset,  # type: ignore[arg-type]  # the client's own id type, handed back to it
                    with_payload=[field],
                )
            yield from records
            if offset is None:
                return


@contextmanager
def _mapped() -> Iterator[None]:
    """The client's exceptions as ours (they may quote the request, so nothing of them is kept)."""
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ApiException

    try:
        yield
    except (ApiException, QdrantException, OSError, ValueError) as error:
        # ValueError: an answer that is not JSON, or not of the shape that Qdrant's has.
        raise MemoryUnavailable("vector index", type(error).__name__) from None
