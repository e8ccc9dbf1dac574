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
            logs = {"browser": "ALL", "performance": "ALL"}
            capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": logs}
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

    def visit(self, place: Path | str, width: int = 1200, height: int = 900) -> None:
        """Open a local file, or an address, in a page exactly ``width`` wide."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.devtools("Emulation.setDeviceMetricsOverride", **screen)
        url = place if isinstance(place, str) else place.resolve().as_uri()
        self._call("POST", f"{self._session}/url", {"url": url})

    def devtools(self, command: str, **parameters: Any) -> Any:
        """One command of the Chrome DevTools protocol."""
        body = {"cmd": command, "params": parameters}
        return self._call("POST", f"{self._session}/goog/cdp/execute", body)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        return self._call("POST", f"{self._session}/execute/sync", {"script": f"return {script}", "args": []})

    def press(self, key: str, shift: bool = False) -> None:
        """One key, as a keyboard sends it to what has the focus: "Tab", "ArrowRight", or a letter."""
        codes = {
            "Tab": 9,
            "Enter": 13,
            "End": 35,
            "Home": 36,
            "ArrowLeft": 37,
            "ArrowRight": 39,
            "ArrowDown": 40,
        }
        code = codes.get(key, 0)
        keys = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        self.devtools("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **keys, **text)
        self.devtools("Input.dispatchKeyEvent", type="keyUp", **keys)

    def requests(self) -> list[str]:
        """Addresses that were asked for since the last call, those of web sockets too."""
        said = self._call("POST", f"{self._session}/se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in said]
        found = [
            m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"
        ]
        return found + [m["params"]["url"] for m in messages if m["method"] == "Network.webSocketCreated"]

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
