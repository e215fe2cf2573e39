"""The operator's `usher` command."""

__version__ = "0.1.0"
"""The version of pyproject.toml; nothing is installed that could be asked for it."""
