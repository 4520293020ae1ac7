"""The asynchronous client. `riskrelay.client.sync` is generated from this package, except for the transport."""
