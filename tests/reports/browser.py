"""A real browser for the tests of the reports: headless Chromium, spoken to through two pipes."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE_S = 60.0
HIGH = 20
"""The pipes' ends are moved out of the way of 3 and 4, which Chromium reads and writes."""
TRAMPOLINE = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    "os.execv(sys.argv[3], sys.argv[3:])"
)
SILENT: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)


def executable() -> str | None:
    """Return the path of a Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page of one browser with a new, empty profile; `complaints` is all that it logged."""

    def __init__(self, program: str) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.loads = 0
        self._profile = tempfile.mkdtemp(prefix="liveprobe-browser-")
        self._number = 0
        self._waiting = b""
        self._session: str | None = None
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        low = [to_read, to_write]
        ends = [fcntl.fcntl(each, fcntl.F_DUPFD, HIGH) for each in low]
        command = [sys.executable, "-c", TRAMPOLINE, *map(str, ends), program, *FLAGS]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={self._profile}"], pass_fds=ends, **SILENT
        )
        for each in (*low, *ends):
            os.close(each)
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        """Open a page and listen to what it says."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and return its result; events are noted."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, f"{method}: {said['error']}"
                return dict(said["result"])

    def _next(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self._waiting:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser said nothing"
            more = os.read(self._in, 1 << 20)
            assert more, "the browser ended"
            self._waiting += more
        line, _, self._waiting = self._waiting.partition(b"\0")
        said: dict[str, Any] = json.loads(line)
        self._note(said.get("method", ""), said.get("params", {}))
        return said

    def _note(self, method: str, said: dict[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled":
            self.complaints.append(f"console: {said['args']}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(f"exception: {said['exceptionDetails']}")
        elif method == "Log.entryAdded":
            self.complaints.append(f"log: {said['entry']}")
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append(f"dialog: {said['message']}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(str(said["request"]["url"]))
        elif method == "Page.loadEventFired":
            self.loads += 1

    def open(
        self,
        page: Path,
        *,
        width: int = 1440,
        height: int = 900,
        dark: bool = False,
        scripts: bool = True,
    ) -> None:
        """Open a page from file:// at a size, and wait until its charts are drawn (or given up)."""
        self.complaints.clear()
        self.requests.clear()
        self.size(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        before = self.loads
        self.call("Page.navigate", url=page.resolve().as_uri())
        while self.loads == before:
            self._next()
        if scripts:
            self.wait("document.documentElement.hasAttribute('data-drawn')")

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def wait(self, condition: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE_S
        while not self.ask(condition):
            assert time.monotonic() < end, f"never became true: {condition}"
            time.sleep(0.02)

    def ask(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        said = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def key(self, name: str, **more: Any) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, **more)

    def drag(self, x0: float, x1: float, y: float) -> None:
        """Drag the mouse across the page."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x0, y=y)
        self.call(
            "Input.dispatchMouseEvent",
            type="mousePressed",
            x=x0,
            y=y,
            button="left",
            buttons=1,
            clickCount=1,
        )
        for k in range(1, 5):
            self.call(
                "Input.dispatchMouseEvent",
                type="mouseMoved",
                x=x0 + (x1 - x0) * k / 4,
                y=y,
                buttons=1,
            )
        self.call(
            "Input.dispatchMouseEvent", type="mouseReleased", x=x1, y=y, button="left", clickCount=1
        )

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Write a PNG of the page."""
        said = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(said["data"]))

    def pdf(self) -> bytes:
        """Return the page as it would be printed."""
        said = self.call(
            "Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69
        )
        return base64.b64decode(said["data"])
