# SPDX-License-Identifier: Apache-2.0
"""D9: a server that shows another certificate than the one held: pin, verify against its CA, follow what is held already."""
import os
import ssl

import pytest

from lab.appliance import CommandFailed, configuration, ssl_server
from lab.clients import WEB_NAME, http_get, outcome_of, tls_connect
from lab.laboratory import Laboratory
from lab.namespace import run, wait_until
from lab.peers import Certificate, TlsServer, http_reply


class Issued:
    """a certificate signed by ca; its file holds the chain"""

    def __init__(self, directory, name, ca, common_name=WEB_NAME):
        self.name, self.common_name = name, common_name
        self.certificate, self.key = os.path.join(directory, name + ".crt"), os.path.join(directory, name + ".key")
        request, extension = os.path.join(directory, name + ".csr"), os.path.join(directory, name + ".ext")
        with open(extension, "w") as out:
            out.write("subjectAltName=DNS:%s\n" % common_name)
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + common_name, "-keyout", self.key, "-out", request)
        run("openssl", "x509", "-req", "-in", request, "-CA", ca.certificate, "-CAkey", ca.key, "-CAcreateserial", "-days", "30",
            "-extfile", extension, "-out", self.certificate)
        with open(self.certificate, "a") as out, open(ca.certificate) as issuer:
            out.write(issuer.read())

    der = Certificate.der


@pytest.fixture(scope="module")
def drift(request):
    option = request.config.getoption

    def document(topology):
        return configuration(topology, servers=[
            ssl_server("verify", ["8443"], certificates=("first",), certificate_drift="verify"),
            ssl_server("pin", ["8444"], certificates=("first",)),
            ssl_server("both", ["8445"], certificates=("first", "second"))])
    laboratory = Laboratory(option("--device"), option("--bin-dir"), document=document)
    make = laboratory._device

    def with_ca():
        directory = laboratory.topology.directory
        laboratory.ca = Certificate(directory, "ca", "Laboratory CA")
        laboratory.first, laboratory.second = (Issued(directory, name, laboratory.ca) for name in ("first", "second"))
        laboratory.elsewhere = Issued(directory, "elsewhere", laboratory.ca, "elsewhere.example.test")
        laboratory.certificates += [laboratory.first, laboratory.second]
        return make()
    laboratory._device = with_ca
    with laboratory:
        yield laboratory


def der_of(certificate):
    with open(certificate.certificate) as pem:
        return ssl.PEM_cert_to_DER_cert(pem.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")


def test_d9_a_renewed_certificate_of_the_same_ca_is_taken(drift):
    """the client still sees the one held; it is counted and told"""
    before = drift.appliance.counters("verify")["certificate_drifts"]
    with TlsServer(drift.topology, 8443, drift.second, http_reply(b"renewed")):
        with tls_connect(drift.client, 8443, drift.ca) as connection:
            assert connection.getpeercert(True) == der_of(drift.first)
            assert http_get(connection) == (200, b"renewed")
    assert drift.appliance.counters("verify")["certificate_drifts"] == before + 1
    wait_until(lambda: [r for r in drift.appliance.records("system") if "new certificate of the same CA" in r["message"]], 5, "a System record")


@pytest.mark.parametrize("which, why", [("self-signed", "self"), ("elsewhere", "ostname")])
def test_d9_verify_takes_no_other_ca_and_no_other_name(drift, which, why):
    shown = drift.elsewhere if which == "elsewhere" else drift.certificate
    with TlsServer(drift.topology, 8443, shown, http_reply(b"no")):
        assert outcome_of(lambda: tls_connect(drift.client, 8443))[0] == "error"
    wait_until(lambda: [r for r in drift.appliance.records("ssl_inspection") if why in r.get("detail", "") and
                        r["close_reason"] == "server_certificate_drift"], 5, "a record that says why")


def test_d9_pin_takes_no_renewed_certificate(drift):
    with TlsServer(drift.topology, 8444, drift.second, http_reply(b"no")):
        assert outcome_of(lambda: tls_connect(drift.client, 8444))[0] == "error"


def test_d9_a_drift_to_a_certificate_that_is_held_is_followed(drift):
    """without a commit: the client is shown what the server shows"""
    for certificate in drift.first, drift.second, drift.first:
        with TlsServer(drift.topology, 8445, certificate, http_reply(b"ok")):
            with tls_connect(drift.client, 8445, drift.ca) as connection:
                assert connection.getpeercert(True) == der_of(certificate)
                assert http_get(connection) == (200, b"ok")


def test_d9_verify_without_an_issuer_is_refused(drift):
    document = configuration(drift.topology, servers=[ssl_server("alone", ["8443"], certificate_drift="verify")])
    with pytest.raises(CommandFailed) as failure:
        drift.appliance.commit(document)
    assert "import one of them with its chain" in str(failure.value)
