"""The parts of a report in words: every sentence is computed from a Run and its verdict."""
