# SPDX-License-Identifier: Apache-2.0
"""C3: attachments on their way to Postfix and out of Dovecot, as a real mail client (Python's smtplib, imaplib, poplib) and these servers
write and cut them."""
import json

import pytest

from lab.appliance import configuration, ssl_server
from lab.laboratory import Laboratory
from lab.mail import ADDRESS, PASSWORD, USER, Dovecot, Postfix, maildir_of, put_mail
from lab.namespace import wait_until
from lab.topology import SERVER_IP
from test_c3_mail import EVIL_FILE, message_with

FILE = 'file.data; content:"MZ"; startswith; content:"NEVER-RUN-THIS"; distance:20;'
FILTERS = 'drop smtp any any -> any 25 (msg:"sent"; flow:established,to_server; %s sid:25; rev:1;)\n' % FILE \
    + 'drop imap any 143 -> any any (msg:"read by IMAP"; flow:established,to_client; %s sid:143; rev:1;)\n' % FILE \
    + 'drop pop3 any 110 -> any any (msg:"read by POP3"; flow:established,to_client; %s sid:110; rev:1;)\n' % FILE

CLIENT = """
import imaplib, json, poplib, smtplib, ssl, sys
what, address, user, password, argument = sys.argv[1:]
context = ssl._create_unverified_context()
try:
    if what == "smtp":
        with smtplib.SMTP_SSL(address, 465, context=context, timeout=20) as client:
            client.sendmail("bert@example.org", [user], open(argument, "rb").read())
        got = "sent"
    elif what == "imap":
        client = imaplib.IMAP4_SSL(address, 993, ssl_context=context, timeout=20)
        client.login(user, password)
        client.select("INBOX", readonly=True)
        got = client.fetch("1:*", argument)[1]
        got = b"".join(b"".join(part) if isinstance(part, tuple) else part for part in got).decode("latin-1")
        client.logout()
    else:
        client = poplib.POP3_SSL(address, 995, context=context, timeout=20)
        client.user(user)
        client.pass_(password)
        got = "\\n".join(line.decode("latin-1") for line in client.retr(int(argument))[1])
        client.quit()
    print(json.dumps([None, got]))
except Exception as error:
    print(json.dumps([type(error).__name__, ""]))
"""


def document(topology):
    return configuration(topology, servers=[ssl_server("imap", ["993"], service="imap"), ssl_server("pop3", ["995"], service="pop3"),
                                            ssl_server("smtp", ["465"], service="smtp")])


@pytest.fixture(scope="module")
def mail(request):
    option = request.config.getoption
    with Laboratory(option("--device"), option("--bin-dir"), document=document, filters=FILTERS) as lab:
        maildir_of(lab.topology)
        with Dovecot(lab.topology, lab.certificate) as lab.dovecot, Postfix(lab.topology, lab.certificate) as lab.postfix:
            yield lab


def talk(lab, what, argument, user=USER):
    command = ["/usr/bin/python3", "-c", CLIENT, what, SERVER_IP, user, PASSWORD, argument]
    return json.loads(lab.client.run(*command, timeout=60).stdout)


@pytest.mark.quick
def test_c3_attachments_through_postfix_and_dovecot(mail):
    path = mail.topology.path("attached.eml")

    def send(attachment):
        with open(path, "wb") as out:
            out.write(message_with(attachment))
        return talk(mail, "smtp", path, ADDRESS)
    assert send(EVIL_FILE)[0], "the attachment is decoded on its way to Postfix"
    record = mail.appliance.wait_record("block", signature_id=25)
    assert record["ssl_server"] == "smtp" and record["direction"] == "to_server"
    assert send(EVIL_FILE[2:]) == [None, "sent"], "a file that does not begin so"

    def mailbox():
        error, got = talk(mail, "imap", "(RFC822)")
        assert error is None
        return got
    assert "setup.exe" in wait_until(mailbox, 10, "the mail to be delivered")
    put_mail(mail.topology, message_with(EVIL_FILE), "2")
    assert talk(mail, "imap", "(BODY.PEEK[])")[0] and mail.appliance.wait_record("block", signature_id=143)["direction"] == "to_client"
    before = len(mail.appliance.records("block"))
    assert talk(mail, "imap", "(BODY.PEEK[2])")[0], "the part alone, without the header that says how it is encoded"
    wait_until(lambda: len(mail.appliance.records("block")) > before, 10, "the record")
    outcomes = [talk(mail, "pop3", number) for number in ("1", "2")]
    assert sorted(error is None for error, _ in outcomes) == [False, True] and mail.appliance.wait_record("block", signature_id=110)
