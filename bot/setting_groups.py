"""The groups of settings: each variable's name, type, bounds, default and meaning, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator

from bot.setting_types import (
    DatabaseUrl,
    Duration,
    HttpUrl,
    Label,
    Names,
    Rate,
    RedisUrl,
    SocketUrl,
    variable,
)

Upper = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)
Lower = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
HomeFolder = Annotated[Path, AfterValidator(Path.expanduser)]
Engagement = Annotated[Literal["mention", "all", "off"], Lower]
AccessPolicy = Annotated[Literal["open", "allowlist", "pairing"], Lower]

ENGAGEMENT_HELP = "In rooms: answer when mentioned, answer everything, or stay silent"
ACCESS_HELP = "Who may talk to the bot there; empty: as ACCESS_POLICY"
ALLOWLIST_HELP = "Ids of people, chats, workspaces and servers that may, with commas between"
MINUTE = timedelta(minutes=1)


class Group(BaseModel):
    """Settings that belong together; the docstring of each heads its part of `.env.example`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class HomeSettings(Group):
    """Where it lives"""

    folder: HomeFolder = variable("MEMORYCHAT_HOME", Path(".memorychat"), "Folder of everything that is stored here")
    history: bool = variable("CHAT_HISTORY", True, "Keep what is typed in the terminal for arrow-up (incognito never)")

    @property
    def history_file(self) -> Path:
        return self.folder / "chat_history"

    @property
    def export_folder(self) -> Path:
        """Where the terminal saves files that a reply hands over."""
        return self.folder / "exports"


class PersonaSettings(Group):
    """Who it is"""

    bot_name: Label = variable("BOT_NAME", "MemoryChat", "The bot's name", max_length=40)
    system_prompt: str = variable("SYSTEM_PROMPT", "", "Its persona, said to the model; empty: the built-in one")


class OpenAISettings(Group):
    """Language model: OpenAI or anything compatible (Ollama, vLLM, llama.cpp, LiteLLM)"""

    api_key: SecretStr | None = variable("OPENAI_API_KEY", None, "Key; without key and address the bot works offline")
    base_url: HttpUrl | None = variable("OPENAI_BASE_URL", None, "Address of a compatible server, with /v1")
    model: Label = variable("OPENAI_MODEL", "gpt-4o-mini", "Model")
    temperature: float = variable("OPENAI_TEMPERATURE", 0.7, "Temperature", ge=0, le=2)
    max_tokens: int = variable("OPENAI_MAX_TOKENS", 1000, "Longest answer, in tokens", ge=1, le=1_000_000)
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = variable(
        "OPENAI_MAX_TOKENS_FIELD", "max_tokens", "What the server calls that limit"
    )
    retries: int = variable("OPENAI_RETRIES", 3, "Tries after a failed call", ge=0, le=10)
    timeout: Duration = variable(
        "OPENAI_TIMEOUT", MINUTE, "Longest wait for the next piece of an answer", ge=timedelta(seconds=1)
    )
    prompt_price: float = variable(
        "OPENAI_PROMPT_PRICE", 0.0, "What a million prompt tokens cost, for the metrics", ge=0
    )
    completion_price: float = variable("OPENAI_COMPLETION_PRICE", 0.0, "What a million answered tokens cost", ge=0)
    images: bool = variable("OPENAI_IMAGES", True, "Whether the model takes images")
    transcription_model: str = variable("OPENAI_TRANSCRIPTION_MODEL", "", "Model for voice notes; empty: refused")

    @property
    def configured(self) -> bool:
        return self.api_key is not None or self.base_url is not None


class EmbeddingSettings(Group):
    """Embeddings: what memories are found by"""

    kind: Annotated[Literal["english", "multilingual", "openai"], Lower] = variable(
        "EMBEDDINGS", "english", "Built-in English or multilingual model, or a server's /v1/embeddings"
    )
    api_key: SecretStr | None = variable("EMBEDDINGS_API_KEY", None, "Key of that server; empty: OPENAI_API_KEY")
    base_url: HttpUrl | None = variable("EMBEDDINGS_BASE_URL", None, "Its address; empty: OPENAI_BASE_URL")
    model: Label = variable("EMBEDDINGS_MODEL", "text-embedding-3-small", "Its model")
    dimension: int = variable("EMBEDDINGS_DIMENSION", 1536, "Length of its vectors", ge=1, le=65_536)


