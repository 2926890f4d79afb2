# SPDX-License-Identifier: Apache-2.0
"""Runs as the only program of the machine of kernel_ends.py: for each case of /mnt/cases.json makes the kernel's own tunnel or VLAN
devices on both sides, a TLS server on one, curl on the other, and prints what curl said. Ends with the machine off."""
import ctypes
import hashlib
import http.server
import json
import os
import ssl
import subprocess
import threading

CLIENT, SERVER = "10.9.0.1", "10.9.0.2"  # outer addresses
BULK = bytes(range(256)) * 1200  # 300 KB


def ip(space, words):
    subprocess.run(["ip", *(["-n", space] if space else []), *words.split()], check=True)


def move_in(space):
    """the calling thread into a network namespace"""
    with open("/run/netns/" + space) as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = BULK if self.path == "/bulk" else b"hello\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *unused):
        pass


def serve(ready):
    move_in("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/mnt/web-rsa.crt", "/mnt/web-rsa.key")
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 443), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    ready.set()
    server.serve_forever()


def curl(case, path):
    return subprocess.run(["ip", "netns", "exec", "client", "curl", "-sS", "-m", "60", "--cacert", "/mnt/web-rsa.crt", "--resolve",
                           "%s:443:%s" % (case["name"], case["server"]), "https://%s%s" % (case["name"], path)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


def run(case):
    for side in "client", "server":
        for command in case[side + "_commands"]:
            ip(side, command)
    fine, bulk, attack = (curl(case, path) for path in ("/", "/bulk", "/?f=/etc/passwd"))
    for side in "client", "server":
        ip(side, "link del " + case["device"])
    return {"case": case["case"], "fine": fine.stdout.decode(errors="replace"), "bulk": hashlib.sha256(bulk.stdout).hexdigest() == hashlib.sha256(BULK).hexdigest(),
            "attack": attack.returncode, "errors": [answer.stderr.decode(errors="replace") for answer in (fine, bulk, attack)]}


def main():
    os.makedirs("/run/netns")
    for space, device, address in ("client", "eth0", CLIENT), ("server", "eth1", SERVER):
        ip(None, "netns add " + space)
        ip(None, "link set %s netns %s name eth0" % (device, space))
        for command in "link set lo up", "link set eth0 up", "addr add %s/24 dev eth0" % address:
            ip(space, command)
    ready = threading.Event()
    threading.Thread(target=serve, args=(ready,), daemon=True).start()
    ready.wait(30)
    with open("/mnt/cases.json") as file:
        cases = json.load(file)
    for case in cases:
        print("RESULT " + json.dumps(run(case)), flush=True)


try:
    main()
finally:
    with open("/proc/sysrq-trigger", "w") as trigger:
        trigger.write("o")
    threading.Event().wait(30)
