"""A bare Modbus TCP server for measurements: `python -m bench.farm PORTS`."""

import asyncio
import sys

MBAP = 6


class Farm(asyncio.Protocol):
    """Answers functions 3 and 4 as fast as one Python process can; nothing else."""

    def __init__(self, counts: list[int]) -> None:
        self._counts = counts
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        out = bytearray()
        while len(buffer) >= MBAP + 6:
            request, buffer = buffer[:12], buffer[12:]
            count = int.from_bytes(request[10:12], "big")
            self._counts[0] += 1
            body = self._counts[0].to_bytes(4, "big") * ((count + 1) // 2)
            out += (
                request[:4]
                + (3 + 2 * count).to_bytes(2, "big")
                + request[6:8]
                + bytes([2 * count])
                + body[: 2 * count]
            )
        self._buffer = buffer
        self._transport.write(out)  # type: ignore[attr-defined]


async def serve(ports: int) -> None:
    """Listen on that many free loopback ports, print them, and run until stdin closes."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: Farm([0]), "127.0.0.1", 0) for _ in range(ports)]
    print(*(s.sockets[0].getsockname()[1] for s in servers), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
