"""What an output shall be, and how a run shall be cut: the two sets of fields that `--set` reaches."""

from framemill.jobs.settings.assigning import apply_assignments
from framemill.jobs.settings.kinds import AudioCodec, Container, OutputKind, VideoCodec
from framemill.jobs.settings.output import OutputSettings
from framemill.jobs.settings.packaging import Rung
from framemill.jobs.settings.run import RunSettings
from framemill.jobs.settings.shape import Overlay
from framemill.jobs.settings.value import Value

__all__ = [
    "AudioCodec",
    "Container",
    "OutputKind",
    "OutputSettings",
    "Overlay",
    "RunSettings",
    "Rung",
    "Value",
    "VideoCodec",
    "apply_assignments",
]
