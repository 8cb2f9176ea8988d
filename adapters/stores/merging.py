"""What becomes of ids when two people turn out to be one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from core.batches import MergeBatch
from core.errors import NameTaken, NotFound, StaleMember
from core.messages import Stamp
from core.privacy import stricter
from core.profiles import name_key
from core.types import Member, MemoryNamespace, MemoryProfile, ProfileId, User, UserId


@dataclass(frozen=True, slots=True)
class Merging:
    """`source`'s ids as `target`'s. `old_default` is the source's default profile, `new_default` the one it joins."""

    source: UserId
    target: UserId
    old_default: MemoryProfile
    new_default: MemoryProfile

    @property
    def profiles(self) -> dict[ProfileId, ProfileId]:
        return {self.old_default.id: self.new_default.id}

    def user(self, user_id: UserId) -> UserId:
        return self.target if user_id == self.source else user_id

    def profile(self, profile_id: ProfileId) -> ProfileId:
        return self.profiles.get(profile_id, profile_id)

    def namespace(self, namespace: MemoryNamespace) -> MemoryNamespace:
        if namespace.user_id != self.source:
            return namespace
        return MemoryNamespace(self.target, self.profile(namespace.profile_id))

    def stamp(self, stamp: Stamp) -> Stamp:
        return replace(
            stamp,
            author_id=self.user(stamp.author_id),
            owner_id=self.user(stamp.owner_id),
            profile_id=self.profile(stamp.profile_id),
            recall=tuple(dict.fromkeys(self.namespace(item) for item in stamp.recall)),
            learn=self.namespace(stamp.learn) if stamp.learn else None,
        )

    def member(self, source: Member, target: Member | None) -> Member:
        """The one membership that two people's in a conversation become; of both, the stricter mode wins."""
        if target is None:
            profile_id = self.profile(source.profile_id) if source.profile_id else None
            return replace(source, user_id=self.target, profile_id=profile_id, version=source.version + 1)
        mode = stricter(source.mode, target.mode)
        return replace(target, mode=mode, welcomed=source.welcomed or target.welcomed, version=target.version + 1)

    def default(self) -> MemoryProfile:
        """The target's default profile as it is afterwards."""
        return replace(self.new_default, instructions=self.new_default.instructions or self.old_default.instructions)


def plan(batch: MergeBatch, source: list[MemoryProfile], target: list[MemoryProfile]) -> Merging:
    """Check a batch against both people's profiles.

    Raises NotFound for a default profile that is not the target's, StaleMember when the source's profiles are not those
    that the batch was made for, NameTaken.
    """
    old_default = next(profile for profile in source if profile.is_default)
    new_default = next((profile for profile in target if profile.id == batch.default_profile), None)
    if new_default is None or any(record.namespace.user_id != batch.target for record in batch.records):
        raise NotFound
    if {profile_id for profile_id, _ in batch.profiles} != {row.id for row in source} - {old_default.id}:
        raise StaleMember
    names = [name_key(name) for _, name in batch.profiles]
    taken = {name_key(profile.name) for profile in target}
    if len(set(names)) < len(names) or taken & set(names):
        raise NameTaken
    return Merging(batch.source, batch.target, old_default, new_default)


def merged_user(source: User, target: User, at: datetime) -> User:
    """Called when the source is gone, whose e-mail is free then."""
    return replace(target, email=target.email or source.email, updated_at=at)
