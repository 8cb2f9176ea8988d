"""Every error the product raises on purpose. A test compares this tree with the classes below.

MemoryChatError
├── InputError
│   ├── EmptyMessage
│   ├── MessageTooLong
│   ├── UnknownCommand
│   ├── BadArgument
│   ├── InvalidName
│   └── InvalidNamespace
├── NotFound
├── Conflict
│   ├── NameTaken
│   ├── OnlyProfile
│   ├── StaleMember
│   └── TurnRunning
├── Forbidden
│   ├── AccessDenied
│   └── NotAuthenticated
├── LimitReached
├── PrivacyError
│   ├── IncognitoUnavailable
│   ├── KeyMissing
│   └── ErasedMeanwhile
├── ModelError
│   ├── ModelUnavailable
│   │   ├── ModelTimeout
│   │   └── ModelRateLimited
│   ├── ModelAuthError
│   ├── ModelRejected
│   ├── ModelInterrupted
│   └── MalformedAnswer
├── MemoryUnavailable
├── StoreError
│   ├── StoreUnavailable
│   ├── StoreFull
│   ├── StoreReadOnly
│   ├── SchemaMismatch
│   └── AnotherRunner
├── DeliveryError
│   ├── DeliveryRateLimited
│   ├── DeliveryUnknown
│   └── DeliveryRefused
└── ConfigurationError
"""

from __future__ import annotations

from typing import ClassVar


class MemoryChatError(Exception):
    """The root. `user_message` is the sentence a person sees; `retryable` says whether the same call may work later.

    `args` hold ids, sizes and names of settings, never message or memory text, tokens or addresses.
    """

    user_message: str = "Something went wrong on my side. Please try again."
    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, *args: object, user_message: str | None = None) -> None:
        super().__init__(*args)
        if user_message is not None:
            self.user_message = user_message


class InputError(MemoryChatError):
    """What the person sent cannot be used as it is; `user_message` says what would work."""

    user_message = "I could not use that. Type /help to see what I understand."
    code = "bad_input"


class EmptyMessage(InputError):
    user_message = "There was no text in that message."
    code = "empty_message"


class MessageTooLong(InputError):
    user_message = "That message is too long for me. Please send it in smaller pieces."
    code = "message_too_long"


class UnknownCommand(InputError):
    user_message = "I do not know that command. Type /help to see those I know."
    code = "unknown_command"


class BadArgument(InputError):
    code = "bad_argument"


class InvalidName(InputError):
    user_message = "A profile name has 1 to 40 characters and is not blank."
    code = "invalid_name"


class InvalidNamespace(InputError):
    user_message = "That memory does not exist."
    code = "invalid_namespace"


class NotFound(MemoryChatError):
    """It does not exist, or belongs to somebody else: the two cannot be told apart from outside."""

    user_message = "I could not find that."
    code = "not_found"


class Conflict(MemoryChatError):
    user_message = "That clashes with what is there already."
    code = "conflict"


class NameTaken(Conflict):
    user_message = "You already have a profile with that name."
    code = "name_taken"


class OnlyProfile(Conflict):
    user_message = "This is your only profile. Make another one before you delete it."
    code = "only_profile"


class StaleMember(Conflict):
    """Another process changed the member's mode or profile meanwhile: read again and decide again."""

    code = "stale_member"
    retryable = True


class TurnRunning(Conflict):
    user_message = "I am still answering your last message in this session."
    code = "turn_running"
    retryable = True


class Forbidden(MemoryChatError):
    user_message = "You may not do that."
    code = "forbidden"


class AccessDenied(Forbidden):
    user_message = "I am a private bot and do not know you yet. My operator can let you in."
    code = "access_denied"


class NotAuthenticated(Forbidden):
    user_message = "Please sign in."
    code = "not_authenticated"


class LimitReached(MemoryChatError):
    """A quota or rate limit. `retry_after` is in seconds."""

    user_message = "You have reached your limit for now. Please try again later."
    code = "limit_reached"
    retryable = True

    def __init__(self, *args: object, retry_after: float = 60.0, user_message: str | None = None) -> None:
        super().__init__(*args, user_message=user_message)
        self.retry_after = retry_after


class PrivacyError(MemoryChatError):
    """A promise about privacy could not be kept, so the work was not done."""

    code = "privacy"


class IncognitoUnavailable(PrivacyError):
    user_message = "I cannot keep an incognito talk off the disk here, so I will not pretend: incognito stays off."
    code = "incognito_unavailable"


class KeyMissing(PrivacyError):
    user_message = "That text was sealed with a key that no longer exists."
    code = "key_missing"


