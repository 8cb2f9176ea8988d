"""Canonical Markdown (CommonMark, tables, strikethrough) in the form each platform shows.

One module a dialect: `slack`, `telegram`, `discord`, `plain`. Each has `render(markdown)`, and those of platforms with
a limit `split(markdown)`, the same cut into messages. All of it is pure and deterministic. Two promises stand above
looks: every word of the text arrives, and nobody is pinged by it.
"""
