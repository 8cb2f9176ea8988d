"""What `memorychat doctor` and `setup` can learn from Slack itself. Nothing is changed."""

from __future__ import annotations

from adapters.platforms.slack.adapter import INSTALL_HINT
from adapters.platforms.slack.client import SlackClient
from adapters.platforms.slack.config import SlackConfig
from adapters.platforms.slack.errors import SDK_ERRORS, error_code, refused_token
from adapters.platforms.slack.manifest import SCOPES
from core.errors import ConfigurationError

APP_HINT = "it begins with xapp- and needs the scope connections:write"


async def problems(config: SlackConfig) -> list[str]:
    """One readable line each, none when all is well: tokens and scopes."""
    client = SlackClient(config)
    try:
        with refused_token("SLACK_BOT_TOKEN", INSTALL_HINT):
            response = await client.web.auth_test()
        if config.app_token:
            with refused_token("SLACK_APP_TOKEN", APP_HINT):
                await client.web.apps_connections_open(app_token=config.app_token)
    except ConfigurationError as error:
        return list(error.problems)
    except SDK_ERRORS as error:
        name = error_code(error) or type(error).__name__
        return [f"Slack cannot be asked ({name}); check the network and SLACK_BASE_URL."]
    finally:
        await client.close()
    granted = response.headers.get("x-oauth-scopes")
    if granted is None:
        return []  # a server that does not tell
    missing = [scope for scope in SCOPES if scope not in str(granted).replace(" ", "").split(",")]
    if not missing:
        return []
    listed = ", ".join(missing)
    return [f"The token lacks {listed}: take over the manifest of `memorychat slack-manifest` and install again."]
