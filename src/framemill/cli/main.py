"""The `framemill` command: its words, options and exit codes."""

import sys

import click

from framemill.cli import granting
from framemill.cli.asking import COMMANDS, farm_options
from framemill.errors import FarmError, FramemillError, WrongUse

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130

_settings = click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="See `framemill settings`.")
_preset = click.option("--preset", metavar="NAME", help="See `framemill presets`.")
_words = click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- FFMPEG OPTIONS]")
_credentials = click.option(
    "--credentials", metavar="NAME", help="Credentials of the settings ([credentials.NAME]) that open SRC."
)
_data_dir = click.option(
    "--data-dir", metavar="DIR", help="The farm's folder (default: $FRAMEMILL_DATA_DIR, else the user's own)."
)
_json = click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout, and nothing else.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Framemill encodes video in chunks, side by side, and joins them without a seam."""


@cli.command()
@click.argument("source", metavar="SRC")
@click.option(
    "-o",
    "--output",
    "destination",
    metavar="DST",
    required=True,
    help="A file (.mp4 .mov .mkv .webm), or a folder for a package.",
)
@_credentials
@click.option("--target-credentials", metavar="NAME", help="Those that open DST, where these are others.")
@click.option(
    "--join",
    multiple=True,
    metavar="SRC",
    help="A further source: pictures follow SRC, a sound alone is SRC's; as often as there are.",
)
@_preset
@_settings
@click.option(
    "--slots",
    type=click.IntRange(1, 1024),
    help="Encodes side by side, on a farm of its own (default: one a processor, as far as the memory goes).",
)
@click.option("--local", is_flag=True, help="On a farm of its own, even where one runs.")
@click.option("--detach", is_flag=True, help="Only submit it to the running farm, and print the job's id.")
@farm_options
@_json
@click.option("-v", "--verbose", is_flag=True, help="Show what a farm of its own says.")
@_words
def encode(
    source: str,
    destination: str,
    credentials: str | None,
    target_credentials: str | None,
    join: tuple[str, ...],
    preset: str | None,
    assignments: tuple[str, ...],
    slots: int | None,
    local: bool,
    detach: bool,
    as_json: bool,
    verbose: bool,
    words: tuple[str, ...],
    **farm: str | None,
) -> None:
    """Encode SRC, a path or a URI (http, s3, gs, az, ftp, sftp, gdrive), into DST: on the running farm, else on one of
    its own, which opens stores by the variables of their own tools, too (AWS_ACCESS_KEY_ID and others).

    Behind `--` stand output options as ffmpeg has them: `-- -c:v libx265 -crf 20`.
    """
    from framemill.cli.finding import find_farm
    from framemill.config import farm_mark
    from framemill.services.requests import openers_for

    assigned = parse(assignments)
    openers = openers_for(source, destination, credentials, target_credentials)
    alone = local or slots is not None
    if alone and (detach or farm["server"] is not None):
        raise WrongUse("--local and --slots are for a farm of its own; --detach and --server for one that runs.")
    address = None if alone else find_farm(**farm)
    if address is not None:
        from framemill.cli.onfarm import encode_on_farm

        where = (address, source, destination, preset, assigned)
        sys.exit(encode_on_farm(*where, as_json=as_json, detach=detach, words=words, join=join, openers=openers))
    if detach or farm_mark() is not None:  # in a Ray job: the machine is the farm's, and another one has no room beside
        raise FarmError("No farm runs that could go on with the job. Start one with `framemill up`.")
    from framemill.cli.alone import encode_alone

    mine = (source, destination, preset, assigned, slots)
    sys.exit(encode_alone(*mine, as_json=as_json, verbose=verbose, words=words, join=join, openers=openers))


@cli.command()
@click.argument("folder", metavar="FOLDER")
@click.option(
    "-o",
    "--output",
    "target",
    metavar="DST",
    required=True,
    help="Where each output goes: {path}, {stem}, {name} and {number} stand for the file's.",
)
@_credentials
@click.option("--target-credentials", metavar="NAME", help="Those that open DST, where these are others.")
@click.option("--match", "files", multiple=True, metavar="GLOB", help="Only files like `*.mov`; may be repeated.")
@click.option("--max", "most", type=click.IntRange(1, 1000), default=100, show_default=True, help="Most files.")
@click.option("--flat", is_flag=True, help="Not what lies in folders below it.")
@_preset
@_settings
@farm_options
@_json
def ingest(
    folder: str,
    target: str,
    credentials: str | None,
    target_credentials: str | None,
    files: tuple[str, ...],
    most: int,
    flat: bool,
    preset: str | None,
    assignments: tuple[str, ...],
    as_json: bool,
    **farm: str | None,
) -> None:
    """Submit a job for each file of FOLDER, a path or a URI like s3://bucket/in/, to the running farm."""
    from framemill.cli.farm import the_farm
    from framemill.cli.folder import folder_command

    with the_farm(**farm) as client:
        folder_command(
            client,
            folder,
            target,
            preset,
            parse(assignments),
            credentials=(credentials, target_credentials),
            files=files,
            most=most,
            recursive=not flat,
            as_json=as_json,
        )


