"""What the service advises, in the words of this program: commands instead of requests."""

_COMMANDS = {
    "with PUT …/behaviors, on the console's page Behaviors, or with `riskrelay behavior set NAME --on`": (
        "with `riskrelay behavior set NAME --on`"
    ),
    "from GET …/behaviors": "that `riskrelay behavior list` shows",
    "that of GET …/sources/kinds": "one that `riskrelay source kinds --json` shows",
}


def in_commands(text: str) -> str:
    """Return *text* with commands in the place of requests.

    >>> in_commands("send the id of a behavior from GET …/behaviors")
    'send the id of a behavior that `riskrelay behavior list` shows'
    """
    for request, command in _COMMANDS.items():
        text = text.replace(request, command)
    return text
