"""What `pip install 'faltung[app]'` promises: the playground starts, answers who has its token, and reads a model file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from http.client import HTTPConnection

with subprocess.Popen(
    [sys.executable, "-m", "faltung", "play", "--port", "0", "--no-browser"], stdout=subprocess.PIPE, text=True
) as server:
    try:
        assert server.stdout is not None
        words = "".join(server.stdout.readline() for _ in range(2))
        found = re.search(r"http://127\.0\.0\.1:(\d+)/#token=(\S+)", words)
        assert found is not None, words
        host = f"127.0.0.1:{found[1]}"
        for token, status in ((found[2], 200), ("guessed", 401)):
            client = HTTPConnection(host, timeout=60)
            headers = {"Origin": f"http://{host}", "X-Faltung-Token": token, "Content-Type": "application/json", "Connection": "close"}
            client.request("POST", "/ask/show", json.dumps({"state": {"kernel_size": [3, 3], "input_size": [5, 5]}}), headers)
            reply = client.getresponse()
            said = json.loads(reply.read())
            assert reply.status == status, (reply.status, said)
            assert status != 200 or said["scene"]["stages"][0]["output"]["size"] == [3, 3], said
        client = HTTPConnection(host, timeout=60)
        client.request("GET", "/")
        assert b"<html" in client.getresponse().read()
    finally:
        server.terminate()
