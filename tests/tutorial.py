"""A tutorial, read as steps, and terminals as somebody has them who follows it."""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_STEP = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$"
    r"|^<!-- the page (?P<page>\S+) shows \"(?P<shown>[^\"]+)\" -->$"
    r"|in the (?P<ended>\w+ terminal) with Ctrl-C",
    re.MULTILINE | re.DOTALL,
)
_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-_])|\r")
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Command:
    """What is typed into a terminal."""

    terminal: str
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """What a terminal then shows; `…` stands for anything, alone on a line for any lines."""

    terminal: str
    text: str

    def pattern(self) -> re.Pattern[str]:
        """What finds it."""
        lines = [
            ".*?" if line == _ELLIPSIS else re.escape(line).replace(_ELLIPSIS, "[^\n]*")
            for line in self.text.rstrip("\n").split("\n")
        ]
        return re.compile("\n".join(lines), re.DOTALL)


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is written."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows that is opened, or is open already."""

    address: str
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Ctrl-C in a terminal."""

    terminal: str


Step = Command | Output | Written | Shown | Ended


def steps(tutorial: str) -> Iterator[Step]:
    """What has to be done, in order; a block that does not say where it belongs is a mistake."""
    for found in _STEP.finditer(tutorial):
        title, text = found["title"], found["text"]
        if found["page"]:
            yield Shown(found["page"], found["shown"])
        elif found["ended"]:
            yield Ended(found["ended"])
        elif not title:
            raise AssertionError(f"a block without a title: {text!r}")
        elif not title.endswith(" terminal"):
            yield Written(title, text)
        elif found["language"] == "sh":
            yield Command(title, text)
        else:
            yield Output(title, text)


class Terminal:
    """A bash in a terminal of its own, as a person has one."""

    def __init__(self, process: asyncio.subprocess.Process, end: int, folder: Path) -> None:
        self.shown = ""
        """All that it has shown, without colours."""
        self._process = process
        self._end = end
        self._folder = folder
        self._blocks = 0
        self._is_busy = False
        self._from = 0
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(end, self._read)

    @classmethod
    async def open(cls, folder: Path, environment: Mapping[str, str]) -> Self:
        """One that begins in this folder."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 250, 0, 0))
        mode = termios.tcgetattr(theirs)
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, mode)
        process = await asyncio.create_subprocess_exec(
            *("bash", "--norc", "--noprofile", "--noediting", "-i"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**environment, "PS1": "", "PS2": "", "TERM": "dumb"},
            preexec_fn=_lead,
        )
        os.close(theirs)
        return cls(process, ours, folder)

    async def type(self, text: str, within: float) -> None:
        """Enter a block, when the one before has ended; with what it ends is shown behind it."""
        await self.ended(within)
        self._blocks += 1
        self._is_busy = True
        self._from = len(self.shown)
        block = self._folder / f".block-{id(self)}-{self._blocks}"
        block.write_text(text, "utf-8")
        told = f"printf '\\n--- block %s: %s\\n' {self._blocks} $?"
        os.write(self._end, f". {block}; {told}\n".encode())

    async def interrupt(self, within: float) -> None:
        """Ctrl-C, until what runs has ended; it is not asked how."""
        had_begun = False
        async with asyncio.timeout(within):
            while True:
                if self._runs_something():
                    had_begun = True
                    os.write(self._end, b"\x03")
                elif had_begun:  # before, the shell itself would take it, and go on
                    break
                await asyncio.sleep(0.2)
        self._is_busy = False

    def _runs_something(self) -> bool:
        return os.tcgetpgrp(self._end) != self._process.pid

    async def ended(self, within: float) -> None:
        """Wait until the last block has ended, and well."""
        if self._is_busy:
            await self.shows(re.compile(rf"^--- block {self._blocks}: 0$", re.MULTILINE), within)
            self._is_busy = False

    async def shows(self, pattern: re.Pattern[str], within: float) -> None:
        """Wait until this is shown, behind what was waited for before; a block that fails ends the waiting."""
        failed = re.compile(rf"^--- block {self._blocks}: (?!0$)\d+$", re.MULTILINE)
        try:
            async with asyncio.timeout(within):
                while (found := pattern.search(self.shown, self._from)) is None:
                    assert not failed.search(self.shown), f"a block failed:\n{self.shown[-3000:]}"
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(
                f"not shown: {pattern.pattern}\nbut:\n{self.shown[self._from :][-3000:]}"
            ) from None
        self._from = found.end()

    async def close(self, within: float) -> None:
        """Ctrl-C where something runs, and away with it."""
        try:
            if self._is_busy and self._runs_something():
                await self.interrupt(within)
            os.write(self._end, b"exit\n")
            async with asyncio.timeout(within):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
            raise
        finally:
            asyncio.get_running_loop().remove_reader(self._end)
            os.close(self._end)

    def _read(self) -> None:
        try:
            data = os.read(self._end, 65_536)
        except OSError:  # the other end is closed
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._end)
        self.shown += _ANSI.sub("", data.decode(errors="replace"))
        self._news.set()


def _lead() -> None:
    """A session of its own, whose terminal this is: without, Ctrl-C reaches nobody."""
    os.setsid()
    # what runs in the background of a script ignores them, and would hand that on
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
