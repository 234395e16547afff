"""The reference program: capture, decode, preprocess, infer, postprocess, encode, render.

``python -m probe.pipeline --scenario FILE.json --out DIR`` runs it in a process of its own. It
speaks to liveprobe only through `probe.stage`, `probe.frame` and `probe.mark`, as a user's program
does.
"""
