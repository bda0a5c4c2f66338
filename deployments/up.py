"""Everything on this machine: storage, server with a password, cluster, worker, relay.

A video that is put into the container ``incoming`` is scored, and the result lies in ``outgoing``.
Called by ``make up``, ``make down`` and ``make put``::

    python -m deployments.up [up|status|down|put] [--home .stack] [--style STYLE] [FILE ...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from azure.core.exceptions import AzureError
from azure.storage.blob import ContainerClient

from deployments import emulator, local_stack
from deployments.deploying import PROJECT
from deployments.local_stack import Stack, StackError
from deployments.private import new_password, read_private, write_private, write_secret
from flows.sources import SUFFIXES, is_source_name

__all__ = ["PASSWORD_FILE", "main", "put", "start"]

HOME = PROJECT / ".stack"
PASSWORD_FILE = "password"  # noqa: S105 - the name of a file
USER = "framewright"
POLL_SECONDS = "2"
"""How often the relay looks for videos, in seconds: Azurite tells nobody of them."""


def start(home: Path, *, workers: int = 0) -> Stack:
    """Start everything, or raise ``StackError`` with nothing left running."""
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    _keep_password(home)
    stack = local_stack.start(home, workers=workers, before=emulator.start, publish=_publish)
    try:
        return local_stack.add(stack, "relay", ["-m", "deployments.relay"], cwd=home)
    except BaseException:
        local_stack.stop(home)
        raise


def put(home: Path, file: Path, style: str = "") -> str:
    """Put a video into ``incoming`` as any client of the storage would; return its address.

    Args:
        home: folder of the stack.
        file: the video.
        style: a shipped painting by name, or an image file, which is put beside the video first.

    Raises:
        StackError: no stack runs, there is no such file or style, or the storage did not take it.
    """
    if local_stack.attach(home) is None:
        raise StackError(f"no stack runs in {home}: make up")
    _check_put(file, style)
    connection = (home / emulator.CONNECTION_STRING_FILE).read_text(encoding="utf-8")
    container = ContainerClient.from_connection_string(connection, "incoming")
    painting = Path(style) if style and Path(style).is_file() else None
    named = painting.name if painting else style
    if not named.isascii():
        raise StackError(f"{named!r} was not put: metadata of blobs is ASCII. Rename the file.")
    try:
        with container:
            if painting:
                with painting.open("rb") as data:
                    container.upload_blob(named, data, overwrite=True)
            with file.open("rb") as data:
                metadata = {"framewright_style": named} if named else None
                container.upload_blob(file.name, data, overwrite=True, metadata=metadata)
    except (OSError, AzureError) as error:
        raise StackError(f"{file} was not put: {type(error).__name__}") from error
    return f"{emulator.INCOMING}/{file.name}"


def _check_put(file: Path, style: str) -> None:
    """Refuse what would start no run, or one that fails."""
    from framewright.scorers.fast.weights import style_names

    if not file.is_file():
        raise StackError(
            f"{str(file)!r} is not a file: name a video, make put VIDEO=my.mp4 [STYLE=my.jpg]"
        )
    if not file.stat().st_size:
        raise StackError(f"{str(file)!r} is empty (0 bytes), which starts no run.")
    if style and style not in style_names() and not Path(style).is_file():
        raise StackError(
            f"{style!r} is neither an image file nor one of the paintings "
            f"{', '.join(style_names())}."
        )


def _keep_password(home: Path) -> None:
    """Make the server's password where there is none, and let every part of the stack have it.

    It is never an argument of a process: those are seen by everybody on the machine.
    """
    file = home / PASSWORD_FILE
    if not file.exists():
        write_secret(file, f"{USER}:{new_password()}")
    password = file.read_text(encoding="utf-8").strip()
    private = read_private(home)
    private["all"] = {**private.get("all", {}), "PREFECT_API_AUTH_STRING": password}
    private["prefect server"] = {"PREFECT_SERVER_API_AUTH_STRING": password}
    private["relay"] = {
        **private.get("relay", {}),
        "FRAMEWRIGHT_RELAY_WATCH": emulator.INCOMING,
        "FRAMEWRIGHT_RELAY_OUTPUTS": emulator.OUTGOING,
        "FRAMEWRIGHT_RELAY_POLL_SECONDS": POLL_SECONDS,
    }
    write_private(home, private)


def _publish(stack: Stack) -> None:
    known = stack.ask("/variables/name/framewright_sweep_active").is_success
    addresses = ["--incoming", emulator.INCOMING, "--outgoing", emulator.OUTGOING]
    done = subprocess.run(  # noqa: S603 - a fixed command
        [sys.executable, "-m", "deployments.publish", *addresses]
        + ([] if known else ["--sweep", "on"]),  # after that it is the user's to say
        cwd=PROJECT,
        env=stack.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError(f"the deployments were refused:\n{(done.stdout + done.stderr)[-2000:]}")


def _told(stack: Stack) -> str:
    home = Path(stack.home)
    endpoint = stack.environment()["FRAMEWRIGHT_AZURE_ENDPOINT"].format(account="media")
    rows = {
        "Prefect UI": f"{stack.ui_url} (its password: {home / PASSWORD_FILE})",
        "API": stack.api_url,
        "Dask": stack.scheduler_address,
        "storage": f"{endpoint} (connection string: {home / emulator.CONNECTION_STRING_FILE})",
        "videos in": f"{emulator.INCOMING}, by any client of the storage, or make put VIDEO=my.mp4",
        "results in": emulator.OUTGOING,
        "logs": f"{home / 'logs'}/",
    }
    return "\n".join(f"  {name:<10} {text}" for name, text in rows.items()) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m deployments.up", description=__doc__)
    parser.add_argument("action", nargs="?", choices=["up", "status", "down", "put"], default="up")
    parser.add_argument("files", nargs="*", type=Path, help="videos, for put")
    parser.add_argument("--style", default="", help="for put: a painting by name, or an image file")
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--workers", type=int, default=0, help="0 for one per CPU core")
    options = parser.parse_intermixed_args(arguments)
    try:
        if options.action == "down":
            local_stack.stop(options.home)
            return 0
        if options.action == "put":
            for file in options.files:
                address = put(options.home, file, options.style)
                starts = is_source_name(address, SUFFIXES)
                more = "" if starts else ": starts no run, for it is not called as a video is"
                sys.stdout.write(f"{address}{more}\n")
            return 0
        stack = local_stack.attach(options.home)
        if stack is None and options.action == "up":
            with local_stack.alone(options.home):
                stack = start(options.home, workers=options.workers)
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(_told(stack) if stack else "not running\n")
    return 0 if stack else 1


if __name__ == "__main__":
    raise SystemExit(main())
