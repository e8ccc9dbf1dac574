"""The demonstration, in small: every part is said, and a figure is drawn."""

from __future__ import annotations

import pytest

from asymptotics.documents import demo


def test_the_demonstration_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OVERLAPS", "CURVE"):
        text = getattr(demo, name)
        small = [
            line for line in text.splitlines() if not line.startswith(("d =", "width =", "test_samples ="))
        ]
        monkeypatch.setattr(demo, name, "\n".join([*small, "d = 40", "width = 40", "test_samples = 1000"]))
    said: list[str] = []
    notes: list[str] = []
    files = demo.images(*demo.run_demo(said.append, notes.append))
    text = "\n".join(said)
    for part in ("leap index", "κ = 1", "simulation ± s.e.", "direction", "alpha"):
        assert part in text
    assert files["demo.png"].startswith(b"\x89PNG")
    assert files["demo.pdf"].startswith(b"%PDF")
    assert notes
