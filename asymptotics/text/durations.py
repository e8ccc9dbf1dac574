"""Times and sizes for people."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time for people: 40 s, 12 min, 3.5 h, 2.1 days, 3 years, 5,200 years."""
    for unit, length, limit in (("s", 1.0, 90.0), ("min", 60.0, 90.0), ("h", 3600.0, 48.0)):
        if seconds < limit * length:
            return f"{max(seconds / length, 0.1):.2g} {unit}"
    days = seconds / 86400
    return (
        f"{days:.2g} days"
        if days < 99.5
        else f"{days:.0f} days"
        if days < 730
        else f"{days / 365.25:,.0f} years"
    )


def size(count: float) -> str:
    """Bytes for people."""
    return f"{count / 1e9:.2g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