@cli.command()
@click.argument("source", metavar="SRC")
@_credentials
@_json
def probe(source: str, credentials: str | None, as_json: bool) -> None:
    """Show what SRC, a path or a URI, holds, in ffprobe's JSON shape."""
    from framemill.cli.look import probe_command

    probe_command(source, credentials, as_json=as_json)


@cli.command()
@click.argument("source", metavar="SRC")
@click.option(
    "-o",
    "--output",
    "destination",
    metavar="DST",
    default="output.mp4",
    show_default=True,
    help="Where the output would go.",
)
@_credentials
@_preset
@_settings
@_json
@_words
def plan(
    source: str,
    destination: str,
    credentials: str | None,
    preset: str | None,
    assignments: tuple[str, ...],
    as_json: bool,
    words: tuple[str, ...],
) -> None:
    """Show how SRC would be cut: chunks, boundaries and why, and every command. Encodes nothing."""
    from framemill.cli.look import plan_command

    plan_command(source, destination, preset, parse(assignments), as_json=as_json, words=words, credentials=credentials)


@cli.command()
@click.argument("reference", metavar="A")
@click.argument("distorted", metavar="B")
@click.option(
    "-o", "--output", "page", metavar="PAGE.html", help="Where the page goes (default: beside B, as B.compare.html)."
)
@click.option("--seams", metavar="N,N", help="The first frame behind each seam (default: B's keyframes).")
@click.option("--report", metavar="REPORT", help="Seams from what `framemill encode --json` wrote.")
@_json
def compare(
    reference: str, distorted: str, page: str | None, seams: str | None, report: str | None, as_json: bool
) -> None:
    """Measure how close B comes to A: PSNR, SSIM and VMAF, as a table and as a page with the curve."""
    from framemill.cli.compare import compare_command

    compare_command(reference, distorted, page, seams, report, as_json=as_json)


@cli.command()
@_json
def presets(as_json: bool) -> None:
    """List the presets."""
    from framemill.cli.look import presets_command

    presets_command(as_json=as_json)


@cli.command()
@click.argument("word", required=False)
@_json
def settings(word: str | None, as_json: bool) -> None:
    """List what `--set` takes; with WORD, only what has it in its name or sentence."""
    from framemill.cli.look import settings_command

    settings_command(word, as_json=as_json)


@cli.command()
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    default="framemill-demo",
    show_default=True,
    help="Where the clip and the results go.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show what the farm says.")
def demo(folder: str, verbose: bool) -> None:
    """Make a clip that counts its frames, and encode it into MP4 and HLS."""
    from framemill.cli.demo import demo_command

    sys.exit(demo_command(folder, verbose=verbose))


@cli.command()
@click.argument("source", metavar="SRC")
@click.argument("output", metavar="OUT")
@click.option("--full", is_flag=True, help="Decode every frame of OUT, too.")
@_json
def verify(source: str, output: str, full: bool, as_json: bool) -> None:
    """Check that OUT, a file or a package, shows what SRC shows: every frame, each at its time, and the sound."""
    from framemill.cli.verify import verify_command

    sys.exit(verify_command(source, output, full=full, as_json=as_json))


