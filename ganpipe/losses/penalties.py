"""Penalties that keep a discriminator or critic smooth."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ganpipe.losses.precision import at_least_fp32


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Float[Tensor, n * shape], fake: Float[Tensor, n * shape]
) -> Float[Tensor, ""]:
    """Return the two-sided penalty mean (||grad f(x_hat)|| - 1)^2, without its weight.

    x_hat lies on the line between a real and a fake sample at a uniform place drawn per pair; the norm runs over all
    but the batch dimension. Gulrajani et al. 2017 (arXiv:1704.00028), equation 3 without lambda; Algorithm 1, lines
    5-7.
    """
    place = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype)
    mixed = torch.lerp(fake.to(real.dtype), real, place).requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def matching_aware_penalty(
    discriminator: Callable[[Tensor, Tensor], Tensor],
    real: Float[Tensor, n * shape],
    texts: Float[Tensor, "n t d"],
    power: float,
) -> Float[Tensor, ""]:
    """Return mean (||grad_x D(x, t)|| + ||grad_t D(x, t)||)^p at real pictures x with their texts t.

    Tao et al. 2022 (DF-GAN, arXiv:2008.05865), equation 2 without its weight k; there p is 6 and k 2. So the
    discriminator is smooth where picture and text match, and nowhere else. Deviation: t are features of all tokens, not
    a pooled vector.
    """
    images, words = real.detach().requires_grad_(True), texts.detach().requires_grad_(True)
    slopes = torch.autograd.grad(discriminator(images, words).sum(), (images, words), create_graph=True)
    return sum(slope.flatten(1).norm(dim=1) for slope in slopes).pow(power).mean()


def r1_penalty(discriminator: Callable[[Tensor], Tensor], real: Float[Tensor, n * shape]) -> Float[Tensor, ""]:
    """Return half the mean squared norm of D's gradient at real images, without its weight gamma.

    Mescheder et al. 2018, arXiv:1801.04406, equation 9. The penalty every k-th iteration with k times the weight
    has the same effect (Karras et al. 2020, arXiv:1912.04958, section 3.1).
    Deviation, if D compares the images of a batch by batch norm or `MinibatchStd`: each row of the gradient of the
    summed outputs then holds the effect of one image on all outputs, not the slope at that image alone. The paper's D
    has no layer of this kind. With spectral norm in place of batch norm, ours has no batch norm either.
    """
    images = real.detach().requires_grad_(True)
    return half_squared_slopes(discriminator(images), images).mean()


def half_squared_slopes(outputs: Float[Tensor, " n"], images: Float[Tensor, n * shape]) -> Float[Tensor, " n"]:
    """Return half the squared norm of the gradient of each output at its image, to be differentiated again.

    At real images the mean over them is R1, at generated ones R2 (Mescheder et al. 2018, arXiv:1801.04406, equations 9
    and 10 without gamma). Each output must depend on its own image alone, see `r1_penalty`.
    """
    (gradient,) = torch.autograd.grad(outputs.sum(), images, create_graph=True)
    return at_least_fp32(gradient).flatten(1).square().sum(dim=1) / 2
