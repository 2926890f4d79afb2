# SPDX-License-Identifier: Apache-2.0
"""C3: IMAP, POP3 and SMTP inside TLS: rules for ports 143, 110 and 25 act whatever the detection port is; STARTTLS inside TLS.
Clients are curl's imaps, pop3s and smtps."""
import email.message
import email.policy
import re

import pytest

from lab.appliance import configuration, ssl_server
from lab.clients import RawTls, client_context, outcome_of, tcp_connect
from lab.namespace import wait_until
from lab.peers import TlsServer

PORTS = {"smtp": 9100, "imap": 9200, "pop3": 9300, "any": 9400}


def rule(sid, port, way, text, action="drop", protocol="tcp"):
    head = "any any -> any %d" % port if way == "to_server" else "any %d -> any any" % port
    return '%s %s %s (msg:"%s"; flow:established,%s; content:"%s"; nocase; sid:%d; rev:1;)\n' % (action, protocol, head, text, way, text, sid)


FILTERS = rule(9025, 25, "to_server", "RCPT TO|3a|<root@") + rule(9026, 25, "to_server", "Subject|3a| virus") \
    + rule(9143, 143, "to_server", "SELECT secret") + rule(9144, 143, "to_client", "CLASSIFIED-MAIL") \
    + rule(9110, 110, "to_server", "RETR 666") + rule(9111, 110, "to_client", "POISON-MAIL") \
    + 'drop smtp any any -> any 25 (msg:"attached"; flow:established,to_server; file.data; content:"MZ"; startswith; ' \
      'content:"NEVER-RUN-THIS"; distance:20; sid:9030; rev:1;)\n' \
    + "".join('drop %s any %d -> any any (msg:"fetched"; flow:established,to_client; file.data; content:"NEVER-RUN-THIS"; sid:%d; rev:1;)\n'
              % (protocol, port, sid) for protocol, port, sid in (("tcp", 143, 9145), ("pop3", 110, 9112))) \
    + rule(9001, 25, "to_server", "noted", "alert", "smtp") + rule(9002, 143, "to_server", "noop", "alert", "imap")


def document(topology, policy="bypass"):
    servers = [ssl_server(name, ["%d-%d" % (port, port + 9)], service=name) for name, port in PORTS.items()]
    return dict({"exception_policies": {"mail_starttls": policy}}, **configuration(topology, servers=servers))


@pytest.fixture(scope="module")
def mail_lab(request):
    from lab.laboratory import Laboratory
    option = request.config.getoption
    with Laboratory(option("--device"), option("--bin-dir"), document=document, filters=FILTERS) as laboratory:
        yield laboratory


def message_with(attachment, transfer_encoding="base64"):
    """a mail as a mail program makes it, with the file inside of a multipart inside of a multipart"""
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    mail["From"], mail["To"], mail["Subject"] = "a@example.test", "b@example.test", "with a file"
    mail.set_content("see below\n")
    mail.add_alternative("<p>see below</p>\n", subtype="html")
    mail.add_attachment(attachment, "application", "octet-stream", filename="setup.exe", cte=transfer_encoding)
    return mail.as_bytes()


EVIL_FILE = b"MZ" + bytes(range(200)) + b"NEVER-RUN-THIS" + bytes(5000)


def lines(connection, greeting):
    """each line that the client sends, after the greeting"""
    connection.sendall(greeting)
    pending = b""
    while part := connection.recv(65536):
        pending += part
        while b"\r\n" in pending:
            line, _, pending = pending.partition(b"\r\n")
            yield line


def smtp(connection):
    seen, in_data = [], False
    for line in lines(connection, b"220 mail.example.test ESMTP\r\n"):
        seen.append(line)
        word = line.split(b" ")[0].upper()
        if in_data:
            in_data = line != b"."
            if not in_data:
                connection.sendall(b"250 queued\r\n")
        elif word == b"DATA":
            in_data = True
            connection.sendall(b"354 go on\r\n")
        elif word == b"STARTTLS":
            connection.sendall(b"220 ready\r\n")
        elif word == b"QUIT":
            connection.sendall(b"221 bye\r\n")
            break
        else:
            connection.sendall(b"250 ok\r\n")
    return b"\n".join(seen)


