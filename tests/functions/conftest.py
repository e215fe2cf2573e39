"""Handlers run as the platform would run them, over in-memory ports."""

import os

# Powertools reads its settings when a handler is imported.
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Usher")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "tests")
os.environ.setdefault("POWERTOOLS_TRACE_DISABLED", "true")
