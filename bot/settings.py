"""Every setting, and the only reader of the environment.

A setting is one flat environment variable (`OPENAI_API_KEY`), in the code one field of a group
(`settings.openai.api_key`). `.env` of the working directory is read too; the real environment beats it, and an empty
variable counts as not set. `.env.example` lists them all; a test compares the two.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from bot.setting_groups import (
    AccessSettings,
    BackupSettings,
    CORSSettings,
    DatabaseSettings,
    DiscordSettings,
    EmbeddingSettings,
    Group,
    HomeSettings,
    HTTPSettings,
    JWTSettings,
    LearningSettings,
    LoggingSettings,
    Mem0Settings,
    OpenAISettings,
    OperationsSettings,
    PersonaSettings,
    PlatformSettings,
    PrivacySettings,
    QdrantSettings,
    QueueSettings,
    QuotaSettings,
    RateLimitSettings,
    RedisSettings,
    SlackSettings,
    SupabaseSettings,
    TelegramSettings,
)
from bot.setting_types import allowed_values, as_written, is_secret
from core.errors import ConfigurationError


class Settings(BaseSettings):
    """All groups. Given groups are the whole truth; with none given the environment is read.

    Raises pydantic's ValidationError; `get_settings` and `settings_from` turn it into readable lines.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_file=".env", env_file_encoding="utf-8", case_sensitive=True
    )

    home: HomeSettings = Field(default_factory=HomeSettings)
    persona: PersonaSettings = Field(default_factory=PersonaSettings)
    openai: OpenAISettings = Field(default_factory=OpenAISettings)
    slack: SlackSettings = Field(default_factory=SlackSettings)
    telegram: TelegramSettings = Field(default_factory=TelegramSettings)
    discord: DiscordSettings = Field(default_factory=DiscordSettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    privacy: PrivacySettings = Field(default_factory=PrivacySettings)
    learning: LearningSettings = Field(default_factory=LearningSettings)
    quotas: QuotaSettings = Field(default_factory=QuotaSettings)
    embeddings: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    mem0: Mem0Settings = Field(default_factory=Mem0Settings)
    qdrant: QdrantSettings = Field(default_factory=QdrantSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    backups: BackupSettings = Field(default_factory=BackupSettings)
    supabase: SupabaseSettings = Field(default_factory=SupabaseSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)
    queue: QueueSettings = Field(default_factory=QueueSettings)
    http: HTTPSettings = Field(default_factory=HTTPSettings)
    operations: OperationsSettings = Field(default_factory=OperationsSettings)
    jwt: JWTSettings = Field(default_factory=JWTSettings)
    cors: CORSSettings = Field(default_factory=CORSSettings)
    rate_limits: RateLimitSettings = Field(default_factory=RateLimitSettings)
    logging: LoggingSettings = Field(default_factory=LoggingSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        given = isinstance(init_settings, InitSettingsSource) and init_settings.init_kwargs
        return (init_settings,) if given else (_Environment(settings_cls, dotenv_settings, env_settings),)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.queue.kind == "postgres" and not self.on_postgres:
            raise ValueError("QUEUE: postgres given, which needs DATABASE_URL to be a postgresql:// address")
        if self.embeddings.kind == "openai" and not (self.openai.configured or self.embeddings.base_url):
            raise ValueError("EMBEDDINGS: openai given, which needs EMBEDDINGS_BASE_URL or OPENAI_API_KEY")
        if self.backups.folder is not None and (self.on_postgres or self.on_supabase):
            raise ValueError("BACKUP_FOLDER: given, but a database server is backed up with its own tools (pg_dump)")
        return self

    @property
    def database_address(self) -> str:
        """As a URL, secrets included; SQLite in the home folder when none is set."""
        url = self.database.url
        return url.get_secret_value() if url else f"sqlite:///{self.home.folder / 'memorychat.db'}"

    @property
    def on_postgres(self) -> bool:
        return self.database.url is not None and self.database.url.get_secret_value().startswith("postgres")

    @property
    def on_supabase(self) -> bool:
        """Whether everything is kept in a Supabase project, over REST; DATABASE_URL goes before that."""
        return self.database.url is None and self.supabase.url is not None and self.supabase.service_key is not None

    @property
    def is_remote(self) -> bool:
        """Whether the database is on another machine, or may be."""
        return self.on_postgres or self.on_supabase

    @property
    def is_self_contained(self) -> bool:
        """Whether no server is asked for what is kept and recalled: it is all work of this process."""
        asked = self.is_remote or self.qdrant.url or self.mem0.api_key or self.embeddings.kind == "openai"
        return not asked

    @property
    def platforms(self) -> dict[str, PlatformSettings]:
        """Those that are on, by name."""
        groups = {"slack": self.slack, "telegram": self.telegram, "discord": self.discord}
        return {name: group for name, group in groups.items() if group.bot_token is not None}

    def access_policy_of(self, platform: PlatformSettings) -> tuple[str, frozenset[str]]:
        """The platform's own policy, else the common one, and who is listed in either list."""
        allowed = frozenset(platform.allowlist) | frozenset(self.access.allowlist)
        return platform.access_policy or self.access.policy, allowed

    def secrets(self) -> Iterator[str]:
        """Every secret value that is set, for the log filter."""
        for name in type(self).model_fields:
            for value in vars(getattr(self, name)).values():
                if isinstance(value, SecretStr) and value.get_secret_value():
                    yield value.get_secret_value()


class _Environment(PydanticBaseSettingsSource):
    """The flat variables of several sources, later ones first, as the nested groups."""

    def __init__(self, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._values: dict[str, str] = {}
        for source in sources:
            if isinstance(source, EnvSettingsSource):
                self._values |= {name: value or "" for name, value in source.env_vars.items()}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # pydantic calls it for flat models only; the whole answer is in __call__

    def __call__(self) -> dict[str, Any]:
        return grouped(self._values)


def fields() -> Iterator[tuple[str, str, FieldInfo]]:
    """Every setting as (group, environment variable, field), in the order of `.env.example`."""
    for group, outer in Settings.model_fields.items():
        kind = outer.annotation
        assert isinstance(kind, type)
        assert issubclass(kind, Group)
        for field in kind.model_fields.values():
            yield group, str(field.validation_alias), field


def grouped(values: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Flat variables as the nested groups; unknown and empty ones are left out, every group is there."""
    groups: dict[str, dict[str, str]] = {group: {} for group in Settings.model_fields}
    for group, name, _ in fields():
        if values.get(name, "").strip():
            groups[group][name] = values[name]
    return groups


@cache
def get_settings() -> Settings:
    """The settings of this process, read once. Raises ConfigurationError with one line per mistake."""
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError(*_problems(error)) from None
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(".env: cannot be read; it has to be a readable UTF-8 text file") from None


def settings_from(values: Mapping[str, str]) -> Settings:
    """Settings of just these variables, the environment left aside. Raises ConfigurationError."""
    try:
        return Settings(**grouped(values))  # type: ignore[arg-type] # pydantic builds the groups from mappings
    except ValidationError as error:
        raise ConfigurationError(*_problems(error)) from None


def _problems(error: ValidationError) -> list[str]:
    known = {name: field for _, name, field in fields()}
    lines = []
    for mistake in error.errors():
        field = next((known[part] for part in mistake["loc"] if part in known), None)
        if field is None:
            lines.append(mistake["msg"].removeprefix("Value error, "))
            continue
        lines.append(
            f"{field.validation_alias}: {_shown(field, mistake['input'])} given; allowed is {allowed_values(field)}"
        )
    return list(dict.fromkeys(lines))


def _shown(field: FieldInfo, value: object) -> str:
    """The given value, or its length alone where it is a secret."""
    text = as_written(value)
    if is_secret(field):
        return f"a value of {len(text)} characters"
    text = re.sub(r"(?<=://)[^/\s]*@", "***@", text)
    return repr(text if len(text) <= 60 else text[:60] + "…")


def misspelt(environment: Collection[str], dotenv: Collection[str]) -> list[str]:
    """A line for each name that is nearly a setting's, and for each of `.env` and each MEMORYCHAT_* that is none."""
    names = [name for _, name, _ in fields()]
    lines = []
    for source, given, nearness in (("the environment", environment, 0.88), (".env", dotenv, 0.6)):
        for name in sorted(set(given) - set(names)):
            near = difflib.get_close_matches(name.upper(), names, n=1, cutoff=nearness)
            if near:
                lines.append(f"{name} in {source} is no setting; did you mean {near[0]}?")
            elif source == ".env" or name.startswith("MEMORYCHAT_"):
                lines.append(f"{name} in {source} is no setting and is ignored")
    return lines


def settings_warnings() -> list[str]:
    """`misspelt` for this process."""
    return misspelt(EnvSettingsSource(Settings).env_vars, DotEnvSettingsSource(Settings).env_vars)
