#!/usr/bin/env python3
"""Messages per round trip and connection over a long wire, Postwain beside Postfix.

A sink stands behind a proxy that holds every byte back for half a round trip in each direction, so that a
round trip costs the same for both; how long one takes is measured first. Counted is from the first message at the sink to the last; "connections" is how
many were open at once at most. "one connection" is a route that says connections = 1. Needs root and the
packages of section bench in packages.debian.
"""

import argparse
import asyncio
import json
import pathlib
import socket
import statistics
import subprocess
import tempfile
import threading
import time

import mta


class DelayProxy:
    """Every byte arrives half a round trip later, in order. limit: connections it carries at
    once; others wait for their turn, unanswered."""

    def __init__(self, target, half, limit):
        self.target, self.half, self.limit = target, half, limit
        self.port = mta.free_port()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait(10)

    def _run(self, ready):
        async def serve():
            self.places = asyncio.Semaphore(self.limit)
            server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            ready.set()
            async with server:
                await server.serve_forever()
        asyncio.run(serve())

    async def _accept(self, reader, writer):
        async with self.places:
            await asyncio.sleep(2 * self.half)  # what the TCP handshake would cost
            try:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            except OSError:  # the sink has ended, and so has whoever waited here
                return writer.close()
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))

    async def _pass(self, reader, writer):
        loop = asyncio.get_running_loop()
        waiting = asyncio.Queue()

        async def send():
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(0, due - loop.time()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            writer.close()
        sender = asyncio.create_task(send())
        while True:
            try:
                data = await reader.read(1 << 18)
            except ConnectionError:
                data = b""
            waiting.put_nowait((loop.time() + self.half, data))
            if not data:
                break
        await sender


class Sink:
    def __init__(self, binaries, chunking):
        self.port, self.control = mta.free_port(), mta.free_port()
        options = ["--announce-chunking"] if chunking else []
        self.process = subprocess.Popen(
            [binaries / "pw-sink", *options, "--control", f"127.0.0.1:{self.control}", f"127.0.0.1:{self.port}"],
            stdout=subprocess.DEVNULL, start_new_session=True)
        mta.wait_for_port(self.port)

    def counts(self):
        with socket.create_connection(("127.0.0.1", self.control), timeout=10) as connection:
            return json.loads(connection.makefile().readline())

    def stop(self):
        self.process.terminate()
        self.process.wait()


def round_trip(port):
    """Of the wire as it is: the proxy's timers and its own work are a millisecond or so."""
    times = []
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        lines = connection.makefile("rb")
        lines.readline()
        for _ in range(21):
            began = time.monotonic()
            connection.sendall(b"NOOP\r\n")
            lines.readline()
            times.append(time.monotonic() - began)
        connection.sendall(b"QUIT\r\n")
        lines.read()
    return statistics.median(times)


def measure(kind, binaries, chunking, messages, half, limit=1000):
    """Messages per round trip and connection."""
    sink = Sink(binaries, chunking)
    proxy = DelayProxy(sink.port, half, limit)
    with tempfile.TemporaryDirectory(prefix="pw-bench-") as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        trip = round_trip(proxy.port)
        ports = (proxy.port, proxy.port, mta.free_port())  # nothing is sent to the last, for TLS
        server = kind(folder, mta.Surroundings(*ports, *mta.make_certificate(folder)))
        server.start()
        try:
            subprocess.run(
                [binaries / "pw-source", "--sessions", "4", "--messages", str(messages), "--size", "2048",
                 f"127.0.0.1:{server.port}"], check=True, stdout=subprocess.DEVNULL)
            deadline = time.monotonic() + 120
            most = 1
            while sink.counts()["messages"] < messages and time.monotonic() < deadline:
                most = max(most, sink.counts()["open"])
                time.sleep(0.05)
            counts = sink.counts()
        finally:
            server.stop()
            sink.stop()
    seconds = (counts["last_ns"] - counts["first_ns"]) / 1e9
    trips = seconds / trip
    return {"messages": counts["messages"], "connections": most, "seconds": round(seconds, 2),
            "round_trip_ms": round(trip * 1000, 1),
            "per_trip": round(counts["messages"] / trips, 2),
            "per_trip_and_connection": round(counts["messages"] / trips / most, 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binaries", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent / "build/release/bin")
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--round-trip-ms", type=float, default=50)
    parser.add_argument("--many", default="connections = 40", help="what Postwain's route says")
    parser.add_argument("--one", default="connections = 1", help="the same, for one connection")
    parser.add_argument("--without-postfix", action="store_true")
    options = parser.parse_args()
    half = options.round_trip_ms / 2000

    def postwain(bounds):
        return lambda *words: mta.Postwain(*words, options.binaries, bounds=bounds)

    for chunking in (False, True):
        offered = "CHUNKING" if chunking else "PIPELINING"
        print(f"{offered:<11} Postwain", json.dumps(
            measure(postwain(options.many), options.binaries, chunking, options.messages, half)), flush=True)
        print(f"{offered:<11} Postwain, one connection", json.dumps(
            measure(postwain(options.one), options.binaries, chunking, options.messages, half)), flush=True)
        if not options.without_postfix:
            print(f"{offered:<11} Postfix ", json.dumps(
                measure(mta.Postfix, options.binaries, chunking, options.messages // 4, half)), flush=True)


if __name__ == "__main__":
    main()
