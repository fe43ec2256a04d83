"""Passes, schedules and the pipelines made of them."""