class Mem0Settings(Group):
    """mem0's hosted platform instead of the built-in memory: memories then leave this machine, unsealed"""

    api_key: SecretStr | None = variable("MEM0_API_KEY", None, "Key; empty: memories stay here")
    base_url: HttpUrl = variable("MEM0_BASE_URL", "https://api.mem0.ai", "Address")


class QdrantSettings(Group):
    """Qdrant server for large memories; it gets ids and vectors, never text"""

    url: HttpUrl | None = variable("QDRANT_URL", None, "Address; empty: the index is in this process")
    api_key: SecretStr | None = variable("QDRANT_API_KEY", None, "Key")
    collection: Label = variable("QDRANT_COLLECTION", "memorychat", "Collection")


class DatabaseSettings(Group):
    """Database"""

    url: DatabaseUrl | None = variable("DATABASE_URL", None, "Postgres or SQLite; empty: SQLite in the home folder")
    pool_size: int = variable("DATABASE_POOL_SIZE", 8, "Connections to Postgres at most", ge=1, le=200)


class BackupSettings(Group):
    """Backups of the SQLite database by the clock; the keys are not in them"""

    folder: HomeFolder | None = variable("BACKUP_FOLDER", None, "Folder for them; empty: none are made")
    every: Duration = variable("BACKUP_EVERY", timedelta(days=1), "Time from one to the next", ge=MINUTE)
    keep: int = variable("BACKUP_KEEP", 7, "How many are kept; older ones are removed", ge=1, le=1000)


class SupabaseSettings(Group):
    """Supabase as database and for sign-in"""

    url: HttpUrl | None = variable("SUPABASE_URL", None, "Address of the project")
    key: SecretStr | None = variable("SUPABASE_KEY", None, "Public key (anon or sb_publishable_), for sign-in")
    service_key: SecretStr | None = variable(
        "SUPABASE_SERVICE_KEY", None, "service_role or sb_secret_ key; without DATABASE_URL all is kept there"
    )
    jwt_secret: SecretStr | None = variable("SUPABASE_JWT_SECRET", None, "Only for old projects that sign with HS256")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.url is None and (self.service_key is not None or self.key is not None):
            raise ValueError("SUPABASE_URL: not set, but a SUPABASE key is; set both or none")
        return self


class JWTSettings(Group):
    """Sign-in tokens of the web page and the REST API"""

    secret: SecretStr | None = variable(
        "JWT_SECRET", None, "Signs them; empty: made once and kept at home", min_length=32
    )
    algorithm: Literal["HS256", "HS384", "HS512"] = variable("JWT_ALGORITHM", "HS256", "Algorithm")
    expiry: Duration = variable("JWT_EXPIRY", 15 * MINUTE, "Life of an access token", ge=MINUTE)
    refresh_expiry: Duration = variable("JWT_REFRESH_EXPIRY", timedelta(days=30), "Life of a refresh token", ge=MINUTE)


class CORSSettings(Group):
    """Pages of other origins that may use the REST API"""

    origins: Names = variable("CORS_ORIGINS", (), "Their origins, with commas between")
    credentials: bool = variable("CORS_CREDENTIALS", False, "Whether they may send credentials")
    methods: Names = variable("CORS_METHODS", ("GET", "POST", "PUT", "PATCH", "DELETE"), "Methods")
    headers: Names = variable("CORS_HEADERS", ("Authorization", "Content-Type"), "Headers")


class RateLimitSettings(Group):
    """Rate limits of the REST API"""

    user: Rate = variable("RATE_LIMIT_USER", "120/minute", "Requests of one user")
    address: Rate = variable("RATE_LIMIT_ADDRESS", "240/minute", "Requests of one address")
    sign_in: Rate = variable("RATE_LIMIT_SIGN_IN", "10/minute", "Sign-in attempts per account and per address")


class QuotaSettings(Group):
    """Daily budgets, starting anew at 00:00 UTC; 0 is no limit"""

    messages: int = variable("DAILY_MESSAGES", 0, "Messages a person", ge=0)
    tokens: int = variable("DAILY_TOKENS", 0, "Model tokens a person", ge=0)
    instance_messages: int = variable("INSTANCE_DAILY_MESSAGES", 0, "Messages of everybody together", ge=0)
    instance_tokens: int = variable("INSTANCE_DAILY_TOKENS", 0, "Model tokens of everybody together", ge=0)


