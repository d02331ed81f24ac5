"""Why a template of Go's is not turned."""

from __future__ import annotations


class NotTurned(ValueError):
    """A template that has no counterpart. The message names the function or statement, and shows no text of it."""
