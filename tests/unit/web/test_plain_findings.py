"""Findings read at once are what the models read; whatever is unusual is left to them."""

from hypothesis import given
from hypothesis import strategies as st

from riskrelay.core.email_addresses import MAX_EMAIL_CHARACTERS
from riskrelay.core.risk.behaviors import BEHAVIORS
from riskrelay.web.account_api.batches import MAX_ID_CHARACTERS, MAX_NAME_CHARACTERS
from riskrelay.web.account_api.bodies import Reading
from riskrelay.web.account_api.findings import read_closely
from riskrelay.web.account_api.plain_findings import read_plainly

PLAIN = [
    '{"behavior":"high_dlp","user":{"email":"kai@example.com"}}',
    ' { "user" : { "name" : null , "email" : "Kai@Example.com" } , "behavior" : "imp_travel" }\r',
    '{"behavior":"high_dlp","user":{"email":"kai@exämple.com","name":"Käi 🙂"},"id":null,"details":null}',
    '{"behavior":"high_dlp","user":{"email":"k@e","name":""},"timestamp":"2026-03-17T12:00:00.5+05:30","id":"1"}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"timestamp":null,"details":{"a":[1,-0,2.5,{"b":"x"}],"c":true}}',
]
UNUSUAL = [
    '{"behavior":"high_dlp","behavior":"high_dlp","user":{"email":"k@e"}}',
    '{"behavior":"high_dlp","user":{"email":"k@e","email":"k@e"}}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"user":{"email":"k@e"}}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"id":null,"id":"1"}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"details":{"a":1,"a":2}}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"details":{"a":NaN}}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"details":{"a":9223372036854775808}}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"details":' + '{"a":' * 32 + "1" + "}" * 33,
    '{"behavior":"high_dlp","user":{"email":"k@e"},"details":[]}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"more":1}',
    '{"behavior":"high_dlp","user":{"email":"k@e","user_id":"8d5e5c3e-6e1a-4fe4-a799-aa6d9a6ab26e"}}',
    r'{"behavior":"high_dlp","user":{"email":"k@e","name":"\ud800"}}',
    '{"behavior":"high_dlp","user":{"email":"k@e","name":"a\x7f"}}',
    '{"behavior":"high_dlp","user":{"email":"k e@e"}}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"id":""}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"id":1}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"timestamp":"2026-03-17 12:00:00Z"}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"timestamp":"2026-03-17T12:00:00"}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"timestamp":"0001-01-01T00:00:00+14:00"}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"timestamp":"2026-03-17T12:00:00+01:60"}',
    '{"behavior":"high_dlp","user":{"email":"k@e"},"timestamp":""}',
    '{"behavior":"unheard_of","user":{"email":"k@e"}}',
    '{"behavior":"high_dlp","user":{"email":"k@e"}} {}',
    "\ufeff" + PLAIN[0],
    f'{{"behavior":"high_dlp","user":{{"email":"k@e","name":"{"n" * (MAX_NAME_CHARACTERS + 1)}"}}}}',
    f'{{"behavior":"high_dlp","user":{{"email":"k@e"}},"id":"{"n" * (MAX_ID_CHARACTERS + 1)}"}}',
    f'{{"behavior":"high_dlp","user":{{"email":"k@{"e" * MAX_EMAIL_CHARACTERS}"}}}}',
    "[]",
    "",
]


def test_the_usual_is_read_at_once_and_as_the_models_read_it() -> None:
    """To the last bit of the digest."""
    for text in PLAIN:
        assert read_plainly(text.encode(), BEHAVIORS) == read_closely(text.encode(), (), Reading()), text


def test_whatever_may_be_wrong_is_left_to_the_models() -> None:
    """Members that come twice above all: a decoder of records takes the last one and says nothing."""
    assert [text for text in UNUSUAL if read_plainly(text.encode(), BEHAVIORS) is not None] == []
    assert read_plainly(b'{"behavior":"high_dlp","user":{"email":"k@e","name":"\xff"}}', BEHAVIORS) is None
    surrogate = b'{"behavior":"high_dlp","user":{"email":"k@e"},"details":{"a":"\xed\xa0\x80"}}'
    assert read_plainly(surrogate, BEHAVIORS) is None


_WRITTEN = r"""
null true "" "x" "high_dlp" "k@e" "a\"b" "\u0041" 1 1.0 -0 1e5 1E400 [] {} {"a":"b","a":1} {"x":[{"y":null}]}
"2026-03-17T12:00:00Z" "2026-02-30T12:00:00Z" "2026-03-17T12:00:00.123456789Z" "2026-03-17T24:00:00Z"
"9999-12-31T23:59:59-00:01" "2026-03-17T12:00:60+00:00" "2026-03-17T12:00:00-00:00" "2026-03-17T12:00:00+24:00"
"2026-03-17T12:00:00-01:99"
"""
LITERALS = st.sampled_from(_WRITTEN.split())
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str), st.floats(allow_nan=False, allow_infinity=False).map(repr)
).map('{{"n":{}}}'.format)
TIMES = st.datetimes().map(lambda at: f'"{at.isoformat()}Z"')
NAMES = st.sampled_from(["behavior", "user", "timestamp", "id", "details", "email", "name", "other"])


def _object(members: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{name}":{value}' for name, value in members) + "}"


def _also(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.lists(st.tuples(st.just(name), values), max_size=1)


USERS = st.one_of(
    _also("name", LITERALS).map(lambda more: _object([("email", '"k@e"'), *more])),
    st.lists(st.tuples(NAMES, LITERALS), max_size=3).map(_object),
)
BODIES = st.tuples(
    USERS,
    _also("timestamp", st.one_of(LITERALS, TIMES)),
    _also("id", LITERALS),
    _also("details", st.one_of(LITERALS, NUMBERS)),
    st.lists(st.tuples(NAMES, LITERALS), max_size=1),
).map(
    lambda drawn: _object([("behavior", '"high_dlp"'), ("user", drawn[0]), *drawn[1], *drawn[2], *drawn[3], *drawn[4]])
)


@given(BODIES)
def test_the_fast_reader_and_the_models_agree(text: str) -> None:
    """For every body, the fast reader returns what the models return, or leaves the body to them."""
    plain = read_plainly(text.encode(), BEHAVIORS)
    if plain is not None:
        assert plain == read_closely(text.encode(), (), Reading())
