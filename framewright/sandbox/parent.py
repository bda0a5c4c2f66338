"""Start a sandboxed process, give it orders, and make of its death an error in words."""

from __future__ import annotations

import errno
import logging
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ValidationError

import framewright
from framewright.errors import EngineBug, SourceRefused, TransientError
from framewright.sandbox.confine import FILES, NETWORK, Confinement
from framewright.sandbox.messages import Message, Order, Start, dumped, error_from, place_of
from framewright.settings import Settings
from framewright.types import Progress, ProgressCallback

__all__ = ["Sandbox"]

logger = logging.getLogger(__name__)

Q = TypeVar("Q", bound=BaseModel)
A = TypeVar("A", bound=BaseModel)

_MODULE = "framewright.sandbox.child"
_START_SECONDS = 120.0
"""For importing modules on a machine that is busy with other things."""
_POLL_SECONDS = 1.0
_READ_BYTES = 1 << 16
_MAX_MESSAGE_BYTES = 1 << 27
_END_SECONDS = 10.0
_FILE_BYTES_PER_SOURCE_BYTE, _FILE_BYTES_AT_LEAST = 2, 1 << 28
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PYTHONPATH", "TZ")
_KEPT_PREFIXES = ("OPENBLAS_", "COVERAGE_")
_SAID_BYTES = 2000
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
"""Nothing is wrong with the source then."""


