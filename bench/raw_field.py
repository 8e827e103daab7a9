"""The raw limit of the common task: bare loops that read the two best blocks, unpack, and forget.

`python -m bench.raw_field tcp SECONDS PERIOD HOST:PORT...` reads each device every PERIOD seconds and prints
requests, values and CPU seconds. `python -m bench.raw_field bus SECONDS PATH` reads the bus as fast as it goes, and
prints scans of all slaves.
"""

import asyncio
import os
import select
import struct
import sys
import termios
import time
import tty

from bench.fieldsite import BAUD, BEST_BLOCKS, CHAR_S, SLAVES

TCP_BLOCKS = ((0, 106), (200, 104))
VALUES = 40


async def loop_over(endpoint: str, period: float, until: float) -> int:
    host, _, port = endpoint.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    done, due = 0, time.monotonic()
    while time.monotonic() < until:
        for address, count in TCP_BLOCKS:
            writer.write(struct.pack(">HHHBBHH", done & 0xFFFF, 0, 6, 1, 3, address, count))
            head = await reader.readexactly(9)
            struct.unpack(f">{count}H", await reader.readexactly(head[8]))
            done += 1
        due += period
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    writer.close()
    await writer.wait_closed()
    return done


async def tcp(seconds: float, period: float, endpoints: list[str]) -> None:
    until = time.monotonic() + seconds
    counts = await asyncio.gather(*(loop_over(one, period, until) for one in endpoints))
    print(sum(counts), sum(counts) // 2 * VALUES, f"{time.process_time():.3f}")


def crc(data: bytes) -> bytes:
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    return struct.pack("<H", register)


def bus(seconds: float, path: str) -> None:
    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port, termios.TCSANOW)
    modes = termios.tcgetattr(port)
    modes[4] = modes[5] = getattr(termios, f"B{BAUD}")
    termios.tcsetattr(port, termios.TCSANOW, modes)
    requests = []
    for unit in range(1, SLAVES + 1):
        for address, count in BEST_BLOCKS:
            body = struct.pack(">BBHH", unit, 3, address, count)
            requests.append((body + crc(body), 5 + 2 * count))
    done, began = 0, time.monotonic()
    while time.monotonic() < began + seconds:
        for request, size in requests:
            os.write(port, request)
            got = b""
            while len(got) < size and select.select([port], [], [], 1.0)[0]:
                got += os.read(port, 512)
            time.sleep(3.5 * CHAR_S)
        done += 1
    print(done, time.monotonic() - began)


if __name__ == "__main__":
    if sys.argv[1] == "tcp":
        asyncio.run(tcp(float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
    else:
        bus(float(sys.argv[2]), sys.argv[3])
