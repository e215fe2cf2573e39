"""In-memory twins of what the ports promise."""
