"""What messages say, and how they are signed."""

from datetime import UTC, datetime

import msgspec

from riskrelay.core.notifications.deciding import News
from riskrelay.core.notifications.messages import MAX_SHOWN, plain_text, slack_body, webhook_body, webhook_headers
from support.notifications import HOSTILE, change, message


def test_a_message_names_the_integration_the_reason_the_remedy_and_the_page() -> None:
    """Each on a line of its own; the path of the page is encoded."""
    text = plain_text(message(change()))
    assert text.startswith(
        "Integration paused: okta\nPaused by an operator.\nResume the integration.\n"
        "https://risk.example.com/console/accounts/acme/integrations/a%2Fb\n"
    )
    assert plain_text(message(change(news=News.CLEARED))).startswith("Over: Integration paused: okta\nhttps://")


def test_a_long_message_is_cut_and_says_how_much_is_left_out() -> None:
    """It is read by a person."""
    long = message(*(change(thing_id=str(number)) for number in range(50)))
    assert (len(long.entries), long.more) == (MAX_SHOWN, 30)
    assert long.title == "Integration paused: okta, and 49 more"
    assert "And 30 more" in plain_text(long)
    assert b"And 30 more" in slack_body(long)


def test_a_summary_says_since_when() -> None:
    """Because the channel had reached its limit."""
    assert "Summary of the last 1 h" in plain_text(message(change(), held=True))


def test_a_hostile_name_is_text_in_a_chat() -> None:
    """It is no link, no mention, and no line of its own."""
    text = msgspec.json.decode(slack_body(message(change(HOSTILE))))["text"]
    assert text.count("<") == 1  # the link to the console
    assert "<!channel>" not in text
    assert "@all" not in text
    assert "Bcc" not in [line[:3] for line in text.splitlines()]


def test_a_webhook_has_the_members_of_each_change() -> None:
    """With machine words beside those for people."""
    body = msgspec.json.decode(webhook_body(message(change(HOSTILE))))
    assert body["type"] == "riskrelay.notification"
    assert body["timestamp"] == "2026-03-17T12:00:00Z"
    (entry,) = body["data"]["changes"]
    assert (entry["news"], entry["condition"], entry["id"]) == ("opened", "integration_paused", "i1")
    assert entry["name"] == HOSTILE


def test_a_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification's reference implementations."""
    headers = webhook_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        datetime.fromtimestamp(1614265330, UTC),
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"
