"""Where outputs lie while they are made: whoever makes them and whoever shows them have to agree."""

from pathlib import Path


def growing_folder(attempt: Path, output_id: str) -> Path:
    """Where an output grows, in the folder of its attempt; hidden, so that it goes with what the stitcher leaves."""
    return attempt / f".live-{output_id}"
