"""A headless Chromium, driven by its DevTools protocol over two pipes: no driver, no package."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # Root has none.
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-pipe",
)
START = """
import os, sys
os.dup2(int(sys.argv[1]), 90)
os.dup2(int(sys.argv[2]), 91)
os.dup2(90, 3)
os.dup2(91, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Starts a program that reads from descriptor 3 and writes to 4, as the flag demands."""
PATH = next(filter(None, map(shutil.which, NAMES)), None)
"""The browser, where one is installed."""


class Page:
    """A tab, and what has gone wrong in it."""

    def __init__(self, commands: int, replies: int):
        """A tab of the browser that reads from and writes to two file descriptors."""
        self.commands, self.replies = commands, replies
        self.numbers, self.unread, self.session = itertools.count(1), b"", ""
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.loaded = False
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command; events on the way are noted."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while (reply := self._read()).get("id") != number:
            pass
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]

    def open(self, url: str) -> None:
        """Load a page; return when it has."""
        self.loaded = False
        self.send("Page.navigate", url=url)
        while not self.loaded:
            self._read()

    def run(self, code: str) -> Any:
        """The value of a JavaScript expression, awaited; it may do what a user's click may."""
        how = {"returnByValue": True, "awaitPromise": True, "userGesture": True}
        result = self.send("Runtime.evaluate", expression=code, **how)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{code}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def screenshot(self, path: Path, width: int, height: int, dark: bool = False) -> None:
        """The page as a PNG."""
        self.size(width, height)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=scheme)
        shot = self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    def size(self, width: int, height: int) -> None:
        """Give the page a size in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.send("Page.printToPDF")["data"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self.unread:
            received = os.read(self.replies, 1 << 20)
            if not received:
                raise RuntimeError("the browser has ended")
            self.unread += received
        line, _, self.unread = self.unread.partition(b"\0")
        message = json.loads(line)
        method, params = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(str(params["args"]))
        return message


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """A tab of a new browser, which keeps its profile in a folder."""
    assert PATH
    read_commands, commands = os.pipe()
    replies, write_replies = os.pipe()

    pipes = [str(end) for end in (read_commands, write_replies)]
    process = subprocess.Popen(
        [sys.executable, "-c", START, *pipes, PATH, *FLAGS, f"--user-data-dir={folder}"],
        pass_fds=(read_commands, write_replies),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_commands)
    os.close(write_replies)
    try:
        yield Page(commands, replies)
    finally:
        process.terminate()
        process.wait(timeout=30)
        os.close(commands)
        os.close(replies)