class Sandbox:
    """A process without network, without secrets, and with hardly any files.

    Use it as a context manager, from one thread. It is started with the first order; a crash, a
    hang or a breach of a limit in it is an error of the order, and ends it.
    """

    def __init__(
        self,
        source: Path,
        settings: Settings,
        *,
        scratch: Path,
        modules: Iterable[str],
        others: Iterable[Path] = (),
    ) -> None:
        """Describe the sandbox.

        Args:
            source: the file that it is about; named in errors, and readable in the sandbox.
            settings: limits.
            scratch: the only folder in which it may write.
            modules: what to import before it is confined.
            others: files that are readable there, too.
        """
        self._source = source
        self._settings = settings
        self._scratch = scratch
        self._modules = tuple(modules)
        self._readable = tuple(str(path.absolute()) for path in (source, *others))
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: IO[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._buffer = bytearray()
        self._began = 0.0
        self._killed = False

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def kill(self) -> None:
        """End what the process is doing, or is about to, from another thread than waits for it."""
        self._killed = True
        if (process := self._process) is not None:
            _kill_group(process)

    def close(self) -> None:
        """End the process, if there is one, whatever it is doing."""
        if self._process is not None:
            _kill_group(self._process)
            self._process.communicate()
        for stream in (self._answers, self._said):
            if stream is not None:
                stream.close()
        self._process = self._answers = self._said = None
        self._buffer.clear()

    def __call__(
        self,
        function: Callable[[Q, ProgressCallback], A],
        request: Q,
        answer: type[A],
        progress: ProgressCallback | None = None,
    ) -> A:
        """Call a function at the top of a module in the sandbox.

        Args:
            function: takes the request, and a callback to which it must report often: an order of
                which nothing is heard for ``max_frame_seconds`` counts as stuck.
            request: its argument, which goes there as JSON.
            answer: class of its result, which comes back as JSON and is validated.
            progress: told what the function reports.

        Raises:
            FramewrightError: what the function raised.
            SourceRefused: reading the source crashed, hung, or needed more than the limits allow.
            EngineBug: the function raised what it should not.
        """
        if self._killed:
            raise TransientError(f"reading {self._source.name!r} was stopped.")
        if self._process is None:
            self._start()
        order = Order(
            function=place_of(function), request=place_of(type(request)), content=dumped(request)
        )
        self._send(order)
        while True:
            message = self._next(self._settings.max_frame_seconds)
            if message.progress is not None and progress:
                progress(Progress(*message.progress))
            elif message.log is not None:
                _repeat(*message.log)
            elif message.answer is not None:
                return self._validated(answer, message.answer)
            elif message.error is not None:
                raise error_from(*message.error)
            elif message.failure is not None:
                raise self._failure(*message.failure)

    def _validated(self, answer: type[A], content: Any) -> A:
        try:
            return answer.model_validate(content)
        except ValidationError as error:
            raise EngineBug(
                f"a sandboxed process answered what is no {answer.__name__}."
            ) from error

    def _start(self) -> None:
        settings = self._settings
        back, there = os.pipe()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._answers = os.fdopen(back, "rb", buffering=0)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a list, never a shell
                [sys.executable, "-P", "-m", _MODULE, str(there)],
                stdin=subprocess.PIPE,
                stdout=self._said,
                stderr=self._said,
                pass_fds=(there,),
                cwd=self._scratch,
                env=_environment(self._scratch),
                start_new_session=True,
            )
        finally:
            os.close(there)
        self._began = time.monotonic()
        source_bytes = self._source.stat().st_size if self._source.is_file() else 0
        self._send(
            Start(
                modules=self._modules,
                confinement=Confinement(
                    readable=self._readable,
                    writable=(str(self._scratch.absolute()),),
                    memory_bytes=settings.sandbox_memory_bytes,
                    cpu_seconds=settings.sandbox_cpu_seconds,
                    file_bytes=_FILE_BYTES_AT_LEAST + _FILE_BYTES_PER_SOURCE_BYTE * source_bytes,
                ),
            )
        )
        ready = self._next(_START_SECONDS)
        kept_from = ", ".join(ready.ready or ())
        logger.debug("sandbox %d is kept from: %s", self._process.pid, kept_from)
        for what in (FILES, NETWORK):
            if what not in kept_from:
                _warn_once(what)

    def _send(self, record: BaseModel) -> None:
        """Write a line to the process, which may be deaf."""
        process, data = self._running(), memoryview(record.model_dump_json().encode() + b"\n")
        if process.stdin is None:
            raise AssertionError
        began, pipe = time.monotonic(), process.stdin.fileno()
        os.set_blocking(pipe, False)
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_WRITE)
            while data:
                if selector.select(_POLL_SECONDS):
                    try:
                        data = data[os.write(pipe, data) :]
                    except BrokenPipeError:
                        raise self._death(self._ended()) from None
                self._check_time(began, _START_SECONDS)

    def _ended(self) -> int:
        """Wait for the end of a process that has closed its pipe, and see to it."""
        process = self._running()
        try:
            return process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            _kill_group(process)
            process.wait()
            return 1

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise AssertionError
        return self._process

    def _next(self, patience_seconds: float) -> Message:
        """Wait for the next message."""
        heard = time.monotonic()
        with selectors.DefaultSelector() as selector:
            if self._answers is None:
                raise AssertionError
            selector.register(self._answers, selectors.EVENT_READ)
            whole = b"\n" in self._buffer
            while not whole:
                if selector.select(_POLL_SECONDS):
                    whole = self._receive()
                self._check_time(heard, patience_seconds)
        line, _, rest = self._buffer.partition(b"\n")
        self._buffer = bytearray(rest)
        try:
            return Message.model_validate_json(bytes(line))
        except ValidationError as error:
            raise EngineBug("a sandboxed process sent what is no message.") from error

    def _receive(self) -> bool:
        """Take what has come; return whether it ends a line."""
        piece = self._answers.read(_READ_BYTES) if self._answers else b""
        if not piece:
            raise self._death(self._ended())
        self._buffer += piece
        if len(self._buffer) > _MAX_MESSAGE_BYTES:
            raise EngineBug(
                f"a sandboxed process sent a message of over {_MAX_MESSAGE_BYTES} bytes."
            )
        return b"\n" in piece

    def _check_time(self, heard: float, patience_seconds: float) -> None:
        now, settings = time.monotonic(), self._settings
        if now - heard > patience_seconds:
            self.close()
            raise SourceRefused(
                "too_slow",
                f"reading {self._source.name!r} came to a standstill: nothing for "
                f"{patience_seconds:.3g} s; at most that long is waited for a frame "
                "(FRAMEWRIGHT_MAX_FRAME_SECONDS). Re-export the file.",
            )
        if now - self._began > settings.sandbox_wall_seconds:
            self.close()
            raise SourceRefused(
                "too_slow",
                f"reading {self._source.name!r} took longer than {settings.sandbox_wall_seconds} s "
                "(FRAMEWRIGHT_SANDBOX_WALL_SECONDS). Cut it into shorter files.",
            )

    def _failure(self, kind: str, number: int | None, text: str, trace: str) -> Exception:
        """Say what an exception in the sandbox means that nobody raised on purpose."""
        if kind == "MemoryError":
            return self._out_of_memory()
        if number == errno.EFBIG:
            return SourceRefused(
                "unsafe",
                f"{self._source.name!r} would have made files much larger than itself; re-export "
                "it.",
            )
        if number in _DISK_ERRORS:
            return OSError(number, f"{os.strerror(number)}, in {self._scratch}")
        logger.debug("in a sandboxed process:\n%s", trace)
        return EngineBug(f"reading {self._source.name!r} failed: {kind}: {text}.")

    def _out_of_memory(self) -> SourceRefused:
        return SourceRefused(
            "too_large",
            f"reading {self._source.name!r} needs more than {self._settings.sandbox_memory_bytes} "
            "bytes of memory (FRAMEWRIGHT_SANDBOX_MEMORY_BYTES). Raise the limit, or re-export the "
            "file with smaller frames.",
        )

    def _death(self, code: int) -> Exception:
        """Say what the end of the process means."""
        said = self._last_words()
        self.close()
        name = self._source.name
        if code == -signal.SIGXCPU:
            return SourceRefused(
                "too_slow",
                f"reading {name!r} used up {self._settings.sandbox_cpu_seconds} s of CPU time "
                "(FRAMEWRIGHT_SANDBOX_CPU_SECONDS).",
            )
        if code < 0:
            crash = _signal_name(-code)
            if self._killed or crash == "SIGKILL":
                return TransientError(
                    f"reading {name!r} was ended from outside (SIGKILL), most often because memory "
                    "is short: free some, or let fewer processes run, and run again."
                )
            return SourceRefused(
                "crash",
                f"{name!r} crashed the decoder ({crash}) in its sandbox; nothing else was harmed. "
                f"Re-export the file, and please report it.{said}",
            )
        return EngineBug(f"a sandboxed process ended by itself, with status {code}.{said}")

    def _last_words(self) -> str:
        if self._said is None:
            return ""
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - _SAID_BYTES))
        words = " | ".join(self._said.read().decode(errors="replace").strip().splitlines()[-5:])
        return f" It said: {words}" if words else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session, and what it has started, such as ffmpeg."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@lru_cache
def _warn_once(what: str) -> None:
    logger.warning(
        "this machine cannot keep what reads a video from %s; see `framewright doctor`.", what
    )


def _environment(scratch: Path) -> dict[str, str]:
    """Only what a process needs to start: environments hold passwords and keys."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_ENVIRONMENT or name.startswith(_KEPT_PREFIXES)
    }
    root = str(Path(framewright.__file__).parent.parent)
    paths = [root, *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    folders = {"HOME": str(scratch), "TMPDIR": str(scratch)}
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return {**kept, **folders, **threads, "PYTHONPATH": os.pathsep.join(paths)}


def _repeat(level: int, name: str, text: str) -> None:
    """Log what the sandbox logged."""
    if name.startswith("framewright"):
        logging.getLogger(name).log(level, "%s", text)
