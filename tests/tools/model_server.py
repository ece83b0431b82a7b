#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A small HTTP server in the place of a model server, for tests of tier-manager.

GET /health is 503 while it "loads". POST /v1/completions takes {"ms": N} and answers
{"tier": T} after that long, or, with "stream": true, a line every 50 ms for that long.

model_server.py TIER PORT [--load S] [--die-after S] [--never-healthy] [--ignore-term] [--then STATUS]
                     [--memory MIB]

--then: after its first good answer GET /health is answered so; 0: never.
"""
import argparse
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("tier")
parser.add_argument("port", type=int)
parser.add_argument("--load", type=float, default=0.3)
parser.add_argument("--die-after", type=float, default=0)
parser.add_argument("--never-healthy", action="store_true")
parser.add_argument("--ignore-term", action="store_true")
parser.add_argument("--memory", type=int, default=0)
parser.add_argument("--then", type=int, default=200)
options = parser.parse_args()
started = time.monotonic()
memory = b"x" * (options.memory << 20)
was_healthy = False


def is_loaded():
    return not options.never_healthy and time.monotonic() - started >= options.load


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is sent whole: whoever is killed has begun it or not

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_health(self):
        global was_healthy
        if not is_loaded():
            self.answer(503, {"status": "loading"})
        elif not was_healthy:
            was_healthy = True
            self.answer(200, {"status": "ok"})
        elif options.then:
            self.answer(options.then, {"status": "ok" if options.then == 200 else "bad"})
        else:
            time.sleep(3600)

    def do_GET(self):
        if self.path == "/health":
            self.answer_health()
        else:
            self.answer(200, {"tier": options.tier})

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        wanted = json.loads(self.rfile.read(length) or b"{}")
        seconds = wanted.get("ms", 0) / 1000
        if not wanted.get("stream"):
            time.sleep(seconds)
            self.answer(wanted.get("status", 200), {"tier": options.tier})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.wfile.write(f"data: {options.tier}\n".encode())
            self.wfile.flush()
            time.sleep(0.05)
        self.wfile.write(b"data: [DONE]\n")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


def die():
    time.sleep(options.die_after)
    os._exit(3)


if options.ignore_term:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if options.die_after:
    threading.Thread(target=die, daemon=True).start()
print(f"{options.tier}: serving on {options.port}", flush=True)
try:
    Server(("127.0.0.1", options.port), Handler).serve_forever()
except KeyboardInterrupt:
    sys.exit(0)
