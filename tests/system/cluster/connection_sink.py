"""A next hop that counts the connections that are open at the same time, as a program. One port for
each of its words "SECONDS", which is how long it takes over the content of a message there; with
"!" behind it each connection is closed after one message. It prints the ports as a line; each line
of its standard input is answered with what it has seen as one line of JSON: [{"open", "most",
"opened": [times], "delivered": {node: [times]}}] in the order of the ports. It ends with its
standard input.
"""

import asyncio
import json
import logging
import sys
import time


class Door:
    def __init__(self, word):
        self.seconds = float(word.rstrip("!"))
        self.closes = word.endswith("!")
        self.open = 0
        self.most = 0
        self.opened = []
        self.delivered = {}

    async def serve(self, reader, writer):
        self.opened.append(time.time())
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self.talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        # Not later: whoever hears of the end may open the next one.
        self.open -= 1
        writer.close()

    async def talk(self, reader, writer):
        writer.write(b"220 sink\r\n")
        node = "-"
        while line := (await reader.readline()).decode("latin-1").strip():
            verb = line.split(" ")[0].upper()
            if verb in ("EHLO", "HELO"):
                node = line.split(" ")[1].split(".")[0]
                writer.write(b"250 sink\r\n")
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                await asyncio.sleep(self.seconds)
                self.delivered.setdefault(node, []).append(time.time())
                writer.write(b"250 2.0.0 taken\r\n")
                if self.closes:
                    return await writer.drain()
            elif verb == "QUIT":
                return writer.write(b"221 bye\r\n")
            else:
                writer.write(b"250 2.0.0 ok\r\n")
            await writer.drain()


async def run(words):
    doors = [Door(one) for one in words]
    servers = [await asyncio.start_server(door.serve, "127.0.0.1", 0, limit=1 << 20)
               for door in doors]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps([{"open": door.open, "most": door.most, "opened": door.opened,
                           "delivered": door.delivered} for door in doors]), flush=True)


if __name__ == "__main__":
    # Sessions that are open at the end are cut off, and nobody is told of that.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    asyncio.run(run(sys.argv[1:]))
