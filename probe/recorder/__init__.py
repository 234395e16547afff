"""Writes tapes: `listening` when somebody listens, `silence` when nobody does."""
