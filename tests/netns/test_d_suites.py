# SPDX-License-Identifier: Apache-2.0
"""D1 to D4: every protocol with every cipher suite of the engine, through the appliance, with independent peers on both
sides; and what an SSL server's options make of the list."""
import ssl
import warnings

import pytest

from lab.appliance import CommandFailed, configuration, ssl_server
from lab.clients import http_get, outcome_of, tls_connect
from lab.laboratory import Laboratory
from lab.peers import Certificate, GnutlsServer, Server, TlsServer, gnutls_client, http_reply

EC_NAME = "ec.example.test"
VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
# GnuTLS's words for a suite: key exchange by (key exchange, certificate), bulk, MAC
GNUTLS_KX = {("ecdhe", "rsa"): "ECDHE-RSA", ("ecdhe", "ecdsa"): "ECDHE-ECDSA", ("rsa", "rsa"): "RSA"}


@pytest.fixture(scope="module")
def suites(request):
    option = request.config.getoption

    def document(topology):
        all_versions = ["tls1.0", "tls1.1", "tls1.2", "tls1.3"]
        return configuration(topology, servers=[
            ssl_server("all", ["8443", "8500"], certificates=("web-rsa", "web-ec"), protocols=all_versions,
                       bulk=["aes256", "aes128", "chacha20", "3des"]),
            ssl_server("narrow", ["8444"], protocols=["tls1.2"], key_exchange=["ecdhe"], bulk=["aes128", "aes256"],
                       mac=["sha1", "sha256"], cipher_suites_disabled=["TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"])])
    laboratory = Laboratory(option("--device"), option("--bin-dir"), document=document)
    make = laboratory._device

    def with_second_certificate():
        laboratory.ec = Certificate(laboratory.topology.directory, "web-ec", EC_NAME, key="P-256")
        laboratory.certificates.append(laboratory.ec)
        return make()
    laboratory._device = with_second_certificate
    with laboratory:
        yield laboratory


def context_of(client, version, openssl_name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if client else ssl.PROTOCOL_TLS_SERVER)
    if client:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 and 1.1 are what is asked for
        context.minimum_version = context.maximum_version = version
    if VERSIONS[name_of(version)] < 0x0304:
        context.set_ciphers(openssl_name + ":@SECLEVEL=0")
    return context


