"""What all tests share: properties are about truth, not time, so no deadline on a busy machine."""

from hypothesis import settings

settings.register_profile("edge-sweep", deadline=None)
settings.load_profile("edge-sweep")
