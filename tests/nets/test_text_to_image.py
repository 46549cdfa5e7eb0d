"""The networks of text to image: sizes, attention by hand, and words that a pooled vector would mix up."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganpipe.nets.text_to_image import Attention, Discriminator, Generator, mask_of

NUMBERS = 6


def parameters(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def texts(count: int, lengths: tuple[int, ...], longest: int = 5) -> Tensor:
    """Random texts of these lengths, again and again."""
    found = torch.zeros(count, longest, NUMBERS)
    for row in range(count):
        length = lengths[row % len(lengths)]
        found[row, :length] = torch.randn(length, NUMBERS)
    return found


@pytest.mark.parametrize(
    ("shape", "patch", "sizes", "regions"),
    [((3, 64, 64), 8, (732_627, 494_306), 64), ((1, 28, 28), 4, (631_345, 130_274), 49)],
)
def test_counts_and_shapes(shape: tuple[int, int, int], patch: int, sizes: tuple[int, int], regions: int) -> None:
    generator = Generator(64, 384, shape, width=128, heads=4, layers=2, patch=patch, features=16)
    discriminator = Discriminator(384, shape, features=32, heads=4)
    assert (parameters(generator), parameters(discriminator)) == sizes
    words = torch.randn(2, 7, 384)
    made = generator(torch.randn(2, 64), words)
    assert made.shape == (2, *shape) and made.abs().max() <= 1
    seen = discriminator.regions(made)
    assert seen.shape[:2] == (2, regions) and discriminator.judge(seen, words).shape == (2,)
    torch.testing.assert_close(discriminator(made, words), discriminator.judge(seen, words))


def test_attention_is_that_of_torch() -> None:
    ours, theirs = Attention(8, 2).double(), nn.MultiheadAttention(8, 2, batch_first=True).double()
    layers = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.data = torch.cat([layer.weight for layer in layers])
    theirs.in_proj_bias.data = torch.cat([layer.bias for layer in layers])
    theirs.out_proj.load_state_dict(ours.mixed.state_dict())
    asking, asked = torch.randn(3, 4, 8).double(), torch.randn(3, 5, 8).double()
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3, [False, True, True, False, True]])
    wanted, _ = theirs(asking, asked, asked, key_padding_mask=~mask)
    torch.testing.assert_close(ours(asking, asked, mask), wanted)


def test_padding_changes_nothing() -> None:
    generator = Generator(4, NUMBERS, (1, 16, 16), width=8, heads=2, layers=2, patch=4, features=2)
    discriminator = Discriminator(NUMBERS, (1, 16, 16), features=4, heads=2)
    latents, short = torch.randn(3, 4), texts(3, (2, 3, 1), longest=3)
    padded = torch.cat([short, torch.zeros(3, 4, NUMBERS)], dim=1)
    assert mask_of(padded).sum(1).tolist() == [2, 3, 1]
    made = generator(latents, short)
    torch.testing.assert_close(generator(latents, padded), made)
    torch.testing.assert_close(discriminator(made, padded), discriminator(made, short))


def test_a_patch_is_where_its_query_is() -> None:
    generator = Generator(4, NUMBERS, (1, 8, 12), width=8, heads=2, layers=1, patch=4, features=2)
    with torch.no_grad():
        generator.heal[-1].weight.zero_()  # the last convolution reaches one pixel beyond a patch
        generator.last[1].weight[:, :, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0
    latents, words = torch.randn(1, 4), texts(1, (3,))
    patches: list[Tensor] = []
    generator.drawn.register_forward_hook(lambda module, given, made: patches.append(made))
    before = generator(latents, words)
    generator.drawn.register_forward_hook(lambda module, given, made: made.index_fill(1, torch.tensor(4), 9.0))
    changed = (generator(latents, words) != before)[0, 0]
    assert patches[0].shape == (1, 6, 32)
    assert changed[4:, 4:8].all() and changed.sum() == 16  # the fifth of 2 x 3 patches


def swapped_words(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures of two colours, texts that say which is left, and texts that say the opposite, of the same mean."""
    places, colours = torch.zeros(2, NUMBERS), torch.zeros(2, NUMBERS)
    places[0, :2], places[1, :2] = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    colours[0, 2:4], colours[1, 2:4] = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    left = torch.randint(2, (count,))
    right_text = torch.stack([places[0] + colours[left], places[1] + colours[1 - left]], dim=1)
    wrong_text = torch.stack([places[0] + colours[1 - left], places[1] + colours[left]], dim=1)
    pictures = torch.full((count, 2, 8, 8), -1.0)
    for row, colour in enumerate(left.tolist()):
        pictures[row, colour, :, :4] = pictures[row, 1 - colour, :, 4:] = 1.0
    return pictures + 0.1 * torch.randn_like(pictures), right_text, wrong_text


def test_words_are_told_apart_that_a_pooled_vector_mixes_up() -> None:
    """A discriminator learns "red left, blue right" against "blue left, red right"; from the mean no one could."""
    torch.manual_seed(0)
    discriminator = Discriminator(NUMBERS, (2, 8, 8), features=8, heads=2)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=3e-3)
    for _ in range(100):
        pictures, right, wrong = swapped_words(32)
        seen = discriminator.regions(pictures)
        true, false = discriminator.judge(seen, right), discriminator.judge(seen, wrong)
        optimizer.zero_grad()
        (torch.relu(1 - true) + torch.relu(1 + false)).mean().backward()
        optimizer.step()
    pictures, right, wrong = swapped_words(200)
    with torch.no_grad():
        found = (discriminator(pictures, right) > 0).float().mean() + (
            discriminator(pictures, wrong) < 0
        ).float().mean()
        pooled = [discriminator(pictures, words.mean(dim=1, keepdim=True)) for words in (right, wrong)]
    assert found / 2 > 0.95
    torch.testing.assert_close(*pooled)


def test_a_generator_draws_swapped_words_otherwise() -> None:
    torch.manual_seed(0)
    generator = Generator(4, NUMBERS, (1, 16, 16), width=16, heads=2, layers=2, patch=4, features=4)
    _, right, wrong = swapped_words(8)
    latents = torch.zeros(8, 4)
    made, other = generator(latents, right), generator(latents, wrong)
    assert (made - other).abs().mean() > 1e-3
    pooled = [generator(latents, words.mean(dim=1, keepdim=True)) for words in (right, wrong)]
    torch.testing.assert_close(*pooled)


def test_attention_has_a_second_derivative() -> None:
    attention = Attention(4, 2).double()
    rows = torch.randn(1, 3, 4).double().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda one: attention(one, one), (rows,))


def test_an_untrained_picture_is_neither_flat_nor_saturated() -> None:
    torch.manual_seed(0)
    generator = Generator(64, 384, (3, 64, 64), width=128, heads=4, layers=2, patch=8, features=16)
    made = generator(torch.randn(4, 64), 0.4 * torch.randn(4, 9, 384)).detach()
    assert 0.01 < made.std() < 0.9
