"""What the door keeps with each job."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from framemill.jobs.model import Job


class Note(BaseModel):
    """What its client has said, and was told. What is secret in it is sealed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    device: str = ""
    item_id: str | None = None
    item: Any = None
    """Of a job that an older release has made; else it is sealed."""
    sealed_item: str = ""
    """What its client is told again."""
    url: str = ""
    """Masked."""
    sealed_uri: str = ""
    """What is fetched when its turn has come."""
    sealed_token: str = ""
    """Whose wish it is."""
    token_mark: str = ""
    """What tells that token from another one, and opens nothing."""
    read_once: bool = False
    size: int | None = None
    """Bytes that come, about."""
    seconds: float | None = None
    """How long the film is."""
    copies: bool = False
    """Nothing is encoded: to fetch it is nearly all there is to do."""
    seen: tuple[str, ...] = ()
    """Devices that were told that it is under way; empty: whoever asks for those of all."""
    left: bool = False
    """Its client has it, or wants it no more; it is here until its time is over."""

    @property
    def data(self) -> dict[str, Any]:
        """As a job keeps it."""
        return self.model_dump(exclude_defaults=True)


def note_of(job: Job) -> Note:
    """What is kept with it."""
    return Note.model_validate(job.door_data)
