"""Train the domain extractors that come with ganpipe, in `ganpipe/metrics/extractors/weights/<name>`.

    python tools/train_extractors.py digits
    python tools/train_extractors.py fashion-mnist --source FOLDER_OF_THE_FOUR_FILES

Epochs, seed and required accuracy are those of the recipes `digits-dcgan` and `fashion-dcgan`. The weights are rounded
to float16, which halves the file, before accuracy and scale are measured. Training takes one thread and up to five
minutes. The bytes depend on the processor and on the version of torch. On the machine that made the committed files
(AMD EPYC with AVX-512, torch 2.15.0, one thread) the script makes them again to the byte, elsewhere others of the same
quality. A new file changes `fd` and all other numbers of its sets: they compare with no older ones.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from ganpipe import recipes
from ganpipe.config import Data, Evaluate, load_params
from ganpipe.data.download.stage import download
from ganpipe.data.pack.stage import pack
from ganpipe.data.packed.file import Packed
from ganpipe.metrics.extractors.committed import WEIGHTS_FOLDER
from ganpipe.metrics.extractors.domain import WEIGHTS, DomainExtractor
from ganpipe.paths import PACKED_FILE

RECIPES = {"digits": "digits-dcgan", "fashion-mnist": "fashion-dcgan"}


def main() -> None:
    """Train one extractor and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--source", help="folder or URL prefix to take the raw files from, as data.source")
    parser.add_argument("--into", type=Path, help="folder to write to; the committed one if left out")
    options = parser.parse_args()
    torch.set_num_threads(1)  # more threads add up in another order and give other bits
    cfg = load_params(recipes.path_of(RECIPES[options.name])).evaluate
    with tempfile.TemporaryDirectory() as folder:
        packed = packed_set(Data(name=options.name, source=options.source), Path(folder))
        extractor = trained(packed, cfg)
    into = options.into or WEIGHTS_FOLDER / options.name
    extractor.save(into)
    size = (into / WEIGHTS).stat().st_size
    print(f"{into}: {extractor.identity}, accuracy {extractor.card.accuracy:.4f} on held-out images, {size} bytes")


def packed_set(data: Data, folder: Path) -> Packed:
    """Bring a set of the catalogue to a folder, and pack it as it is."""
    download(data, folder / "raw")
    pack(data, folder / "raw", folder / "packed")
    return Packed.open(folder / "packed" / PACKED_FILE.name)


def trained(packed: Packed, cfg: Evaluate) -> DomainExtractor:
    """Train on four fifths of the training split."""
    rows = packed.rows("train", packed.fields["image"].space)
    images, labels = (packed.slice(field, rows) for field in ("image", "label"))
    classes = packed.spec.names("label")
    return DomainExtractor.fit(
        images, labels, classes, cfg.extractor_epochs, cfg.seed, cfg.extractor_accuracy, half=True
    )


if __name__ == "__main__":
    main()
