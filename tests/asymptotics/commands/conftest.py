"""Tests that count the lines on standard error must not depend on how busy the machine is."""

from __future__ import annotations

import pytest

from asymptotics.commands import terminal


@pytest.fixture(autouse=True)
def _patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sign of life comes after an hour, but where it is tested itself."""
    if not request.module.__name__.endswith("test_patience"):
        monkeypatch.setattr("asymptotics.commands.cli.Heartbeat", lambda: terminal.Heartbeat(first=3600.0))
