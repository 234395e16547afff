"""What may scripts depend on in `liveprobe doctor --json`? Its JSON Schema, as data."""

from __future__ import annotations

from typing import Any, Final

from probe.devices.doctor import SCHEMA, STATES, Row
from probe.devices.surroundings import LIMITED, MISSING, OK
from probe.model import Grade, Seen, UtilisationKind

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
TEXT_OR_NULL: Final[Schema] = {"type": ["string", "null"]}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
COUNT_OR_NULL: Final[Schema] = {"type": ["integer", "null"], "minimum": 0}


def schema() -> Schema:
    """Return the JSON Schema of the doctor's document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What liveprobe can measure on a device",
        **_object(
            schema={"const": SCHEMA},
            tree=_said(TEXT_OR_NULL, "the captured tree that was looked at, null: this machine"),
            leaving_tree=_said(_list(TEXT), "links of the tree that lead to this machine"),
            program_pid=_said(COUNT_OR_NULL, "the tree's program"),
            device=_device(),
            codecs=_object(
                hardware=_list(_object(name=TEXT, does=TEXT, node=TEXT_OR_NULL,
                                       inferred_from=TEXT)),
                pyav={"anyOf": [_pyav(), {"type": "null"}]},
            ),
            tracks=_list(_track()),
            environment=_list(
                _object(name=TEXT, state={"enum": [OK, LIMITED, MISSING]}, reason=TEXT,
                        remedy=TEXT_OR_NULL)
            ),
        ),
    }  # fmt: skip


def _device() -> Schema:
    return _object(
        name=_said(TEXT, "a short word for folders"),
        board=TEXT_OR_NULL,
        soc=TEXT_OR_NULL,
        cpu=TEXT_OR_NULL,
        cores=_said(COUNT_OR_NULL, "those online, as the kernel counts them: threads with SMT"),
        physical_cores=_said(COUNT_OR_NULL, "of those online; null where the kernel does not say"),
        cores_present=_said(COUNT_OR_NULL, "online or off"),
        clock_limit_hz=_said(_list(COUNT), "one number a cpufreq policy"),
        memory_bytes=COUNT_OR_NULL,
        os=TEXT_OR_NULL,
        kernel=TEXT_OR_NULL,
        governor=TEXT_OR_NULL,
        clocks_held=_said({"type": ["boolean", "null"]}, "cores and GPU can have one clock alone"),
        power_mode=_said(TEXT_OR_NULL, "of a Jetson, by nvpmodel"),
        clocksource=TEXT_OR_NULL,
        virtualised={"type": ["boolean", "null"]},
        accelerators=_list(_accelerator()),
        gpus=_said(
            _list(_object(name=TEXT_OR_NULL, chip=TEXT_OR_NULL, driver=TEXT, node=TEXT_OR_NULL)),
            "those that are no accelerator above; chip is of PCI, or of the device tree",
        ),
        cameras=_list(TEXT),
        displays=_list(TEXT),
    )


def _accelerator() -> Schema:
    return _object(
        name=TEXT,
        driver=TEXT_OR_NULL,
        node=TEXT_OR_NULL,
        version=_said(TEXT_OR_NULL, "the driver's; null where it states none (it is the kernel's)"),
        version_source=TEXT_OR_NULL,
        firmware=TEXT_OR_NULL,
        link=_said(TEXT_OR_NULL, "what a part on PCIe negotiated; null where it is on none"),
        sram_bytes=_said(COUNT_OR_NULL, "memory on the chip; null where no maker states it"),
        sram_source=TEXT_OR_NULL,
        remedy=_said(TEXT_OR_NULL, "what a missing driver needs"),
    )


def _track() -> Schema:
    source = _object(device=TEXT, source=TEXT, seen=_one_of(Seen), needs=TEXT)
    found = _object(
        track=TEXT,
        title=TEXT,
        collector=TEXT,
        unit=TEXT,
        grade=_one_of(Grade),
        kind={"enum": [*(each.value for each in UtilisationKind), None]},
        period_ns=_said(COUNT_OR_NULL, "null: read at the start and at the end alone"),
        state={"enum": list(STATES)},
        lines=_said(COUNT, "lines of the track that had a value in the trial"),
        values=_said(_list({"type": "number"}), "the last ones of the trial, one a line"),
        reason=TEXT_OR_NULL,
        remedy=TEXT_OR_NULL,
        source=_said(TEXT_OR_NULL, "what it was read from in the trial; null where it was not"),
        sources=_said(_list(source), "rows of the support matrix that name the track"),
    )
    if tuple(found["properties"]) != Row._fields:
        raise TypeError(f"the schema of a track is not {Row._fields}")
    return found


def _pyav() -> Schema:
    return _object(version=TEXT, software=_list(TEXT), hardware=_list(TEXT), hwaccel=_list(TEXT))


def _object(**properties: Schema) -> Schema:
    """Return the schema of an object with exactly these fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _said(schema: Schema, description: str) -> Schema:
    return schema | {"description": description}


def _one_of(values: type[Grade | Seen]) -> Schema:
    return {"enum": [each.value for each in values]}
