"""A pool of made pictures of the past (Shrivastava et al. 2017, arXiv:1612.07828, section 2.3)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ImagePool(nn.Module):
    """The last made pictures, of which a discriminator sees some again.

    While the pool is not full, a picture is stored and returned. Then, with probability 1/2, it is returned at once;
    else it takes the place of a picture of the pool, drawn evenly, and that one is returned. Picture by picture, as in
    the code of CycleGAN (Zhu et al. 2017, arXiv:1703.10593, section 4). The pictures are part of the state: a resumed
    training has the same ones. Of several processes each has a pool of its own, and a checkpoint holds that of the
    first: all resume with it. `size` 0: every picture is returned at once.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.images: list[Tensor] = []

    @torch.no_grad()
    def exchange(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return as many pictures as are given: these, or earlier ones in whose place they are stored."""
        return torch.stack([self._exchanged(image.detach().clone()) for image in images])

    def _exchanged(self, image: Tensor) -> Tensor:
        if len(self.images) < self.size:
            self.images.append(image)
            return image
        if not self.size or torch.rand(()) < 0.5:
            return image
        place = int(torch.randint(self.size, ()))
        earlier, self.images[place] = self.images[place], image
        return earlier

    def get_extra_state(self) -> dict[str, Any]:
        """Return the pictures for `state_dict`."""
        return {"images": list(self.images)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Continue with the pictures of a `state_dict`."""
        self.images = list(state["images"])

    def _apply(self, function: Any, recurse: bool = True) -> ImagePool:
        """Move the pictures with the module, for example to another device."""
        self.images = [function(image) for image in self.images]
        return super()._apply(function, recurse)
