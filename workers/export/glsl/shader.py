"""The text of a shader: what it says about itself, then its passes."""

from __future__ import annotations

from torch import nn

from search_space.errors import BadData
from workers.export.glsl.compute import compute_passes
from workers.export.glsl.fragment import fragment_passes
from workers.export.glsl.passes import written
from workers.export.glsl.plan import plan_of
from workers.export.glsl.storage import stored_as_needed
from workers.export.metadata import PREFIX, Metadata

FORMS = {"glsl": compute_passes, "glsl-fragment": fragment_passes}
LICENCE = "Apache-2.0 (this code); the weights are under the terms of whoever trained them"


def shader(module: nn.Module, metadata: Metadata, form: str = "glsl") -> str:
    """A user shader of a deployed network, in the compute (``glsl``) or the fragment form (``glsl-fragment``).

    Raises BadData for a network or a form that has none.
    """
    if form not in FORMS:
        raise BadData(f"there is no shader form {form!r} (choose from {', '.join(FORMS)})")
    plan = stored_as_needed(plan_of(module, metadata.scale), module)
    passes = FORMS[form](plan)
    return f"{header(metadata)}\n{written(passes, metadata.config, metadata.scale)}"


def header(metadata: Metadata) -> str:
    """Comment lines with the metadata, readable by people and by ``read_header``."""
    about = [
        f"// {metadata.config}: enlarges luma {metadata.scale} times. User shader for mpv and libplacebo.",
        *(f"// {key} = {value}" for key, value in metadata.items().items()),
        f"// {PREFIX}licence = {LICENCE}",
    ]
    return "\n".join(about) + "\n"


def read_header(text: str) -> dict[str, str]:
    """Keys and values of a shader's header."""
    lines = [line[3:].partition(" = ") for line in text.splitlines() if line.startswith(f"// {PREFIX}")]
    return {key: value for key, _, value in lines}
