"""`riskrelay` for shells, by the fork server: a small program on the PATH asks for each command.

The program passes its files as /proc/PID/fd/N, hands signals on, and ends with the command's exit code.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from threading import Thread

from support.fork_server import shared_fork_server

_PROGRAM = """#!{python} -IS
import json, os, signal, socket, sys

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    files = ["/proc/%d/fd/%d" % (os.getpid(), number) for number in range(3)]
    request = [sys.argv[1:], dict(os.environ), os.getcwd(), files]
    connection.sendall(json.dumps(request).encode() + b"\\n")
    answers = connection.makefile()
    pid = int(answers.readline())
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(pid, number))
    code = int(answers.readline())
sys.exit(code if code >= 0 else 128 - code)
"""


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True


class _Handler(StreamRequestHandler):
    def handle(self) -> None:
        arguments, environment, directory, (given, output, errors) = json.loads(self.rfile.readline())
        forked = shared_fork_server().start(
            arguments,
            environment,
            Path(output),
            errors=Path(errors),
            directory=Path(directory),
            given=Path(given),
        )
        self.wfile.write(b"%d\n" % forked.pid)
        self.wfile.write(b"%d\n" % forked.wait(timeout=600))


@contextmanager
def forked_command(directory: Path) -> Iterator[Path]:
    """Serve the program meanwhile.

    Returns: the directory, new below *directory*, in which the program is.
    """
    programs = directory / "programs"
    programs.mkdir()
    address = str(programs / "socket")
    program = programs / "riskrelay"
    program.write_text(_PROGRAM.format(python=sys.executable, address=address))
    program.chmod(0o755)
    with _Server(address, _Handler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield programs
        server.shutdown()
