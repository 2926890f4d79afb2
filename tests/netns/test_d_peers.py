# SPDX-License-Identifier: Apache-2.0
"""D1, D3: NSS and BoringSSL on both sides, HAProxy and Apache httpd as servers, Chromium as client."""
import os
import select
import subprocess

import pytest

from lab.browser import Chromium
from lab.clients import WEB_NAME
from lab.namespace import run, stop_process, wait_until
from lab.peers import Httpd, is_listening
from lab.topology import SERVER_IP


# --- NSS --------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def nss(lab):
    """a database with the laboratory's certificate and key, for selfserv and tstclnt"""
    directory, pkcs12 = lab.topology.path("nss"), lab.topology.path("nss.p12")
    run("mkdir", "-p", directory)
    run("certutil", "-N", "-d", directory, "--empty-password")
    run("openssl", "pkcs12", "-export", "-in", lab.certificate.certificate, "-inkey", lab.certificate.key, "-name", "web",
        "-passout", "pass:x", "-out", pkcs12)
    run("pk12util", "-i", pkcs12, "-d", directory, "-W", "x", "-K", "")
    return directory


def read_until(process, text, seconds=10):
    """tstclnt stays for as long as its standard input is open"""
    said, ready = b"", select.poll()
    ready.register(process.stdout, select.POLLIN | select.POLLHUP)
    while text not in said and ready.poll(seconds * 1000):
        part = os.read(process.stdout.fileno(), 65536)
        if not part:
            break
        said += part
    return said