def name_of(version):
    return {ssl.TLSVersion.TLSv1: "TLSv1", ssl.TLSVersion.TLSv1_1: "TLSv1.1", ssl.TLSVersion.TLSv1_2: "TLSv1.2",
            ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def pairs(lab):
    """(protocol, suite row) of everything the appliance says it offers"""
    low_high = {"tls1.0": 0x0301, "tls1.1": 0x0302, "tls1.2": 0x0303, "tls1.3": 0x0304}
    for row in lab.appliance.show("ciphers", "--server", "all")["ciphers"]:
        words = [low_high[word] for word in row["protocols"].split(" to ")]
        for version in ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            if words[0] <= VERSIONS[name_of(version)] <= words[-1] and row["offered"]:
                yield version, row


def openssl_has(name):
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(name + ":@SECLEVEL=0")
        return True
    except ssl.SSLError:
        return name.startswith("TLS_")


@pytest.mark.quick
def test_d3_every_suite_with_every_protocol_openssl_on_both_sides(suites):
    """TLS up to 1.2: the suite is the only one that either side allows; TLS 1.3: the client's only one"""
    done = set()
    with TlsServer(suites.topology, 8443, suites.certificate, http_reply(b"ok")) as server:
        for version, row in pairs(suites):
            if not openssl_has(row["openssl"]):
                assert row["bulk"] == "3des", row  # Debian's OpenSSL is built without it: GnuTLS below
                continue
            if version == ssl.TLSVersion.TLSv1_3:
                continue  # Python cannot choose these: below
            certificate = suites.ec if row["authentication"] == "ecdsa" else suites.certificate
            server.context = context_of(False, version, row["openssl"])
            server.context.load_cert_chain(certificate.certificate, certificate.key)
            negotiated = []
            server.handler = lambda c, seen=negotiated: (seen.append((c.version(), c.cipher()[0])), http_reply(b"ok")(c))
            with tls_connect(suites.client, 8443, context=context_of(True, version, row["openssl"]),
                             name=EC_NAME if certificate is suites.ec else "www.example.test") as connection:
                assert (connection.version(), connection.cipher()[0]) == (name_of(version), row["openssl"])
                assert connection.getpeercert(True) == certificate.der()
                assert http_get(connection) == (200, b"ok"), row
            assert negotiated == [(name_of(version), row["openssl"])]
            done.add((name_of(version), row["openssl"]))
    assert len(done) == 6 * 3 + 8, sorted(done)  # six CBC suites in three protocols, eight AEAD suites in TLS 1.2


def gnutls_priority(version, row):
    cipher = {"aes128": "AES-128-", "aes256": "AES-256-", "chacha20": "CHACHA20-POLY1305", "3des": "3DES-CBC"}[row["bulk"]]
    if cipher.startswith("AES"):
        cipher += "CBC" if row["mac"] == "sha1" else "GCM"
    kx = "" if version == "TLS1.3" else "+%s:" % GNUTLS_KX[row["key_exchange"], row["authentication"]]
    mac = "SHA1" if row["mac"] == "sha1" else "AEAD"
    return "NONE:+VERS-%s:%s+%s:+%s:+COMP-NULL:+SIGN-ALL:+SIGN-RSA-SHA1:+GROUP-X25519:+GROUP-SECP256R1:%%VERIFY_ALLOW_SIGN_WITH_SHA1" % (
        version, kx, cipher, mac)


def test_d3_every_suite_with_gnutls_on_both_sides(suites):
    """3DES and the single suites of TLS 1.3 among them"""
    versions = {0x0301: "TLS1.0", 0x0302: "TLS1.1", 0x0303: "TLS1.2", 0x0304: "TLS1.3"}
    done = set()
    with GnutlsServer(suites.topology, 8500, [suites.certificate, suites.ec]):
        for version, row in pairs(suites):
            word = versions[VERSIONS[name_of(version)]]
            ecdsa = row["authentication"] == "ecdsa"
            said = gnutls_client(suites.client, 8500, gnutls_priority(word, row), EC_NAME if ecdsa else "www.example.test")
            assert "HTTP/1.0 200" in said and "Description: (%s-" % word in said, (word, row["name"], said)
            done.add((word, row["name"]))
    assert len(done) == 7 * 3 + 8 + 3, sorted(done)
    for word, name in done:
        record = suites.appliance.wait_record("ssl_inspection", client_tls_cipher=name, client_tls_version="TLSv" + word[3:].replace("1.0", "1"))
        assert record["action"] == "decrypted" and record["close_reason"] == "done", record


# --- options ----------------------------------------------------------------------------------------------------------
def test_d3_only_what_is_selected_is_negotiated(suites):
    """on both legs: the client's wishes beyond it fail, and the server sees nothing else in the appliance's ClientHello"""
    shown = suites.appliance.show("ciphers", "--server", "narrow")["ciphers"]
    offered = {row["openssl"] for row in shown if row["offered"]}
    assert offered == {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256",
                       "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA"}
    with Server(suites.topology, 8444, lambda connection: connection.recv(4096)) as server:
        outcome_of(lambda: tls_connect(suites.client, 8444, context=context_of(True, ssl.TLSVersion.TLSv1_2, "ALL")))
    assert suites_of(server.results[0]) == {int(row["id"], 16) for row in shown if row["offered"]}
    with TlsServer(suites.topology, 8444, suites.certificate, http_reply(b"ok"), configure=lambda c: c.set_ciphers("ALL:@SECLEVEL=0")):
        for cipher, good in (("ECDHE-RSA-AES128-GCM-SHA256", True), ("ECDHE-RSA-AES128-SHA", True), ("AES128-GCM-SHA256", False),
                             ("ECDHE-RSA-AES256-SHA", False), ("ECDHE-RSA-AES256-GCM-SHA384", False), ("ECDHE-RSA-CHACHA20-POLY1305", False)):
            outcome, connection = outcome_of(lambda c=cipher: tls_connect(
                suites.client, 8444, context=context_of(True, ssl.TLSVersion.TLSv1_2, c)))
            assert (outcome == "ok") == good, (cipher, outcome, connection)
            if good:
                assert connection.cipher()[0] == cipher
                connection.close()


def suites_of(hello):
    """the cipher suites in a ClientHello record"""
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    return {int.from_bytes(hello[i:i + 2], "big") for i in range(at + 2, at + 2 + int.from_bytes(hello[at:at + 2], "big"), 2)}


def test_d4_commit_names_what_the_engine_cannot_do(suites):
    document = configuration(suites.topology, servers=[
        ssl_server("legacy", ["8443"], protocols=["ssl3.0", "tls1.0", "tls1.1", "tls1.2"], bulk=["3des", "des", "aes128"],
                   mac=["sha1", "sha256"], allow_compression=True)])
    problems = suites.appliance.ask("check", suites.appliance.write_configuration(document, name="legacy.yaml"))["problems"]
    text = "\n".join(problem["message"] for problem in problems)
    assert all(problem["severity"] == "warning" for problem in problems), problems
    for named in "ssl3.0", "compression", "ECDHE-RSA-DES-CBC3-SHA", "DES-CBC-SHA", "AES128-SHA256":
        assert named in text, (named, text)


def test_d3_a_selection_without_a_suite_is_refused(suites):
    document = configuration(suites.topology, servers=[
        ssl_server("none", ["8443"], protocols=["tls1.2"], bulk=["chacha20"], key_exchange=["rsa"])])
    with pytest.raises(CommandFailed) as failure:
        suites.appliance.ask("check", suites.appliance.write_configuration(document, name="none.yaml"))
    assert "no cipher suite is left for tls1.2" in str(failure.value)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls1.2", "tls1.3"])
def test_d11_an_ecdsa_key_signs_by_its_curve_on_both_legs(suites, version):
    def configure(context):
        context.minimum_version = context.maximum_version = version
    context = context_of(True, version, "ECDHE-ECDSA-AES128-GCM-SHA256")
    with TlsServer(suites.topology, 8443, suites.ec, http_reply(b"ok"), configure=configure):
        with tls_connect(suites.client, 8443, context=context, name=EC_NAME) as connection:
            assert http_get(connection) == (200, b"ok")
            port = connection.getsockname()[1]
    record = suites.appliance.wait_record("ssl_inspection", src_port=port, sni=EC_NAME)
    for leg in "client", "server":
        assert (record[leg + "_tls_signature"], record[leg + "_tls_group"]) == ("ecdsa_secp256r1_sha256", "X25519"), record
