"""How endpoints, models and screens may be called."""

from __future__ import annotations

NAME = r"^[a-z][a-z0-9_]*$"
