"""Slack through slack-bolt: Socket Mode or HTTP, direct messages, channels and their threads."""

from adapters.platforms.slack.adapter import SlackAdapter
from adapters.platforms.slack.config import CAPABILITIES, PLATFORM, Engagement, SlackConfig
from adapters.platforms.slack.manifest import manifest, manifest_text

__all__ = ["CAPABILITIES", "PLATFORM", "Engagement", "SlackAdapter", "SlackConfig", "manifest", "manifest_text"]
