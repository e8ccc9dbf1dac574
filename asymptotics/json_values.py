"""What results look like in JSON: the sanitizer of both packages."""

from __future__ import annotations

from hermite.exact.plain import plain, plain_table

__all__ = ["plain", "plain_table"]
