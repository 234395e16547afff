"""Build the optional C recorder; everything else about the project is in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "probe.recorder._pen",
            ["probe/recorder/_pen.c"],
            extra_compile_args=[
                "-O2",
                "-std=c11",
                "-Wall",
                "-Wextra",
                "-Wno-missing-field-initializers",
            ],
            # Without a compiler the package installs all the same, and probe.recorder.pen records.
            optional=True,
        )
    ]
)
