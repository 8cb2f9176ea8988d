"""Long-term memory: mem0's write path over our index, embedder and sealed store."""
