"""`framemill support-bundle`: what to send along with the report of a fault."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from framemill.config import environment, load_settings
from framemill.services.supporting import ffmpeg_in_use, write_bundle


def support_command(destination: str, data_dir: str | None, job_id: str | None) -> None:
    """Write it, and say what is in it."""
    settings = load_settings(data_dir=data_dir)
    with environment(settings.variables()):
        build = asyncio.run(ffmpeg_in_use())
    written = write_bundle(settings, Path(destination), job_id=job_id, ffmpeg_build=build, now=datetime.now(UTC))
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{written.path}  ({written.size / 1e3:.0f} kB, {len(written.members)} files)", markup=False)
    for what, why in written.missing.items():
        console.print(f"Without {what}: {why}", markup=False)
    console.print("No media and no known secret is in it. Look into it before you send it to anybody.")
