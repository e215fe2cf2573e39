"""Usher: shows new hires to their seats."""
