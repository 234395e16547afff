"""From evidence to verdict: the rules, the validity, the numbers and their names."""
