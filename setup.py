"""Build the two optional C parts; everything else about the project is in pyproject.toml.

Without a compiler the package installs all the same: `probe.recorder.pen` records, copies are not
traced, and `liveprobe doctor` says so.
"""

from pathlib import Path

from setuptools import Extension, setup


def sources(suffix: str) -> list[str]:
    """Return the interposer's files of a kind, as setuptools wants them: relative to here."""
    return sorted(str(file) for file in Path("collectors/copies").glob(f"*.{suffix}"))


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
            optional=True,
        ),
        # No extension module but a library that is preloaded into any program, with Python or
        # without: it includes no Python.h, and one build serves every interpreter.
        Extension(
            "collectors.copies._interposer",
            sources("c"),
            depends=sources("h"),
            libraries=["dl", "pthread"],
            extra_compile_args=[
                "-O2",
                "-std=c11",
                "-Wall",
                "-Wextra",
                "-fvisibility=hidden",
                # What it defines is what the compiler takes for granted elsewhere.
                "-fno-builtin",
                "-U_FORTIFY_SOURCE",
                "-fno-lto",
                # A hook may run before there is a thread-local store to allocate from.
                "-ftls-model=initial-exec",
                # A thread may be cancelled in a read, and unwinds through our hook.
                "-fasynchronous-unwind-tables",
                "-g0",
            ],
            extra_link_args=["-fno-lto"],
            optional=True,
        ),
    ]
)