class ErasedMeanwhile(PrivacyError):
    """The namespace was erased while the work was under way; its result must not be written."""

    user_message = "That memory was erased meanwhile."
    code = "erased_meanwhile"


class ModelError(MemoryChatError):
    """The language model gave no usable answer. `partial` is what had arrived."""

    user_message = "My language model did not answer. Your message is kept: /retry tries again."
    code = "model_error"

    def __init__(self, *args: object, partial: str = "", user_message: str | None = None) -> None:
        super().__init__(*args, user_message=user_message)
        self.partial = partial


class ModelUnavailable(ModelError):
    user_message = "My language model cannot be reached just now. Your message is kept: /retry tries again."
    code = "model_unavailable"
    retryable = True


class ModelTimeout(ModelUnavailable):
    user_message = "My language model took too long. Your message is kept: /retry tries again."
    code = "model_timeout"


class ModelRateLimited(ModelUnavailable):
    user_message = "My language model is busy. Your message is kept: /retry tries again in a little while."
    code = "model_rate_limited"

    def __init__(
        self,
        *args: object,
        retry_after: float | None = None,
        partial: str = "",
        user_message: str | None = None,
    ) -> None:
        super().__init__(*args, partial=partial, user_message=user_message)
        self.retry_after = retry_after


class ModelAuthError(ModelError):
    user_message = "My operator has to check the key of my language model. Your message is kept for /retry."
    code = "model_auth"


class ModelRejected(ModelError):
    """A permanent 4xx: unknown model, bad parameter, content refused."""

    user_message = "My language model refused that request. My operator finds the reason in the log."
    code = "model_rejected"


class ModelInterrupted(ModelError):
    """The stream ended without a finish reason or broke: an error, not a short answer."""

    user_message = "My language model broke off in the middle. What had arrived stands above; /retry tries again."
    code = "model_interrupted"
    retryable = True

    def __init__(self, *args: object, partial: str = "", user_message: str | None = None) -> None:
        if not partial and user_message is None:
            user_message = (
                "My language model broke off before it said anything. Your message is kept: /retry tries again."
            )
        super().__init__(*args, partial=partial, user_message=user_message)


class MalformedAnswer(ModelError):
    """A structured answer that does not have the asked shape."""

    code = "malformed_answer"
    retryable = True


class MemoryUnavailable(MemoryChatError):
    user_message = "My memory cannot be reached just now; I answer without it."
    code = "memory_unavailable"
    retryable = True


class StoreError(MemoryChatError):
    user_message = "My database has a problem. Please send that again in a moment."
    code = "store_error"


class StoreUnavailable(StoreError):
    code = "store_unavailable"
    retryable = True


class StoreFull(StoreError):
    user_message = "My disk is full, so I could not keep that message. My operator has to make room."
    code = "store_full"


class StoreReadOnly(StoreError):
    user_message = "I may not write to my home folder. My operator has to change its permissions."
    code = "store_read_only"


class SchemaMismatch(StoreError):
    user_message = "My database is from another version of MemoryChat."
    code = "schema_mismatch"


class AnotherRunner(StoreError):
    user_message = "Another MemoryChat is already running on this database."
    code = "another_runner"


class DeliveryError(MemoryChatError):
    """A reply did not reach the platform, or not all of it. `sent_ids` are the messages that did arrive, in order.
    `may_have_sent`: more than these may have arrived, now or at an earlier try."""

    code = "delivery_error"
    may_have_sent = False

    def __init__(self, *args: object, sent_ids: tuple[str, ...] = ()) -> None:
        super().__init__(*args)
        self.sent_ids = sent_ids


class DeliveryRateLimited(DeliveryError):
    """Refused for now; nothing beyond `sent_ids` was sent. `retry_after` is in seconds."""

    code = "delivery_rate_limited"
    retryable = True

    def __init__(self, *args: object, retry_after: float, sent_ids: tuple[str, ...] = ()) -> None:
        super().__init__(*args, sent_ids=sent_ids)
        self.retry_after = retry_after


class DeliveryUnknown(DeliveryError):
    """It may have arrived: a time-out or a cut connection after the request was written."""

    code = "delivery_unknown"
    retryable = True
    may_have_sent = True


class DeliveryRefused(DeliveryError):
    """For good: blocked, kicked, no such chat."""

    code = "delivery_refused"


class ConfigurationError(MemoryChatError):
    """The start is refused. `problems` has one readable line per mistake, secrets masked."""

    code = "configuration"

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems, user_message="\n".join(problems))
        self.problems = problems
