"""Reading a Dockerfile, as far as ours goes."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_SUBSTITUTED = re.compile(r"\$\{(\w+)\}|\$(\w+)")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its word in upper case, and the rest of its lines."""

    word: str
    rest: str

    @property
    def command(self) -> list[str]:
        """The arguments of a command in its JSON form."""
        found: list[str] = json.loads(self.rest[self.rest.index("[") :])
        return found

    @property
    def pairs(self) -> dict[str, str]:
        """The names and values of an ENV or a LABEL."""
        parts = [word.partition("=") for word in shlex.split(self.rest)]
        return {name: value for name, _, value in parts}


@dataclass(frozen=True)
class Stage:
    """The instructions between one FROM and the next.

    Attributes:
        base: the image, or the name of an earlier stage.
        name: empty: the last stage has none.
    """

    base: str
    name: str
    instructions: list[Instruction]

    def all(self, word: str) -> list[Instruction]:
        """The instructions with that word, in order."""
        return [one for one in self.instructions if one.word == word]

    def last(self, word: str) -> Instruction:
        """The instruction with that word that counts."""
        return self.all(word)[-1]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the stage, with the values of ARG where no ENV sets them."""
        found: dict[str, str] = {}
        for one in self.instructions:
            if one.word == "ARG":
                name, _, value = one.rest.partition("=")
                found.setdefault(name, value)
            elif one.word == "ENV":
                found |= {name: substituted(value, found) for name, value in one.pairs.items()}
        return found


def substituted(text: str, variables: dict[str, str]) -> str:
    """Replace the variables that are known."""
    return _SUBSTITUTED.sub(lambda found: variables.get(found[1] or found[2], found[0]), text)


def stages(dockerfile: Path) -> list[Stage]:
    """Read the stages of a Dockerfile."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    arguments: dict[str, str] = {}
    found: list[Stage] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        word, _, rest = line.partition(" ")
        word, rest = word.upper(), rest.strip()
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(substituted(base, arguments), name, []))
        elif found:
            found[-1].instructions.append(Instruction(word, rest))
        else:
            name, _, value = rest.partition("=")
            arguments[name] = value
    return found
