"""Long-term memory: mem0's write path over our index, embedder and sealed store."""

import os

# Read when numpy is first imported. Its products wait for memory, not for a core: a second thread trebles the CPU that
# a search of 10,000 memories costs and wins no time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
