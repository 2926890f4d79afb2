# SPDX-License-Identifier: Apache-2.0
"""C3, D1: mail servers as they come, behind Sluice: Dovecot by IMAP and POP3, Postfix by SMTP, with curl and openssl as clients."""
import base64
import os
import re

import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import WEB_NAME, s_client
from lab.laboratory import Laboratory
from lab.mail import ADDRESS, PASSWORD, USER, Dovecot, Postfix, curl_mail, maildir_of, put_mail
from lab.namespace import wait_until

VERSIONS = pytest.mark.parametrize("version", ["1.2", "1.3"])
MESSAGE = "Subject: minutes\n\nAll agreed.\n"
RULES = 'reject tcp any any -> any 25 (msg:"worm in a mail"; flow:established,to_server; content:"X-WORM-7"; sid:25; rev:1;)\n' \
    'reject tcp any any -> any 143 (msg:"a mailbox that is not to be opened"; flow:established,to_server; content:"SELECT"; nocase; ' \
    'content:"Closed"; distance:0; sid:143; rev:1;)\n' \
    'reject tcp any 110 -> any any (msg:"worm in a mailbox"; flow:established,to_client; content:"X-WORM-7"; sid:110; rev:1;)\n'


def document(topology):
    return configuration(topology, servers=[ssl_server("imap", ["993"], service="imap"), ssl_server("pop3", ["995"], service="pop3"),
                                            ssl_server("smtp", ["465"], service="smtp")])


@pytest.fixture(scope="module")
def mail(request):
    option = request.config.getoption
    with Laboratory(option("--device"), option("--bin-dir"), document=document, filters=RULES) as lab:
        put_mail(lab.topology, MESSAGE)
        with Dovecot(lab.topology, lab.certificate) as lab.dovecot, Postfix(lab.topology, lab.certificate) as lab.postfix:
            yield lab


def tls_options(version):
    return "--tlsv" + version, "--tls-max", version


def decrypted(lab, port, version):
    record = lab.appliance.wait_record("ssl_inspection", dest_port=port, client_tls_version="TLSv" + version)
    assert (record["action"], record["server_tls_version"]) == ("decrypted", "TLSv" + version), record
    # these clients and servers say goodbye and close at once: what still comes then is answered with a reset, with a cable too
    assert record["close_reason"] in ("done", "client_reset", "server_reset"), record


@VERSIONS
def test_d1_curl_reads_mail_of_dovecot_by_imap_and_pop3(mail, version):
    for url, port in ("imaps://%s:993/INBOX;MAILINDEX=1", 993), ("pop3s://%s:995/1", 995):
        code, body, said = curl_mail(mail.client, url % WEB_NAME, *tls_options(version), certificate=mail.certificate)
        assert code == 0 and body == MESSAGE.replace("\n", "\r\n").encode(), said
        decrypted(mail, port, version)
    assert re.search(r"imap-login: Info: Login: user=<%s>.*rip=10\.9\.0\.1,.*TLS" % USER, mail.dovecot.log())


@VERSIONS
def test_d1_curl_sends_mail_to_postfix(mail, version):
    """true from end to end: what is in the mailbox at last, and whom Postfix believes to have talked to"""
    subject = "through-%s" % version
    code, _, said = curl_mail(mail.client, "smtps://%s:465" % WEB_NAME, *tls_options(version), "--mail-from", "bert@example.org", "--mail-rcpt",
                              ADDRESS, "-T", "-", data=("Subject: %s\r\n\r\nhello\r\n" % subject).encode(), certificate=mail.certificate, login=False)
    assert code == 0, said
    wait_until(lambda: any("Subject: " + subject in text for text in delivered(mail)), 10, "the mail to be delivered")
    decrypted(mail, 465, version)
    assert "TLS connection established from unknown[10.9.0.1]: TLSv" + version in mail.postfix.log(), mail.postfix.log()


def delivered(mail):
    for sub in "new", "cur":
        folder = os.path.join(maildir_of(mail.topology), sub)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), errors="replace") as text:
                yield text.read()


def test_d1_s_client_with_dovecot_and_postfix(mail):
    login = b"a login %s %s\r\nb select INBOX\r\nc logout\r\n" % (USER.encode(), PASSWORD.encode())
    said = s_client(mail.client, "-quiet", "-ign_eof", "-crlf", port=993, data=login.replace(b"\r\n", b"\n"))
    assert "b OK" in said and "c OK" in said, said
    said = s_client(mail.client, "-quiet", "-ign_eof", "-crlf", port=995, data=b"USER %s\nPASS %s\nSTAT\nQUIT\n" % (USER.encode(), PASSWORD.encode()))
    assert "+OK Logging out" in said, said
    said = s_client(mail.client, "-quiet", "-ign_eof", "-crlf", port=465, data=b"EHLO c\nQUIT\n")
    assert "250-PIPELINING" in said and "221 2.0.0 Bye" in said, said


# --- filters (C3, B8) ----------------------------------------------------------------------------------------------------
def test_b8_a_worm_never_reaches_postfix(mail):
    code, _, said = curl_mail(mail.client, "smtps://%s:465" % WEB_NAME, "--mail-from", "bert@example.org", "--mail-rcpt", ADDRESS, "-T", "-",
                              data=b"Subject: infected\r\n\r\nX-WORM-7\r\n", certificate=mail.certificate, login=False)
    assert code != 0, said
    block = mail.appliance.wait_record("block", signature_id=25)
    assert (block["ssl_server"], block["src_ip"]) == ("smtp", "10.9.0.1"), block
    wait_until(lambda: "lost connection after DATA" in mail.postfix.log(), 5, "Postfix to lose the connection")
    assert not any("X-WORM-7" in text for text in delivered(mail))


def test_b8_a_mailbox_is_kept_closed_by_imap(mail):
    code, _, said = curl_mail(mail.client, "imaps://%s:993/Closed;MAILINDEX=1" % WEB_NAME, certificate=mail.certificate)
    assert code != 0, said
    assert mail.appliance.wait_record("block", signature_id=143)["ssl_server"] == "imap"


def test_b8_a_worm_in_the_mailbox_is_not_shown_by_pop3(mail):
    put_mail(mail.topology, "Subject: old worm\n\n%s X-WORM-7\n" % base64.b64encode(os.urandom(40000)).decode(), name="2")
    numbers = curl_mail(mail.client, "pop3s://%s:995/" % WEB_NAME, certificate=mail.certificate)[1].split(b"\r\n")
    largest = max((line.split() for line in numbers if line), key=lambda words: int(words[1]))[0].decode()
    code, body, said = curl_mail(mail.client, "pop3s://%s:995/%s" % (WEB_NAME, largest), certificate=mail.certificate)
    assert code != 0 and b"X-WORM-7" not in body, said
    assert mail.appliance.wait_record("block", signature_id=110)["ssl_server"] == "pop3"
