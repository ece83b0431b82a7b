# SPDX-License-Identifier: BSD-2-Clause
"""Stand-ins for llama-server's router, llama-swap and Ollama: the parts of their APIs that
tier-manager uses, written after their sources (llama.cpp tools/server/server-models.cpp,
llama-swap internal/server/apigroup.go, Ollama docs/api.md). They load nothing.

api_server.py KIND PORT [--load S] [--unload S] [--broken MODEL]

POST /busy {"model": M, "count": N} and POST /lose {"model": M} are for the tests.
"""
import argparse
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("kind", choices=["llama-server", "llama-swap", "ollama"])
parser.add_argument("port", type=int)
parser.add_argument("--load", type=float, default=0.5)
parser.add_argument("--unload", type=float, default=0.5)
parser.add_argument("--broken", default="none")
options = parser.parse_args()

MODELS = ["s", "m/x", "l"]
lock = threading.Lock()
state = {model: "unloaded" for model in MODELS}  # loading, loaded, unloading
failed = set()
busy = {model: 0 for model in MODELS}
profile = None
calls = []


def later(seconds, model, before, after):
    def act():
        time.sleep(seconds)
        with lock:
            if state[model] != before:
                return
            state[model] = after
            if before == "loading" and model == options.broken:
                state[model] = "unloaded"
                failed.add(model)
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def load(model):
    with lock:
        if state[model] != "unloaded":
            return None
        state[model] = "loading"
        failed.discard(model)
    return later(options.load, model, "loading", "loaded")


def unload(model):
    with lock:
        state[model] = "unloading"
    return later(options.unload, model, "unloading", "unloaded")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do(self, method):
        global profile
        length = int(self.headers.get("Content-Length") or 0)
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
        except ValueError:
            return self.answer(400, {"error": "not JSON"})
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        calls.append(f"{method} {self.path} {json.dumps(body)}")
        if url.path == "/calls":
            return self.answer(200, calls)
        if url.path == "/busy":
            busy[body["model"]] = body["count"]
            return self.answer(200, {})
        if url.path == "/lose":
            state[body["model"]] = "unloaded"
            return self.answer(200, {})
        handler = {"llama-server": self.llama, "llama-swap": self.swap, "ollama": self.ollama}
        handler[options.kind](method, url.path, query, body)

    def llama(self, method, path, query, body):
        model = body.get("model") or query.get("model")
        if (method, path) == ("GET", "/models"):
            data = []
            for name, value in state.items():
                # A child that is told to end counts as loaded until it has.
                status = {"value": {"unloading": "loaded"}.get(value, value), "args": []}
                if name in failed:
                    status.update(failed=True, exit_code=1)
                data.append({"id": name, "object": "model", "status": status})
            return self.answer(200, {"data": data, "object": "list"})
        if (method, path) == ("GET", "/slots") and state.get(model) == "loaded":
            return self.answer(200, [{"id": i, "is_processing": i < busy[model]} for i in range(4)])
        if path not in ("/models/load", "/models/unload") or model not in state:
            return self.answer(404, {"error": {"message": "model is not found"}})
        is_load = path == "/models/load"
        if is_load == (state[model] != "unloaded"):
            return self.answer(400, {"error": {"message": "model is not running"}})
        (load if is_load else unload)(model)
        self.answer(200, {"success": True})

    def swap(self, method, path, query, body):
        global profile
        if (method, path) == ("GET", "/running"):
            names = {"loading": "starting", "loaded": "ready", "unloading": "stopping"}
            return self.answer(200, {"running": [{"model": name, "state": names[value]}
                                                 for name, value in state.items() if value in names]})
        if path == "/api/events":
            return self.events()
        if (method, path) == ("PUT", "/api/profiles/active"):
            if body.get("name") not in ("small", "medium", "large"):
                return self.answer(404, {"error": "no such profile"})
            profile = body["name"]
            return self.answer(200, {"active": profile})
        if path.startswith("/upstream/") and path.endswith("/health"):
            model = urllib.parse.unquote(path[len("/upstream/"):-len("/health")])
            if model not in state:
                return self.answer(404, {"error": "model not found"})
            thread = load(model)
            if thread:
                thread.join()
            return self.answer(200 if state[model] == "loaded" else 502, {})
        if method == "POST" and path.startswith("/api/models/unload/"):
            unload(urllib.parse.unquote(path[len("/api/models/unload/"):])).join()
            return self.answer(200, "OK")
        self.answer(404, {})

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        entries = [{"id": str(i), "model": name} for name, count in busy.items()
                   for i in range(count)]
        for kind, data in (("logData", {"source": "proxy", "data": "inflight\n"}),
                           ("inflight", {"operation": "snapshot", "requests": entries})):
            message = json.dumps({"type": kind, "data": json.dumps(data)})
            self.wfile.write(f"event:message\ndata:{message}\n\n".encode())
        self.wfile.flush()
        time.sleep(5)

    def ollama(self, method, path, query, body):
        if (method, path) == ("GET", "/api/ps"):
            return self.answer(200, {"models": [
                {"name": name + ":latest", "model": name + ":latest", "size": 1}
                for name, value in state.items() if value in ("loaded", "unloading")]})
        if (method, path) != ("POST", "/api/generate"):
            return self.answer(404, {})
        model = body["model"]
        if model not in state:
            return self.answer(404, {"error": f"model '{model}' not found"})
        if body.get("keep_alive") == 0:
            unload(model)  # and answers before it is done
            return self.answer(200, {"done": True, "done_reason": "unload"})
        thread = load(model)
        if thread:
            thread.join()
        if state[model] != "loaded":
            return self.answer(500, {"error": "llama runner process has terminated"})
        self.answer(200, {"done": True, "done_reason": "load"})

    def do_GET(self):
        self.do("GET")

    def do_POST(self):
        self.do("POST")

    def do_PUT(self):
        self.do("PUT")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that does not wait for the answer


Server(("127.0.0.1", options.port), Handler).serve_forever()
