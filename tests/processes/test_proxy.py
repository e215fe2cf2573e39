"""The fault proxy breaks a conversation at the byte that it is told, and nowhere else."""

import socket
from collections.abc import Iterator

import pytest

from tests.processes.proxy import LOOPBACK, Direction, Fault, FaultProxy, Network
from usher_local.simulators.sentry import Sentry

REQUEST = (
    b"GET /_sim/switches HTTP/1.1\r\nhost: simulator\r\n\r\n",
    b'POST /_sim/switches HTTP/1.1\r\nhost: simulator\r\ncontent-length: 12\r\n\r\n{"quota": 7}',
)
PATIENCE = 5
MOST_TRIES = 100_000


class Way:
    """A proxy in front of a simulator, with the faults of its next requests."""

    def __init__(self, network: Network, simulator: Sentry) -> None:
        self.faults: list[Fault] = []
        self.simulator = simulator
        self.proxy: FaultProxy = network.proxy(
            int(simulator.url.rpartition(":")[2]), lambda: self.faults.pop(0) if self.faults else None
        )

    def connect(self) -> socket.socket:
        """Connect to the simulator by way of the proxy."""
        return socket.create_connection((LOOPBACK, self.proxy.port), timeout=PATIENCE)


@pytest.fixture
def way() -> Iterator[Way]:
    """Give a proxy without a fault."""
    with Sentry() as simulator, Network() as network:
        yield Way(network, simulator)


def test_what_has_no_fault_passes_request_after_request(way: Way) -> None:
    """One connection carries many requests, and each is seen as one."""
    with way.connect() as connection:
        for _ in range(3):
            connection.sendall(REQUEST[0])
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("fault", "acted"),
    [
        pytest.param(Fault("", Direction.UP), False, id="before the request"),
        pytest.param(Fault("", Direction.UP, after=40), False, id="in the request"),
        pytest.param(Fault("", Direction.DOWN), True, id="after the request"),
    ],
)
def test_a_reset_tells_the_client_nothing_whether_or_not_the_other_side_acted(
    way: Way, fault: Fault, acted: bool
) -> None:
    """The three look the same to whoever asked: only a read can tell them apart."""
    way.faults.append(fault)

    with way.connect() as connection:
        connection.sendall(REQUEST[1])
        with pytest.raises(ConnectionResetError):
            connection.recv(65536)

    assert (way.simulator.switches["quota"] == 7) is acted


def test_an_answer_is_cut_at_its_byte(way: Way) -> None:
    """What is read before the reset is exactly as long as it was told to be."""
    held: list[bytes] = []
    way.faults.append(Fault("", Direction.DOWN, after=17, strike=lambda: held.append(b""), hold=0.1))

    with way.connect() as connection:
        connection.sendall(REQUEST[0])
        assert len(connection.recv(65536)) == 17
        assert len(connection.recv(65536)) > 17
    assert held == [b""]


def test_a_request_that_is_held_arrives_although_its_sender_has_died(way: Way) -> None:
    """So may any request that was ever sent, up to the provider's tail."""
    way.faults.append(Fault("late", Direction.UP, after=20, hold=0.2))

    with way.connect() as connection:
        connection.sendall(REQUEST[1])

    with way.connect() as later:
        for _ in range(MOST_TRIES):
            if way.simulator.switches["quota"] == 7:
                break
            later.sendall(REQUEST[0])
            assert later.recv(65536)
    assert way.simulator.switches["quota"] == 7
    assert way.proxy.struck == {"late": 1}


def test_a_proxy_that_is_away_refuses_connections_and_comes_back(way: Way) -> None:
    """Nobody listens meanwhile, so that not one byte is sent."""
    way.proxy.refuse(0.3)

    refused = answered = 0
    for _ in range(MOST_TRIES):
        if refused and answered:
            break
        try:
            with way.connect() as connection:
                connection.sendall(REQUEST[0])
                answered += connection.recv(65536).startswith(b"HTTP/1.1 200")
        except ConnectionError:
            refused += 1
    assert refused
    assert answered
