"""Keep the tokens that this process has found lately, so that a small request needs no query of its own."""

from collections import OrderedDict

from riskrelay.core.credentials import StoredToken

_MOST = 10_000  # guessed: tokens in use, some 5 MB


class RememberedTokens:
    """Implements ports.KnownTokens."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[bytes, StoredToken] = OrderedDict()

    def find(self, token_hash: bytes) -> StoredToken | None:
        token = self._tokens.get(token_hash)
        if token is not None:
            self._tokens.move_to_end(token_hash)
        return token

    def keep(self, token: StoredToken) -> None:
        self._tokens[token.token_hash] = token
        self._tokens.move_to_end(token.token_hash)
        if len(self._tokens) > _MOST:
            self._tokens.popitem(last=False)

    def forget(self, token_hash: bytes) -> None:
        self._tokens.pop(token_hash, None)
