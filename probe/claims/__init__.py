"""Somebody's statements in a form that a measurement can answer, and what it answers."""
