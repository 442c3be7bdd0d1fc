"""The tracks of an output that are encoded whole, as the join and the package take them."""

from fractions import Fraction

from framemill.media.stitch import SoundTrack
from framemill.media.title import Title
from framemill.storage.blobs import Blobs


def planned_sounds(title: Title, blobs: Blobs) -> dict[str, SoundTrack]:
    """Every sound of the plan by its key, whether it is encoded yet or not."""
    several = len(title.sound_keys) > 1
    found = {}
    for place, key in enumerate(title.sound_keys):
        voice = title.voices[place] if title.voices and not title.parts else None
        track = SoundTrack(path=str(blobs.path(f"sounds/{key}")), offset=title.sound_starts[place])
        if voice is not None:
            said = {"language": voice.language, "name": voice.name, "default": voice.default if several else None}
            track = track.model_copy(update=said)
        found[key] = track
    return found


def sounds_of(title: Title, blobs: Blobs) -> list[SoundTrack]:
    """The sounds that are encoded; the others could not be converted."""
    return [track for key, track in planned_sounds(title, blobs).items() if blobs.has(f"sounds/{key}")]


def texts_of(title: Title, blobs: Blobs, *, heard: bool) -> list[SoundTrack]:
    """The converted text tracks. Their times count from the title's zero, which sound that is left out may have set."""
    offset = Fraction(0)
    if not heard and title.film is not None:
        offset = title.zero - title.film.shown.seconds(0)
    return [
        SoundTrack(path=str(blobs.path(f"texts/{title.text_key(rank)}")), offset=offset, language=language)
        for rank, language in title.texts
        if blobs.has(f"texts/{title.text_key(rank)}")
    ]