def imap(connection):
    seen = []
    for line in lines(connection, b"* OK ready\r\n"):
        seen.append(line)
        tag, word = line.split(b" ")[0], line.split(b" ")[1].upper()
        if word == b"CAPABILITY":
            connection.sendall(b"* CAPABILITY IMAP4rev1\r\n")
        if word == b"SELECT":
            connection.sendall(b"* 2 EXISTS\r\n")
        if word == b"FETCH":
            body = b"Subject: hi\r\n\r\n" + (b"CLASSIFIED-MAIL" if b" 2 " in line else b"harmless") + b"\r\n"
            body = message_with(EVIL_FILE if b" 4 " in line else EVIL_FILE[1000:]) if b" 3 " in line or b" 4 " in line else body
            connection.sendall(b"* 1 FETCH (BODY[] {%d}\r\n%s)\r\n" % (len(body), body))
        if word == b"LOGOUT":
            connection.sendall(b"* BYE\r\n")
        connection.sendall(tag + b" OK done\r\n")
    return b"\n".join(seen)


def pop3(connection):
    seen = []
    for line in lines(connection, b"+OK ready\r\n"):
        seen.append(line)
        word = line.split(b" ")[0].upper()
        if word == b"CAPA":
            connection.sendall(b"+OK\r\nUSER\r\n.\r\n")
        elif word == b"RETR" and line[-1:] in b"34":
            connection.sendall(b"+OK\r\n" + message_with(EVIL_FILE if line.endswith(b"4") else EVIL_FILE[1000:], "quoted-printable") + b".\r\n")
        elif word == b"RETR":
            connection.sendall(b"+OK\r\nSubject: hi\r\n\r\n%s\r\n.\r\n" % (b"POISON-MAIL" if line.endswith(b" 2") else b"harmless"))
        else:
            connection.sendall(b"+OK\r\n")
    return b"\n".join(seen)


def curl(lab, service, handler, path, *options):
    with TlsServer(lab.topology, PORTS[service], lab.certificate, handler) as server:
        answer = lab.curl(path, *options, scheme=service + "s", port=PORTS[service])
        wait_until(lambda: server.results or server.errors, 5, "the server's end")
    return answer, b"".join(server.results)


def send_mail(lab, recipient, subject):
    path = lab.topology.path("mail.txt")
    with open(path, "w") as out:
        out.write("From: a@example.test\r\nSubject: %s\r\n\r\nSTARTTLS\r\nnoted.\r\n" % subject)
    return curl(lab, "smtp", smtp, "", "--mail-from", "a@example.test", "--mail-rcpt", recipient, "-T", path)


@pytest.mark.quick
def test_c3_smtp_rules_for_port_25(mail_lab):
    answer, seen = send_mail(mail_lab, "b@example.test", "hello")
    assert answer.exit == 0 and b"Subject: hello" in seen, answer
    assert mail_lab.appliance.wait_record("alert", signature_id=9001)["dest_port"] == 9100
    answer, seen = send_mail(mail_lab, "root@example.test", "hello")
    assert answer.exit != 0 and b"root@" not in seen
    answer, seen = send_mail(mail_lab, "b@example.test", "virus")
    assert answer.exit != 0 and b"Subject: virus" not in seen
    assert mail_lab.appliance.wait_record("block", signature_id=9026)["ssl_server"] == "smtp"
    assert mail_lab.appliance.counters()["inspect_mail_starttls"] == 0, "STARTTLS in a message is no command"


@pytest.mark.quick
def test_c3_imap_rules_for_port_143(mail_lab):
    answer, _ = curl(mail_lab, "imap", imap, "/INBOX;MAILINDEX=1", "-u", "user:word")
    assert answer.exit == 0 and b"harmless" in answer.body, answer
    answer, seen = curl(mail_lab, "imap", imap, "/secret;MAILINDEX=1", "-u", "user:word")
    assert answer.exit != 0 and b"secret" not in seen
    answer, _ = curl(mail_lab, "imap", imap, "/INBOX;MAILINDEX=2", "-u", "user:word")
    assert b"CLASSIFIED-MAIL" not in answer.body
    assert mail_lab.appliance.wait_record("block", signature_id=9144)["direction"] == "to_client"
    curl(mail_lab, "imap", imap, "/", "-u", "user:word", "-X", "NOOP")
    mail_lab.appliance.wait_record("alert", signature_id=9002)


