"""Options of `ganpipe.systems.style`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, NonNegativeFloat, model_validator

from ganpipe.config import Width
from ganpipe.config.choices import Trunk
from ganpipe.core.inputs import Given, Input
from ganpipe.nets.sizes import require_patches, require_quarters
from ganpipe.nets.vgg_layouts import layout_of, require_side
from ganpipe.systems.configs import SystemConfig

Layers = Annotated[tuple[str, ...], Field(min_length=1)]


class Config(SystemConfig):
    """The options of `style`; the defaults of the generator are those of its source, the weights are ours."""

    drawing = ("pixel_steps",)

    trunk: Trunk = "vgg19"  # hed, vgg19 or random-SEED, see docs/weights.md
    content_layers: tuple[str, ...] | None = None  # null: relu4_2 of vgg19 as Gatys, relu3_3 of the others as Johnson
    style_layers: Layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")  # whose Gram matrices are compared
    features: Width = 32  # channels of the generator's first layer; four times as many in the blocks
    blocks: Annotated[int, Field(ge=1, le=64)] = 5  # residual
    features_discriminator: Width = 64  # channels of the first layer, doubled up to eight times as many
    patch_layers: Annotated[int, Field(ge=0, le=6)] = 3  # of stride 2; the patch: 1, 16, 34, 70, 142, 286 or 574 pixels
    content_weight: NonNegativeFloat = 0.1  # of the distance between features of the photograph and of the output
    style_weight: NonNegativeFloat = 1.0  # of the distance between Gram matrices
    variation_weight: NonNegativeFloat = 0.2  # of the differences between neighbouring pixels
    adversarial_weight: NonNegativeFloat = 0.01  # 0: nobody judges, as in the sources
    pixel_steps: Annotated[int, Field(ge=1, le=100_000)] = 150  # of the picture `gatys`

    @property
    def inputs(self) -> Mapping[str, Input]:
        """See `SystemConfig`."""
        return {"photo": Given("a")}

    @property
    def direct_steps(self) -> int:
        """See `SystemConfig`."""
        return self.pixel_steps

    @property
    def content(self) -> tuple[str, ...]:
        """The layers of the trunk whose features are those of the photograph."""
        return self.content_layers or (("relu4_2",) if self.trunk == "vgg19" else ("relu3_3",))

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers of the trunk that are looked at, each once."""
        return tuple(dict.fromkeys((*self.content, *self.style_layers)))

    def require_size(self, height: int, width: int) -> None:
        """See `SystemConfig`: the trunk has to see something too."""
        require_quarters(height, width)
        require_side(self.trunk, self.layers, min(height, width))
        if self.adversarial_weight:
            require_patches(height, width, self.patch_layers)

    @model_validator(mode="after")
    def _fits(self) -> Config:
        layout_of(self.trunk).require(self.layers)
        if not self.style_weight and not self.adversarial_weight:
            raise ValueError("style_weight and adversarial_weight are both 0: the generator would learn no style")
        return self
