"""The raw limit for Modbus: a bare loop that asks, reads and unpacks, with no check, no time and nowhere to put it.

`python -m bench.raw_modbus SECONDS PORT...` prints requests and CPU seconds.
"""

import asyncio
import struct
import sys
import time

BLOCKS = ((0, 32), (100, 6))


async def loop_over(port: int, until: float) -> int:
    """Read the two blocks of the common task again and again; return how many requests were answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    done = 0
    while time.monotonic() < until:
        for address, count in BLOCKS:
            writer.write(struct.pack(">HHHBBHH", done & 0xFFFF, 0, 6, 1, 3, address, count))
            head = await reader.readexactly(9)
            body = await reader.readexactly(head[8])
            struct.unpack(f">{count}H", body)
            done += 1
    writer.close()
    await writer.wait_closed()
    return done


async def main(seconds: float, ports: list[int]) -> None:
    until = time.monotonic() + seconds
    counts = await asyncio.gather(*(loop_over(port, until) for port in ports))
    print(sum(counts), f"{time.process_time():.3f}")


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), [int(p) for p in sys.argv[2:]]))