class LoggingSettings(Group):
    """Logs: ids and sizes, never content"""

    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Upper] = variable("LOG_LEVEL", "INFO", "Least level")
    format: Annotated[Literal["auto", "console", "json"], Lower] = variable(
        "LOG_FORMAT", "auto", "For eyes or for machines; auto: console on a terminal, else json"
    )


class PrivacySettings(Group):
    """Privacy"""

    session_idle: Duration = variable("SESSION_IDLE", timedelta(hours=12), "Silence that ends a talk", ge=MINUTE)
    incognito_idle: Duration = variable(
        "INCOGNITO_IDLE", timedelta(hours=2), "Silence after which an incognito talk is gone", ge=MINUTE
    )
    backlog_max_age: Duration = variable(
        "BACKLOG_MAX_AGE", timedelta(hours=1), "Older messages, from while the bot was away, are not answered"
    )
    message_retention_days: int = variable("MESSAGE_RETENTION_DAYS", 0, "Days a message is kept; 0: for ever", ge=0)
    memory_retention_days: int = variable("MEMORY_RETENTION_DAYS", 0, "Days a memory is kept; 0: for ever", ge=0)
    learning_default: bool = variable("LEARNING_DEFAULT", True, "Whether newcomers are learned from; off: paused")
    sealing: bool = variable("SEALING", True, "Encrypt messages, memories and vectors at rest")
    master_key: SecretStr | None = variable(
        "MEMORYCHAT_MASTER_KEY", None, "Base64 of 32 bytes; empty: a key file in your configuration folder"
    )
    keyring_url: DatabaseUrl | None = variable("KEYRING_URL", None, "Database of the data keys; empty: a file at home")
    undo_line: bool = variable("UNDO_LINE", False, "Show under a reply what was just learned, with undo")


class LearningSettings(Group):
    """Learning, off the reply path"""

    extraction: Annotated[Literal["memorychat", "mem0"], Lower] = variable(
        "MEMORY_EXTRACTION", "memorychat", "One short call a batch, or mem0's own inference"
    )
    after_turns: int = variable("LEARN_AFTER_TURNS", 8, "Turns after which a batch is due", ge=1, le=200)
    batch: int = variable("LEARN_BATCH", 24, "Turns in one batch at most", ge=1, le=200)
    quiet: Duration = variable("LEARN_QUIET", 2 * MINUTE, "Silence after which a batch is due")
    tokens_per_day: int = variable("LEARN_DAILY_TOKENS", 200_000, "Tokens a person a day for it; 0: no limit", ge=0)


class AccessSettings(Group):
    """Who may talk to the bot on Slack, Telegram and Discord"""

    policy: AccessPolicy = variable("ACCESS_POLICY", "pairing", "Everybody, those listed, or those you approve")
    allowlist: Names = variable("ACCESS_ALLOWLIST", (), ALLOWLIST_HELP)


class PlatformSettings(Group):
    """What the three platforms have in common; each gives the names of the variables."""

    bot_token: SecretStr | None
    engagement: Engagement
    access_policy: AccessPolicy | None
    allowlist: Names


class SlackSettings(PlatformSettings):
    """Slack: on with the bot token and either the app token (Socket Mode) or the signing secret (HTTP)"""

    bot_token: SecretStr | None = variable("SLACK_BOT_TOKEN", None, "Bot token, xoxb-…")
    app_token: SecretStr | None = variable("SLACK_APP_TOKEN", None, "App token for Socket Mode, xapp-…")
    signing_secret: SecretStr | None = variable("SLACK_SIGNING_SECRET", None, "Signing secret for HTTP")
    base_url: HttpUrl = variable("SLACK_BASE_URL", "https://slack.com/api/", "Address of the Web API")
    engagement: Engagement = variable("SLACK_ENGAGEMENT", "mention", ENGAGEMENT_HELP)
    access_policy: AccessPolicy | None = variable("SLACK_ACCESS_POLICY", None, ACCESS_HELP)
    allowlist: Names = variable("SLACK_ALLOWLIST", (), ALLOWLIST_HELP)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.bot_token is not None and self.app_token is None and self.signing_secret is None:
            raise ValueError("SLACK_BOT_TOKEN: needs SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP) too")
        return self


