"""The three risk levels. A user without risk has no level: None, never a fourth member."""

from enum import IntEnum


class RiskLevel(IntEnum):
    """How much risk: ordered, so that `max` is the rule of contract 22.

    >>> max(RiskLevel.LOW, RiskLevel.HIGH).word
    'high'
    """

    LOW = 1
    MEDIUM = 2
    HIGH = 3

    @property
    def word(self) -> str:
        """The lower-case word of the account API and of Okta's events."""
        return _WORDS[self]

    @classmethod
    def from_word(cls, word: str) -> "RiskLevel":
        """Read the lower-case word of the account API.

        Raises: KeyError: *word* is not one of low, medium, high.

        >>> RiskLevel.from_word("medium")
        <RiskLevel.MEDIUM: 2>
        """
        return _BY_WORD[word]

    @classmethod
    def descending(cls, highest: "RiskLevel") -> "tuple[RiskLevel, ...]":
        """Return the levels from *highest* down to LOW.

        >>> [level.word for level in RiskLevel.descending(RiskLevel.MEDIUM)]
        ['medium', 'low']
        """
        return _DESCENDING[highest]


_WORDS = {level: level.name.lower() for level in RiskLevel}
_DESCENDING = {top: tuple(sorted((level for level in RiskLevel if level <= top), reverse=True)) for top in RiskLevel}
_BY_WORD = {word: level for level, word in _WORDS.items()}
