"""A small hub on this machine, spoken to through the real client library."""

import json
import struct
import threading
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

API = {"models": "model", "datasets": "dataset"}


def commit(name):
    """Return a made-up commit."""
    return sha1(name.encode()).hexdigest()


@dataclass
class Repo:
    """commits: the files of each commit. refs: the commit of each branch."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    gated: bool = False

    def push(self, ref, files):
        """Put these files on a branch, as a new commit."""
        made = commit(f"{ref} {len(self.commits)} {sorted(files)}")
        self.commits[made] = files
        self.refs[ref] = made
        return made


class Hub:
    """The repositories of the hub, and what was asked of it."""

    def __init__(self):
        self.repos = {}
        self.asked = []

    def repo(self, kind, name, **settings):
        """Return a repository, made at first mention."""
        return self.repos.setdefault((kind, name), Repo(**settings))

    def files_asked(self):
        """Return the paths of the files that were asked for."""
        return {path.partition("/resolve/")[2].partition("/")[2] for _, path in self.asked if "/resolve/" in path}

    def answer(self, path):
        """Return status, headers and body for a path."""
        kind, name, rest = _parse(path)
        repo = self.repos.get((kind, name))
        if repo is None:
            return 401, {"X-Error-Code": "RepoNotFound"}, b"{}"
        if rest[0] == "resolve":
            return self._file(repo, rest[1], "/".join(rest[2:]))
        if rest[0] == "auth-check":
            return (403, {"X-Error-Code": "GatedRepo"}, b"{}") if repo.gated else (200, {}, b"{}")
        if rest[0] == "refs":
            refs = [{"name": ref.rpartition("/")[2], "ref": ref, "targetCommit": at} for ref, at in repo.refs.items()]
            converts = [each for each in refs if "convert" in each["ref"]]
            branches = [each for each in refs if "convert" not in each["ref"]]
            return _json({"branches": branches, "converts": converts, "tags": []})
        at = repo.refs.get(rest[1], rest[1]) if len(rest) > 1 else repo.refs["main"]
        files = repo.commits[at]
        if rest[0] == "tree":
            return _json([{"type": "file", "path": p, "size": len(b), "oid": commit(p)} for p, b in files.items()])
        info = {"id": name, "sha": at, "private": False, "gated": "manual" if repo.gated else False, "tags": []}
        return _json(info | {"siblings": [{"rfilename": path} for path in files]})

    def _file(self, repo, revision, path):
        if repo.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b"gated"
        at = repo.refs.get(revision, revision)
        body = repo.commits.get(at, {}).get(path)
        if body is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": at}, b""
        return 200, {"X-Repo-Commit": at, "ETag": f'"{sha1(body).hexdigest()}"', "Accept-Ranges": "bytes"}, body


def _json(data):
    return 200, {"Content-Type": "application/json"}, json.dumps(data).encode()


def _parse(path):
    parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
    if parts[0] == "api":
        return API[parts[1]], "/".join(parts[2:4]), parts[4:] or ["info"]
    if parts[0] == "datasets":
        return "dataset", "/".join(parts[1:3]), parts[3:]
    return "model", "/".join(parts[:2]), parts[2:]


def _handler(hub):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._reply(body=True)

        def do_HEAD(self):
            self._reply(body=False)

        def _reply(self, *, body):
            hub.asked.append((self.command, unquote(self.path)))
            status, headers, content = hub.answer(self.path)
            asked = self.headers.get("Range", "")
            if status == 200 and asked:
                first, _, last = asked.removeprefix("bytes=").partition("-")
                content, status = content[int(first) : int(last) + 1 if last else None], 206
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(content))}).items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *args):
            pass

    return Handler


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Return a running hub with nothing on it; its cache is empty and the client library asks it alone."""
    from huggingface_hub import constants

    made = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield made
    server.shutdown()
    server.server_close()


def weights(**shapes):
    """Return a safetensors file of zeros."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4
        for each in shape:
            size *= each
        header[name.replace("__", ".")] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


@pytest.fixture
def gpt():
    """Return the files of a model repository, as the hub has them: the same weights in three formats, and code."""
    return {
        "config.json": json.dumps({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}).encode(),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": b"{}",
        "model.safetensors": weights(transformer__wte__weight=[10, 4], transformer__h__0__mlp__weight=[4, 8]),
        "pytorch_model.bin": b"a pickle",
        "weights.pt": b"a pickle",
        "modeling_gpt.py": b"print('code')",
        "onnx/model.safetensors": b"another copy",
        "README.md": b"text",
    }
