"""Commands on trusted networks, over the API."""

from typing import Annotated, Any

import typer

from riskrelay.cli.api import AccountOption, Api, with_api
from riskrelay.cli.output import JsonFlag, fail, print_table, say, show

app = typer.Typer(help="Trusted networks: logins from them are exempt from impossible travel.", no_args_is_help=True)


@app.command("list", epilog="Example: riskrelay network list --json")
def list_all(account: AccountOption = "default", as_json: JsonFlag = False) -> None:
    """List the trusted networks."""
    result = with_api(account, lambda api: api.call("GET", "/networks"))
    show(result, as_json, lambda: _table(result["networks"]))


@app.command(epilog='Example: riskrelay network add 203.0.113.0/24 --name "Berlin office"')
def add(
    network: Annotated[str, typer.Argument(help="A network or an address, or an autonomous system such as AS64500.")],
    name: Annotated[str, typer.Option(help="A descriptive name.")],
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Trust a network. One that is trusted already gets the new name."""
    member, value = _member(network)

    def change(api: Api) -> Any:
        others = [one for one in api.call("GET", "/networks")["networks"] if not _is_same(one, member, value)]
        return api.call("PUT", "/networks", {"networks": [*others, {"name": name, member: value}]})

    result = with_api(account, change)
    show(result, as_json, lambda: _table(result["networks"]))


@app.command(epilog="Example: riskrelay network remove 203.0.113.0/24")
def remove(
    network: Annotated[str, typer.Argument(help="As `riskrelay network list` shows it.")],
    account: AccountOption = "default",
    as_json: JsonFlag = False,
) -> None:
    """Remove a trusted network."""
    member, value = _member(network)

    def change(api: Api) -> Any:
        before = api.call("GET", "/networks")["networks"]
        others = [one for one in before if not _is_same(one, member, value)]
        if len(others) == len(before):
            fail(f"{network} is not a trusted network of account {account}")
        return api.call("PUT", "/networks", {"networks": others})

    result = with_api(account, change)
    show(result, as_json, lambda: say("Removed {}.", network))


def _member(network: str) -> tuple[str, str | int]:
    """The member of the API that a network is given in, and its value."""
    number = network.upper().removeprefix("AS")
    if number.isdecimal() and len(number) <= 10:
        return "asn", int(number)
    return "cidr", network


def _is_same(one: dict[str, Any], member: str, value: str | int) -> bool:
    from ipaddress import ip_network

    given = one.get(member)
    if member == "asn" or given is None:
        return bool(given == value)
    try:
        return ip_network(given) == ip_network(str(value))
    except ValueError:
        return False


def _table(networks: list[dict[str, Any]]) -> None:
    rows = [{"network": one.get("cidr") or f"AS{one['asn']}", "name": one["name"]} for one in networks]
    print_table(rows, "No trusted networks.")
