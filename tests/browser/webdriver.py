"""A headless Chromium through ChromeDriver's WebDriver protocol, with the standard library alone."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """The browser's path, if it and its driver are installed."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return found if shutil.which("chromedriver") else None


class Browser:
    """One session; use it in a ``with`` block."""

    def __init__(self) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="giantstep-browser-", ignore_cleanup_errors=True)
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._open = build_opener(ProxyHandler({}))
        try:
            self._root = f"http://127.0.0.1:{self._port()}"
            options = {"binary": chromium(), "args": [*FLAGS, f"--user-data-dir={self._profile.name}"]}
            capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": capabilities}})
            self._session = f"/session/{answer['sessionId']}"
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._call("DELETE", self._session)
        finally:
            self._stop()

    def _stop(self) -> None:
        self._driver.terminate()
        self._driver.wait(timeout=20)
        assert self._driver.stdout is not None
        self._driver.stdout.close()
        self._profile.cleanup()

    def _port(self) -> int:
        assert self._driver.stdout is not None
        for line in self._driver.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                return int(found.group(1))
        raise RuntimeError("chromedriver did not start")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(
            self._root + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with self._open.open(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def visit(self, path: Path, width: int = 1200, height: int = 900) -> None:
        """Open a local file in a page exactly ``width`` wide."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.devtools("Emulation.setDeviceMetricsOverride", **screen)
        self._call("POST", f"{self._session}/url", {"url": path.resolve().as_uri()})

    def devtools(self, command: str, **parameters: Any) -> Any:
        """One command of the Chrome DevTools protocol."""
        body = {"cmd": command, "params": parameters}
        return self._call("POST", f"{self._session}/goog/cdp/execute", body)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": f"return {script}", "args": []})

    def console(self) -> list[dict[str, Any]]:
        """What the console said since the last call."""
        said: list[dict[str, Any]] = self._call("POST", f"{self._session}/se/log", {"type": "browser"})
        return said

    def screenshot(self) -> bytes:
        """The whole page as PNG."""
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def print(self) -> bytes:
        """The page as PDF, A4."""
        return base64.b64decode(self._call("POST", f"{self._session}/print", {"background": True}))
