"""Hypothesis, without a deadline: how long an example takes is not what is tested."""

from hypothesis import HealthCheck, event, given, settings, strategies

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

__all__ = ["HealthCheck", "event", "given", "settings", "strategies"]
