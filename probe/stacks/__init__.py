"""From py-spy's recordings to tables: which code ran when, on which thread, in which stage.

What py-spy writes (`chrometrace`) has changes of stacks by its own clock; `clock` brings them to
CLOCK_MONOTONIC, `document` to stages, `speedscope` to a file that other tools open.
"""