@pytest.mark.parametrize("version, name", [("tls1.2", "TLSv1.2"), ("tls1.3", "TLSv1.3")])
def test_d1_nss_on_both_sides(lab, nss, version, name):
    server = lab.server.popen("selfserv", "-d", nss, "-n", "web", "-p", "8449", "-V", version + ":" + version, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(lab.server, 8449), 5, "selfserv to listen")
        client = lab.client.popen("tstclnt", "-h", SERVER_IP, "-p", "8449", "-d", nss, "-o", "-a", WEB_NAME, "-V", version + ":" + version,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            client.stdin.write(b"GET / HTTP/1.0\r\n\r\n")
            client.stdin.flush()
            said = read_until(client, b"200 OK")
        finally:
            stop_process(client)
    finally:
        stop_process(server)
    assert b"200 OK" in said, said
    record = lab.appliance.wait_record("ssl_inspection", dest_port=8449, client_tls_version=name)
    assert (record["action"], record["server_tls_version"]) == ("decrypted", name), record


# --- HAProxy ----------------------------------------------------------------------------------------------------------
HAPROXY_CONF = """
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 5s
frontend web
    bind 0.0.0.0:8448 ssl crt {pem} ssl-min-ver {version} ssl-max-ver {version} alpn http/1.1
    http-request return status 200 content-type text/plain string "hello from haproxy"
"""


@pytest.mark.cable
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_d1_haproxy_as_server(lab, version):
    pem, conf = lab.topology.path("haproxy.pem"), lab.topology.path("haproxy.cfg")
    with open(pem, "w") as out, open(lab.certificate.certificate) as certificate, open(lab.certificate.key) as key:
        out.write(certificate.read() + key.read())
    with open(conf, "w") as out:
        out.write(HAPROXY_CONF.format(pem=pem, version=version))
    server = lab.server.popen("haproxy", "-db", "-f", conf, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(lab.server, 8448), 10, "haproxy to listen")
        for _ in range(3):
            reply = lab.curl("/", port=8448)
            assert reply.ok and reply.body == b"hello from haproxy", reply
    finally:
        stop_process(server)


# --- BoringSSL --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("version", ["tls1.2", "tls1.3"])
def test_d1_bssl_on_both_sides(lab, version):
    """its own server and client; the second connection resumes the first one's session"""
    server = lab.server.popen("bssl-tool", "server", "-accept", "8447", "-cert", lab.certificate.certificate, "-key", lab.certificate.key,
                              "-min-version", version, "-max-version", version, "-loop", "-www", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(lab.server, 8447), 5, "bssl-tool to listen")
        with lab.client:
            said = subprocess.run(["bssl-tool", "client", "-connect", SERVER_IP + ":8447", "-server-name", WEB_NAME, "-root-certs",
                                   lab.certificate.certificate, "-min-version", version, "-max-version", version, "-grease", "-test-resumption"],
                                  input=b"GET / HTTP/1.0\r\n\r\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=15).stdout.decode()
    finally:
        stop_process(server)
    assert "HTTP/1.0 200 OK" in said and "Resumed session: yes" in said, said
    record = lab.appliance.wait_record("ssl_inspection", dest_port=8447, client_tls_version=version.upper().replace("TLS", "TLSv"), client_tls_resumed=True)
    assert (record["action"], record["sni"]) == ("decrypted", WEB_NAME), record


def test_d5_early_data_is_not_accepted(lab):
    """by a server that takes it and from a client that would send it: the tickets of the client's leg do not allow for it, and the request
    comes after the handshake"""
    session = lab.topology.path("bssl-session")
    client = ["bssl-tool", "client", "-connect", SERVER_IP + ":8447", "-server-name", WEB_NAME, "-min-version", "tls1.3"]
    server = lab.server.popen("bssl-tool", "server", "-accept", "8447", "-cert", lab.certificate.certificate, "-key", lab.certificate.key,
                              "-early-data", "-loop", "-www", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_listening(lab.server, 8447), 5, "bssl-tool to listen")
        with lab.client:
            first, second = (subprocess.run([*client, *options], input=b"GET / HTTP/1.0\r\n\r\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                            timeout=15).stdout.decode() for options in
                             (["-session-out", session], ["-session-in", session, "-early-data", "GET / HTTP/1.0\r\n\r\n"]))
    finally:
        stop_process(server)
    assert "HTTP/1.0 200 OK" in first and "Resumed session: yes" in second, (first, second)
    assert "Early data: no" in second and "HTTP/1.0 200 OK" in second, second


# --- Apache httpd -----------------------------------------------------------------------------------------------------
@pytest.mark.cable
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_d1_httpd_as_server(lab, version):
    with Httpd(lab.topology, lab.certificate, 8445, "SSLProtocol TLSv" + version) as httpd:
        httpd.put_page("index.html", "hello from httpd")
        for _ in range(3):
            reply = lab.curl("/", port=8445)
            assert reply.ok and reply.body == b"hello from httpd", reply


# --- Chromium ---------------------------------------------------------------------------------------------------------
SCRIPT = """addEventListener('load', async () => {
    const out = document.getElementById('out'), reply = await (await fetch('/files/data.json')).json();
    out.textContent = 'answer ' + reply.answer + ', ' + getComputedStyle(out).color + ', image ' + document.images[0].naturalWidth;
});"""
PAGE = {"page.html": "<html><head><link rel=stylesheet href=/files/a.css><script src=/files/a.js></script></head><body><img src=/files/i.gif>"
                     "<p id=out></p></body></html>",
        "a.css": "p { color: rgb(1, 2, 3) }", "a.js": SCRIPT, "data.json": '{"answer": 42}',
        "i.gif": "GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"}


def test_d1_chromium_shows_a_page_with_all_that_it_needs(lab):
    """style, script, image and what the script fetches; the browser trusts the certificate that it must see, and no other"""
    for name, body in PAGE.items():
        lab.nginx.put_file(name, 0, body.encode("latin-1"))
    page, said = Chromium(lab.topology, lab.certificate).page("https://%s/files/page.html" % WEB_NAME)
    assert "answer 42, rgb(1, 2, 3), image 1<" in page, (page, said)
    assert {row["address"] for row in lab.nginx.wait_for("/files/data.json")} == {"10.9.0.1"}
    record = lab.appliance.wait_record("ssl_inspection", sni=WEB_NAME, dest_port=443, client_tls_version="TLSv1.3")
    assert (record["action"], record["alpn"]) == ("decrypted", "http/1.1"), record