@pytest.mark.quick
def test_c3_pop3_rules_for_port_110(mail_lab):
    answer, _ = curl(mail_lab, "pop3", pop3, "/1", "-u", "user:word")
    assert answer.exit == 0 and b"harmless" in answer.body, answer
    answer, seen = curl(mail_lab, "pop3", pop3, "/666", "-u", "user:word")
    assert answer.exit != 0 and not re.search(rb"RETR 666", seen)
    answer, _ = curl(mail_lab, "pop3", pop3, "/2", "-u", "user:word")
    assert b"POISON-MAIL" not in answer.body
    mail_lab.appliance.wait_record("block", signature_id=9111)


@pytest.mark.quick
@pytest.mark.parametrize("transfer_encoding", ["base64", "quoted-printable"])
def test_c3_attachments_that_are_sent(mail_lab, transfer_encoding):
    path = mail_lab.topology.path("mail.txt")

    def send(attachment):
        with open(path, "wb") as out:
            out.write(message_with(attachment, transfer_encoding))
        return curl(mail_lab, "smtp", smtp, "", "--mail-from", "a@example.test", "--mail-rcpt", "b@example.test", "-T", path)
    answer, seen = send(EVIL_FILE[2:])
    assert answer.exit == 0 and b"setup.exe" in seen, answer
    def blocked():
        return sum(record["signature_id"] == 9030 for record in mail_lab.appliance.records("block"))
    before = blocked()
    answer, seen = send(EVIL_FILE)
    assert answer.exit != 0
    sent = seen.rpartition(b"setup.exe")[2].partition(b"\n\n")[2].replace(b"\n", b"")
    if transfer_encoding == "base64":
        assert len(sent) < 4 * (EVIL_FILE.index(b"NEVER-RUN-THIS") + 14) / 3
    assert b"NEVER-RUN-THIS" not in sent
    wait_until(lambda: blocked() > before, 10, "the record")


@pytest.mark.quick
@pytest.mark.parametrize("service,handler,path,sid", [("imap", imap, "/INBOX;MAILINDEX=%d", 9145), ("pop3", pop3, "/%d", 9112)])
def test_c3_attachments_that_are_fetched(mail_lab, service, handler, path, sid):
    answer, _ = curl(mail_lab, service, handler, path % 3, "-u", "user:word")
    assert answer.exit == 0 and b"setup.exe" in answer.body, answer
    answer, _ = curl(mail_lab, service, handler, path % 4, "-u", "user:word")
    assert b"NEVER-RUN-THIS" not in answer.body and answer.exit != 0
    assert mail_lab.appliance.wait_record("block", signature_id=sid)["direction"] == "to_client"


def test_c3_rules_of_one_service_do_not_act_on_another(mail_lab):
    with TlsServer(mail_lab.topology, PORTS["pop3"] + 1, mail_lab.certificate, pop3) as server:
        raw = RawTls(tcp_connect(mail_lab.client, PORTS["pop3"] + 1), client_context(mail_lab.certificate)).handshake()
        raw.sendall(b"SELECT secret\r\nRCPT TO:<root@x>\r\nQUIT\r\n")
        replies = b""
        while replies.count(b"+OK") < 4:
            replies += raw.recv(65536)
        raw.close()
        wait_until(lambda: server.results or server.errors, 5, "the server's end")
    assert b"SELECT secret" in b"".join(server.results)


@pytest.mark.parametrize("policy", ["bypass", "block"])
@pytest.mark.parametrize("service,handler,command", [("smtp", smtp, b"STARTTLS\r\n"), ("imap", imap, b"a STARTTLS\r\n"), ("pop3", pop3, b"STLS\r\n")])
def test_c3_starttls_inside_tls_is_counted_or_refused(fresh_lab, policy, service, handler, command):
    lab = fresh_lab(document=lambda t: document(t, policy), filters=FILTERS)
    with TlsServer(lab.topology, PORTS[service], lab.certificate, handler) as server:
        raw = RawTls(tcp_connect(lab.client, PORTS[service]), client_context(lab.certificate)).handshake()

        def talk():
            raw.recv(100)
            raw.sendall(command)
            if not raw.recv(100):
                raise ConnectionResetError("closed")
        outcome, _ = outcome_of(talk)
        raw.close()
        wait_until(lambda: server.results or server.errors, 5, "the server's end")
    assert (outcome == "ok") == (policy == "bypass"), outcome
    lab.appliance.wait_counter("inspect_mail_starttls", 1)
    assert (command.strip() in b"".join(server.results)) == (policy == "bypass")
    if policy == "block":
        assert "mail_starttls" in lab.appliance.wait_record("block", signature_id=0)["signature"]
