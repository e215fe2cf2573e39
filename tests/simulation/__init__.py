"""A deterministic simulator of a whole stack: virtual time, seeded faults, and a checker of what happened."""
