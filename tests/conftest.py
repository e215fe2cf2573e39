"""Property tests judge no speed: a fresh clone, which builds its tables of letters first, is slow and not wrong."""

from hypothesis import HealthCheck, settings

settings.register_profile("usher", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", parent=settings.get_profile("usher"), max_examples=5_000)
settings.load_profile("usher")