@cli.command()
@click.option(
    "-o", "--output", "folder", metavar="DIR", default=".", help="Where outputs would go (default: this folder)."
)
@_json
@click.option("-v", "--verbose", is_flag=True, help="Show what the farm says.")
def doctor(folder: str, as_json: bool, verbose: bool) -> None:
    """Show what this machine can do, what is wrong with it, and what to do about it."""
    from framemill.cli.doctor import doctor_command

    sys.exit(doctor_command(folder, as_json=as_json, verbose=verbose))


@cli.command()
@click.option("--host", metavar="H", help="Address that the API listens on (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port that the API listens on (default: 8000).")
@_data_dir
@click.option(
    "--slots",
    type=click.IntRange(1, 1024),
    help="Encodes side by side (default: one a processor, as far as the memory goes).",
)
@click.option("--detach", is_flag=True, help="Come back once the farm runs, and leave it running.")
def up(host: str | None, port: int | None, data_dir: str | None, slots: int | None, detach: bool) -> None:
    """Run a farm that stays: a coordinator, workers and an API over HTTP.

    Ctrl-C or SIGTERM ends it, after the chunks under way; asked twice, at once. Jobs go on at the next start.
    """
    from framemill.cli.up import up_command

    up_command(data_dir, host, port, slots, detach=detach)


@cli.command()
@_data_dir
@click.option("--now", is_flag=True, help="Kill what runs: its chunks are encoded again at the next start.")
def down(data_dir: str | None, now: bool) -> None:
    """End the farm, after the chunks under way. Its jobs go on at the next `framemill up`."""
    from framemill.cli.up import down_command

    down_command(data_dir, now=now)


@cli.command()
@_data_dir
@_json
def status(data_dir: str | None, as_json: bool) -> None:
    """Show how the farm stands, and each of its processes. Exit code 1 where none runs."""
    from framemill.cli.up import status_command

    sys.exit(status_command(data_dir, as_json=as_json))


@cli.command()
@_data_dir
def login(data_dir: str | None) -> None:
    """Print a link to the pages of the farm; it logs in once, within ten minutes."""
    from framemill.cli.up import login_command

    login_command(data_dir)


@cli.command("config")
@_data_dir
@_json
def config_(data_dir: str | None, as_json: bool) -> None:
    """Show every setting, and where it came from."""
    from framemill.cli.config import config_command

    config_command(data_dir, as_json=as_json)


@cli.command("support-bundle")
@click.option(
    "-o",
    "--output",
    "destination",
    metavar="FILE",
    default=".",
    help="Where it goes (default: a new file in this folder).",
)
@_data_dir
@click.option("--job", "job_id", metavar="ID", help="The job to tell in full (default: those that failed last).")
def support_bundle(destination: str, data_dir: str | None, job_id: str | None) -> None:
    """Collect versions, settings, logs, plans and history for whoever shall help: no media, no secret."""
    from framemill.cli.support import support_command

    support_command(destination, data_dir, job_id)


@cli.command()
@_json
def version(as_json: bool) -> None:
    """Show the versions of Framemill, ffmpeg, Ray and Python."""
    from framemill.cli.look import version_command

    version_command(as_json=as_json)


for command in (*COMMANDS, *granting.COMMANDS):
    cli.add_command(command)


def parse(assignments: tuple[str, ...]) -> dict[str, str]:
    """`key=value` words as a mapping. Raises `WrongUse` for a word without `=`."""
    pairs = [word.partition("=") for word in assignments]
    wrong = next((key for key, sign, _ in pairs if not sign or not key), None)
    if wrong is not None:
        raise WrongUse(f"--set takes KEY=VALUE, not {wrong!r}.")
    return {key.replace("-", "_"): value for key, _, value in pairs}


def run() -> None:
    """The entry point: errors become one line and an exit code, which a Ray job's log tells."""
    try:
        _run()
    except SystemExit as leave:
        from framemill.cli.rayjob import tell_end

        tell_end(leave.code if isinstance(leave.code, int) else FAILED if leave.code else 0)
        raise


def _run() -> None:
    try:
        cli(prog_name="framemill", standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(WRONG_USE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    except WrongUse as error:
        click.echo(f"framemill: {error.message}", err=True)
        sys.exit(WRONG_USE)
    except FramemillError as error:
        click.echo(f"framemill: {error.message}", err=True)
        sys.exit(FAILED)
    except BrokenPipeError:
        sys.exit(FAILED)
