"""`riskrelay receive` as a receiver of the console's tests."""

from riskrelay.bench.processes import free_port
from support.fork_server import shared_fork_server
from support.service import Process, Service


class LocalReceiver:
    """`riskrelay receive` for an integration that is made when the day has begun; it can be broken and fixed."""

    def __init__(self, service: Service) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.well_known = ""
        self._log = service.log.parent / "receive.log"
        self._process: Process | None = None

    def run(self, *misbehaviour: str) -> None:
        """Run it, with these options for misbehavior."""
        self.stop()
        arguments = ["receive", "--well-known", self.well_known, "--port", str(self.port)]
        self._process = Process([*arguments, *misbehaviour], self.port, {}, self._log, shared_fork_server())

    def stop(self) -> None:
        """Listen no more."""
        process, self._process = self._process, None
        if process is not None:
            process.stop()
