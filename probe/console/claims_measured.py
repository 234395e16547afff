"""What claims name is measured: all of it is checked before, and each scenario measured once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probe.errors import EXIT_ENVIRONMENT, EXIT_INTERRUPTED, EXIT_PROGRAM, ClaimsError, ProbeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from probe.claims.file import Claim, Conditions
    from probe.console.judged import Judged
    from probe.console.terminal import Terminal
    from probe.scenario.file import Loaded

STOPPING: Final = (EXIT_INTERRUPTED, EXIT_ENVIRONMENT)
"""After these no further scenario is measured: somebody said stop, or it would fail again."""
KEPT: Final = (EXIT_INTERRUPTED, EXIT_PROGRAM, EXIT_ENVIRONMENT)
"""Exit codes of a measurement that stand before what the claims say."""


class Measured:
    """Measures each scenario once for all claims that ask for it; `folder` gets the Runs.

    `base` is the folder of the file of claims: a scenario that it names by a path lies there.
    """

    def __init__(self, terminal: Terminal, folder: Path, repeat: int, base: Path) -> None:
        self._terminal, self._folder, self._repeat, self._base = terminal, folder, repeat, base
        self._made: dict[tuple[str, tuple[str, ...]], list[Judged]] = {}
        self.exit_codes: list[int] = []

    @property
    def device(self) -> dict[str, Any]:
        """This machine's inventory."""
        from probe.devices import local
        from probe.model import Device

        return local.inventory(Device("local"))

    @property
    def stopped(self) -> bool:
        """Whether nothing more is measured."""
        return any(code in STOPPING for code in self.exit_codes)

    def name(self, conditions: Conditions) -> str | None:
        """Return the name of the scenario that a claim asks for, as Runs of it have it."""
        if conditions.scenario is None:
            return None
        try:
            return self._loaded(conditions).scenario.name
        except ProbeError:
            return Path(conditions.scenario).stem

    def check(self, claims: Iterable[Claim]) -> None:
        """Raise `ClaimsError` for the first claim whose scenario or inputs cannot be measured.

        Raises `UsageError` where a captured tree stands in for this machine.
        """
        import scenarios
        from probe.console import device_root, judged

        for claim in claims:
            device_root.refuse("verify")
            try:
                judged.ready(self._loaded(claim.conditions))
            except ProbeError as error:
                raise ClaimsError(
                    f"claim {claim.id}: {error.message}",
                    getattr(error, "problems", ()),
                    remedy="change scenario or overrides in its conditions, or give Runs; "
                    f"scenarios that ship: {', '.join(scenarios.names())}",
                ) from error

    def _loaded(self, conditions: Conditions) -> Loaded:
        import scenarios
        from probe.claims.judging import overrides
        from probe.scenario.file import load

        asked = str(conditions.scenario)
        beside = self._base / asked
        reference = str(beside) if asked not in scenarios.names() and beside.is_file() else asked
        return load(reference, folder=scenarios.folder(), overrides=overrides(conditions))

    def runs(self, conditions: Conditions) -> Sequence[Judged]:
        """Measure what a claim names as often as was asked, or return what was measured before.

        Fewer, or none, once measuring has `stopped`.
        """
        from probe.claims.judging import overrides
        from probe.console import judged, progress

        key = (str(conditions.scenario), overrides(conditions))
        if key not in self._made:
            loaded, self._made[key] = self._loaded(conditions), []
            for _ in range(self._repeat):
                if self.stopped:
                    break
                self._terminal.say(f"{conditions.scenario}: {loaded.scenario.title}")
                with progress.Display(self._terminal) as display:
                    one = judged.measured(loaded, self._folder, display)
                self._made[key].append(one)
                self.exit_codes += [one.exit_code] if one.exit_code in KEPT else []
        return self._made[key]
