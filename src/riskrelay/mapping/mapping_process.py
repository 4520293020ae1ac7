"""A process that only evaluates expressions, of mappings or of rules: `python -m riskrelay.mapping.mapping_process`.

`evaluators` starts it with a socket as its standard input. It ends when its parent ends, and the kernel ends it when an
order exceeds its limits.
"""

import resource
import signal
import socket
import struct
import sys
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import psutil

from riskrelay.core.risk.rule_inputs import Verdict
from riskrelay.core.sources.mappings import Problem, read_mapping
from riskrelay.core.sources.reasons import Reason
from riskrelay.core.sources.signals import Mapped, Refused
from riskrelay.mapping.compiled import CompiledMapping, check_expressions
from riskrelay.mapping.expressions import SyntaxProblemError
from riskrelay.mapping.rule_programs import RulePrograms, rule_problem

LENGTH = struct.Struct("!I")  # before each frame
OUT_OF_MEMORY = 3  # an exit code
MEMORY_BYTES = 512 * 2**20
_RETIRE_BYTES = 256 * 2**20  # an order must not fail because of the memory used by earlier orders
_MAX_COMPILED = 64
# Chosen: twenty times the time that a typical mapping takes per event, and some for compiling it.
SECONDS = 0.5
SECONDS_AN_EVENT = 0.0005


class Order(msgspec.Struct, array_like=True, tag="map"):
    """Events to map, or a document to check when there are none.

    Attributes:
        document: the content of a mapping document.
        events: each as canonical JSON; None: check the document's expressions.
    """

    document: bytes
    events: list[bytes] | None


class RuleOrder(msgspec.Struct, array_like=True, tag="rules"):
    """Expressions of rules to evaluate, or one to check.

    Attributes:
        groups: expressions that get the same inputs.
        inputs: each with the place of its group; None: check the only expression.
    """

    groups: list[list[str]]
    inputs: list[tuple[int, str]] | None

    @property
    def evaluations(self) -> int:
        """The number of evaluations."""
        return sum(len(self.groups[group]) for group, _ in self.inputs or ())


def frame(content: object) -> bytes:
    """Return the frame that is sent for *content*."""
    encoded = msgspec.msgpack.encode(content)
    return LENGTH.pack(len(encoded)) + encoded


class Compiled:
    """A cache of the compiled documents and rules that were used last."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[bytes, CompiledMapping] = OrderedDict()
        self._rules: OrderedDict[tuple[str, ...], RulePrograms] = OrderedDict()

    def answer(self, order: Order | RuleOrder) -> object:
        """Carry out one order."""
        return self._mapped(order) if isinstance(order, Order) else self._evaluated(order)

    def _evaluated(self, order: RuleOrder) -> str | Sequence[Sequence[Verdict]] | None:
        if order.inputs is None:
            return rule_problem(order.groups[0][0])
        groups = [self._programs(tuple(group)) for group in order.groups]
        return [groups[group].evaluate(text) for group, text in order.inputs]

    def _programs(self, expressions: tuple[str, ...]) -> RulePrograms:
        programs = self._rules.pop(expressions, None) or RulePrograms(expressions)
        self._rules[expressions] = programs
        if len(self._rules) > _MAX_COMPILED:
            self._rules.popitem(last=False)
        return programs

    def _mapped(self, order: Order) -> Sequence[Mapped | Problem]:
        if order.events is None:
            return check_expressions(read_mapping(msgspec.json.decode(order.document)))
        try:
            mapping = self._mapping(order.document)
        except SyntaxProblemError as error:
            return [Refused(reason=Reason.MAPPING_INVALID, detail=str(error))] * len(order.events)
        return mapping.map_all(order.events)

    def _mapping(self, content: bytes) -> CompiledMapping:
        mapping = self._compiled.pop(content, None)
        if mapping is None:
            mapping = CompiledMapping(read_mapping(msgspec.json.decode(content)), is_timed=False)
        self._compiled[content] = mapping
        if len(self._compiled) > _MAX_COMPILED:
            self._compiled.popitem(last=False)
        return mapping


def serve(parent: socket.socket, own: psutil.Process, reserved: int) -> None:
    """Answer orders in turn, until there are no more. The empty first frame says that this process is ready.

    Args:
        own: this process.
        reserved: bytes of address space that were taken before the first order.

    Raises: ConnectionError: the parent has ended.
    """
    compiled = Compiled()
    decode = msgspec.msgpack.Decoder(Order | RuleOrder).decode
    parent.sendall(frame([]))
    with parent.makefile("rb") as orders:
        while len(head := orders.read(LENGTH.size)) == LENGTH.size:
            order = decode(orders.read(*LENGTH.unpack(head)))
            # The kernel ends this process by SIGPROF, whatever code is running.
            evaluations = len(order.events or ()) if isinstance(order, Order) else order.evaluations
            signal.setitimer(signal.ITIMER_PROF, SECONDS + SECONDS_AN_EVENT * evaluations)
            answer = frame(compiled.answer(order))
            signal.setitimer(signal.ITIMER_PROF, 0)
            parent.sendall(answer)
            # Not the peak that getrusage returns: that includes the parent's memory from before the exec.
            if own.memory_info().vms > reserved + _RETIRE_BYTES:
                return


def main() -> None:
    """Serve the parent. Signals for all processes of a terminal or a service are ignored: the parent handles them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The evaluating library has reserved a stack of nearly a GiB, which takes no memory until it is used.
    own = psutil.Process()
    reserved = own.memory_info().vms
    for limit, most in (
        (resource.RLIMIT_AS, reserved + MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with suppress(ValueError, OSError):  # macOS does not limit the address space
            resource.setrlimit(limit, (most, most))
    with socket.socket(fileno=0) as parent, suppress(ConnectionError):
        try:
            serve(parent, own, reserved)
        except MemoryError:
            sys.exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    main()
