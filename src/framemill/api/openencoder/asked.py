"""What this door's routes are handed."""

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, model_validator

from framemill.api.asked import Parts
from framemill.api.auth import Keys, TheCaller
from framemill.api.idempotency import TheIds
from framemill.api.openencoder.kept_settings import KIND, KeptSettings
from framemill.services.keepsakes import Keepsakes
from framemill.services.numbered import NumberedJobs
from framemill.services.numbers import Numbers
from framemill.services.users import Users

NAME = "openencoder"
"""Of this door."""
MOUNT = "/api"
"""Where its clients look for it."""


class Words(BaseModel):
    """What clients send: what they say beside is passed over, as it is there, and null is as if it were not said."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, said: Any) -> Any:
        return {name: value for name, value in said.items() if value is not None} if isinstance(said, dict) else said


async def _jobs(parts: Parts, caller: TheCaller, ids: TheIds) -> NumberedJobs:
    return NumberedJobs(parts.database, parts.nudge, caller=caller, door=NAME, ids=ids, desk=parts.desk_of(caller))


TheJobs = Annotated[NumberedJobs, Depends(_jobs)]


async def _users(parts: Parts, caller: TheCaller, request: Request) -> Users:
    keys: Keys = request.app.state.keys
    return Users(parts.database, caller, failed=keys.sessions.failed)


TheUsers = Annotated[Users, Depends(_users)]


async def _user_numbers(parts: Parts) -> Numbers:
    return Numbers(parts.database, door=NAME, kind="user", first=2)  # 1 is the first admin


TheUserNumbers = Annotated[Numbers, Depends(_user_numbers)]


async def _settings(parts: Parts, caller: TheCaller, ids: TheIds) -> KeptSettings:
    kept = Keepsakes(parts.database, parts.seals, caller=caller, door=NAME, kind=KIND, ids=ids)
    return KeptSettings(kept, parts.desk_of(caller))


TheSettings = Annotated[KeptSettings, Depends(_settings)]
"""Of the account of whoever asks."""
