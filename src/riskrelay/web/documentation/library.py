"""The Markdown documents of docs/, their pictures, and the order in which they are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

BASE = "/docs"
HOME = "README.md"

# In the wheel the documents lie beside this file; in a checkout at their one place, docs/.
_CANDIDATES = (Path(__file__).parent / "pages", Path(__file__).parents[4] / "docs")
_PICTURES = {".svg", ".png"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One Markdown document.

    Attributes:
        name: its path below docs/, such as `guides/okta.md`.
        title: its first heading.
    """

    name: str
    title: str
    text: str

    @property
    def short_title(self) -> str:
        """The title up to a colon, for the contents."""
        return self.title.partition(":")[0]

    @property
    def url(self) -> str:
        """The path at which the service serves it."""
        return url_of(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Documents that belong together, in the order in which they are read."""

    title: str
    documents: Sequence[Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Everything below docs/, read once: nothing else can be requested, whatever a URL says.

    Attributes:
        documents: by name.
        pictures: the files of the pictures, by their URLs.
    """

    documents: Mapping[str, Document]
    pictures: Mapping[str, Path]
    sections: Sequence[Section]

    def by_url(self, url: str) -> Document | None:
        """Return the document that is served at *url*."""
        return next((document for document in self.documents.values() if document.url == url), None)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a section begins with, and the folder whose other documents follow in the order of their names."""

    title: str
    first: tuple[str, ...]
    folder: str | None = None


_PLANS = (
    _Plan("Start", ("start.md",)),
    _Plan(
        "Concepts",
        (
            "concepts/README.md",
            "concepts/life-of-an-event.md",
            "concepts/levels.md",
            "concepts/sources.md",
            "concepts/receivers.md",
            "concepts/delivery.md",
            "glossary.md",
        ),
        "concepts",
    ),
    _Plan(
        "Guides",
        (
            "guides/okta.md",
            "guides/ssf-receiver.md",
            "guides/poll.md",
            "guides/write-a-receiver.md",
            "guides/detection.md",
            "guides/levels.md",
            "guides/exceptions.md",
            "guides/directory.md",
            "guides/notifications.md",
            "guides/client.md",
        ),
        "guides",
    ),
    _Plan(
        "Sources",
        (
            "guides/sources/README.md",
            "guides/sources/sending.md",
            "guides/sources/mappings.md",
            "guides/sources/shippers.md",
        ),
        "guides/sources",
    ),
    _Plan("API reference", ("api.md", "errors.md", "event-types.md")),
    _Plan("Command line", ("cli.md",)),
    _Plan(
        "Operations",
        (
            "guides/operate.md",
            "settings.md",
            "guides/scale.md",
            "guides/backup.md",
            "guides/upgrade.md",
            "guides/retention.md",
            "security.md",
        ),
    ),
    _Plan("Architecture", ("architecture.md", "delivery-cycle.md", "choices.md", "divergences.md"), ""),
    _Plan("Decisions", ("adr/README.md",), "adr"),
)


def url_of(name: str) -> str:
    """Return the path of a document.

    >>> url_of("guides/okta.md"), url_of("guides/sources/README.md"), url_of("README.md")
    ('/docs/guides/okta', '/docs/guides/sources', '/docs')
    """
    path = PurePosixPath(name)
    place = path.parent if path.name == HOME else path.with_suffix("")
    return BASE if place == PurePosixPath() else f"{BASE}/{place}"


@cache
def library() -> Library:
    """Return the documents of this version of the service."""
    return read_library(next(path for path in _CANDIDATES if path.is_dir()))


def read_library(directory: Path) -> Library:
    """Read the documents and list the pictures below *directory*."""
    files = {path.relative_to(directory).as_posix(): path for path in sorted(directory.rglob("*")) if path.is_file()}
    documents = {name: _read(name, path) for name, path in files.items() if path.suffix == ".md"}
    pictures = {f"{BASE}/{name}": path for name, path in files.items() if path.suffix in _PICTURES}
    return Library(documents=documents, pictures=pictures, sections=_sections(documents))


def _read(name: str, path: Path) -> Document:
    text = path.read_text()
    return Document(name=name, title=text.partition("\n")[0].removeprefix("# ").strip(), text=text)


def _sections(documents: Mapping[str, Document]) -> list[Section]:
    """Return the sections. A document that no plan names belongs to the section of its folder."""
    named = {HOME, *(name for plan in _PLANS for name in plan.first)}
    sections = []
    for plan in _PLANS:
        rest = [name for name in documents if name not in named and _folder(name) == plan.folder]
        found = [documents[name] for name in (*plan.first, *rest) if name in documents]
        sections.append(Section(title=plan.title, documents=found))
    return [section for section in sections if section.documents]


def _folder(name: str) -> str:
    parent = PurePosixPath(name).parent.as_posix()
    return "" if parent == "." else parent