class TelegramSettings(PlatformSettings):
    """Telegram: on with the bot token, by polling or by webhook"""

    bot_token: SecretStr | None = variable("TELEGRAM_BOT_TOKEN", None, "Token that BotFather gave")
    webhook_url: HttpUrl | None = variable(
        "TELEGRAM_WEBHOOK_URL", None, "Public address of the webhook; empty: polling"
    )
    webhook_secret: SecretStr | None = variable("TELEGRAM_WEBHOOK_SECRET", None, "Secret that Telegram sends with it")
    base_url: HttpUrl = variable("TELEGRAM_BASE_URL", "https://api.telegram.org/bot", "Address of the Bot API")
    base_file_url: HttpUrl = variable(
        "TELEGRAM_BASE_FILE_URL", "https://api.telegram.org/file/bot", "Address of its files"
    )
    engagement: Engagement = variable("TELEGRAM_ENGAGEMENT", "mention", ENGAGEMENT_HELP)
    access_policy: AccessPolicy | None = variable("TELEGRAM_ACCESS_POLICY", None, ACCESS_HELP)
    allowlist: Names = variable("TELEGRAM_ALLOWLIST", (), ALLOWLIST_HELP)
    sends_per_second: int = variable(
        "TELEGRAM_SENDS_PER_SECOND", 30, "Messages and edits to all chats together", ge=1, le=100_000
    )
    chat_sends_per_second: int = variable("TELEGRAM_CHAT_SENDS_PER_SECOND", 1, "The same to one chat", ge=1, le=100_000)
    group_sends_per_minute: int = variable(
        "TELEGRAM_GROUP_SENDS_PER_MINUTE", 20, "The same to one group, a minute", ge=1, le=100_000
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.webhook_url is not None and self.webhook_secret is None:
            raise ValueError("TELEGRAM_WEBHOOK_SECRET: not set, but TELEGRAM_WEBHOOK_URL is; the webhook needs both")
        return self


class DiscordSettings(PlatformSettings):
    """Discord: on with the bot token"""

    bot_token: SecretStr | None = variable("DISCORD_BOT_TOKEN", None, "Bot token")
    api_url: HttpUrl = variable("DISCORD_API_URL", "https://discord.com/api/v10", "Address of the API")
    gateway_url: SocketUrl = variable("DISCORD_GATEWAY_URL", "wss://gateway.discord.gg/", "Address of the gateway")
    engagement: Engagement = variable("DISCORD_ENGAGEMENT", "mention", ENGAGEMENT_HELP)
    access_policy: AccessPolicy | None = variable("DISCORD_ACCESS_POLICY", None, ACCESS_HELP)
    allowlist: Names = variable("DISCORD_ALLOWLIST", (), ALLOWLIST_HELP)


class HTTPSettings(Group):
    """REST API and web page"""

    host: Label = variable("HTTP_HOST", "127.0.0.1", "Address to listen on; 0.0.0.0 for all")
    port: int = variable("HTTP_PORT", 8000, "Port", ge=0, le=65_535)
    public_url: HttpUrl | None = variable("HTTP_PUBLIC_URL", None, "How it is reached from outside")
    trusted_proxies: Names = variable(
        "HTTP_TRUSTED_PROXIES", ("127.0.0.1",), "Proxies in front; limits go by the callers' addresses that they name"
    )


class OperationsSettings(Group):
    """Health and metrics of each process, on a port of its own: /healthz, /readyz, /metrics (Prometheus)"""

    host: Label = variable("OPERATIONS_HOST", "127.0.0.1", "Address to listen on; whoever reaches it sees the numbers")
    port: int | None = variable("OPERATIONS_PORT", None, "Port; empty: neither is served", ge=0, le=65_535)


class RedisSettings(Group):
    """Redis, for several processes: incognito talks (without persistence) and shared limits"""

    url: RedisUrl | None = variable("REDIS_URL", None, "Address")


class QueueSettings(Group):
    """Queue of turns"""

    kind: Annotated[Literal["embedded", "postgres"], Lower] = variable(
        "QUEUE", "embedded", "In this process, or on Postgres for several workers"
    )
    concurrency: int = variable("QUEUE_CONCURRENCY", 200, "Conversations answered at once", ge=1, le=1000)
    lease: Duration = variable(
        "QUEUE_LEASE",
        timedelta(seconds=10),
        "After this a dead worker's turn is taken up again",
        ge=timedelta(seconds=2),
    )
