"""Renderings of Runs and verdicts: one module per kind of report. A report never judges."""
