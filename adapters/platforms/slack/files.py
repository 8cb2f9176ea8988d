"""Files that people send: Slack gives their address with the message, or by a call of its own."""

from __future__ import annotations

from adapters.platforms.payload import part_of, text_of
from adapters.platforms.slack.client import SlackClient
from adapters.platforms.slack.errors import delivering
from core.errors import BadArgument, DeliveryError, NotFound
from core.messages import Attachment

CHUNK = 65_536


async def fetch(client: SlackClient, attachment: Attachment, *, max_bytes: int) -> bytes:
    """The content. Raises BadArgument when it is larger than `max_bytes`, NotFound when Slack does not hand it out."""
    if attachment.size > max_bytes:
        raise _too_large(max_bytes)
    try:
        with delivering():
            url = await _address(client, attachment.reference)
            return await _download(client, url, max_bytes)
    except DeliveryError as error:
        raise NotFound(*error.args) from None


async def _address(client: SlackClient, reference: str) -> str:
    """Files of Slack Connect come as an id only."""
    if reference.startswith(("https://", "http://")):
        return reference
    response = await client.web.files_info(file=reference)
    return text_of(part_of({"file": response.get("file")}, "file"), "url_private_download", "url_private")


async def _download(client: SlackClient, url: str, max_bytes: int) -> bytes:
    """A page instead of a file is Slack's sign-in: the scope files:read is missing."""
    async with client.session.get(url, headers=client.token_for(url)) as response:
        is_page = response.content_type == "text/html" and "content-disposition" not in response.headers
        if response.status != 200 or is_page:
            raise NotFound(f"status {response.status}")
        content = bytearray()
        async for chunk in response.content.iter_chunked(CHUNK):
            content += chunk
            if len(content) > max_bytes:
                raise _too_large(max_bytes)
        return bytes(content)


def _too_large(max_bytes: int) -> BadArgument:
    return BadArgument(user_message=f"That file is too large for me; I take up to {max_bytes // 1_000_000} MB.")
