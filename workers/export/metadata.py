"""The metadata inside an exported file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from search_space import parse_id
from search_space.config import Config
from search_space.costs.describe import describe
from search_space.errors import BadWeights, SweepError

PREFIX = "edge_sweep."


@dataclass(frozen=True)
class Metadata:
    """Id, scale and origin of the weights in a file, as strings under ``edge_sweep.*`` keys."""

    config: str
    scale: int
    receptive_field: int
    """Side in input pixels: tiles must overlap by half of it to join without seams."""
    precision: str = "fp32"
    recipe: str = ""
    psnr: str = ""
    """For example ``Set5 36.39 dB (y-bt601-bicubic-aa-v1)``; empty when it was not measured."""
    version: str = ""

    @classmethod
    def of(cls, config: Config, precision: str = "fp32", recipe: str = "", psnr: str = "") -> Metadata:
        """The metadata of a config, with the installed version of this program."""
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as installed

        try:
            version = installed("edge-sweep")
        except PackageNotFoundError:
            version = "unknown"
        field = describe(config).receptive_field
        return cls(config.id, config.scale, field, precision, recipe, psnr, version)

    def items(self) -> dict[str, str]:
        """Keys and values as a file format stores them."""
        return {f"{PREFIX}{name}": str(value) for name, value in vars(self).items()}

    @classmethod
    def read(cls, items: Mapping[str, str], label: str) -> Metadata:
        """The inverse of ``items``; raises BadWeights where metadata is missing or impossible."""
        stored = {k.removeprefix(PREFIX): v for k, v in items.items() if k.startswith(PREFIX)}
        values = {name: value for name, value in stored.items() if name in cls.__dataclass_fields__}
        try:
            config = parse_id(values["config"])
            scale, field = int(values.pop("scale")), int(values.pop("receptive_field"))
        except (KeyError, ValueError, SweepError):
            raise BadWeights(
                f"{label} does not say which config it is (no readable edge_sweep.* metadata): "
                "only files made by 'sweep export' can be used here"
            ) from None
        if scale != config.scale or not 1 <= field <= 1001:
            raise BadWeights(f"{label} says scale {scale} and receptive field {field}, which {config.id} has not")
        return cls(scale=scale, receptive_field=field, **values)
