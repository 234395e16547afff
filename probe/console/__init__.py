"""What the verbs share: speaking to a terminal, showing progress, judging and rendering."""
