# SPDX-License-Identifier: Apache-2.0
"""Dovecot and Postfix as they come, in the server's namespace, with everything of theirs in the laboratory's directory: what
Postfix takes for USER, Dovecot shows by IMAP and POP3."""
import os
import subprocess

from .clients import WEB_NAME
from .namespace import run, stop_process, wait_until
from .peers import is_listening

USER, PASSWORD = "anna", "open-sesame"
ADDRESS = USER + "@example.test"
OWNER = 8  # Debian's user and group `mail`: whose the mailboxes are

DOVECOT_CONF = """
base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/log
info_log_path = {dir}/log
protocols = imap pop3
listen = 0.0.0.0
ssl = required
ssl_cert = <{crt}
ssl_key = <{key}
ssl_min_protocol = {min_protocol}
ssl_cipher_list = ALL:@SECLEVEL=0
ssl_prefer_server_ciphers = no
mail_location = maildir:{maildir}
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = 1
first_valid_gid = 1
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={maildir}
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
{extra}
"""

POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
myhostname = mail.example.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = all
inet_protocols = ipv4
smtpd_peername_lookup = no
smtpd_tls_cert_file = {crt}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtpd_recipient_restrictions = reject_unauth_destination
virtual_mailbox_domains = example.test
virtual_mailbox_base = /
virtual_mailbox_maps = static:{maildir}/
virtual_minimum_uid = 1
virtual_uid_maps = static:{owner}
virtual_gid_maps = static:{owner}
local_recipient_maps =
alias_maps =
{extra}
"""

# service, type, private, unprivileged, chroot, wake-up, limit, command
POSTFIX_MASTER = """
{smtp} inet n - n - - smtpd
{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_security_level=encrypt
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def maildir_of(topology):
    """where Postfix delivers and Dovecot reads; made at the first call"""
    path = topology.path("maildir")
    for sub in "cur", "new", "tmp":
        os.makedirs(os.path.join(path, sub), exist_ok=True)
    for each in path, *(os.path.join(path, sub) for sub in os.listdir(path)):
        os.chown(each, OWNER, OWNER)
    return path


def put_mail(topology, text, name="1"):
    """a message in the mailbox as if it had been delivered"""
    path = os.path.join(maildir_of(topology), "new", name)
    with open(path, "wb") as out:
        out.write(text.replace("\n", "\r\n").encode() if isinstance(text, str) else text)
    os.chown(path, OWNER, OWNER)


class _Daemon:
    """A program in the foreground with its own directory and log"""

    def __init__(self, topology, certificate, name, ports, extra=""):
        self.topology, self.certificate, self.ports, self.extra = topology, certificate, ports, extra
        self.namespace, self.name = topology.server, name
        self.directory = topology.path(name)

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def words(self, **more):
        return dict(self.ports, dir=self.directory, crt=self.certificate.certificate, key=self.certificate.key, owner=OWNER,
                    maildir=maildir_of(self.topology), extra=self.extra, **more)

    def log(self):
        try:
            with open(os.path.join(self.directory, "log"), errors="replace") as text:
                return text.read()
        except FileNotFoundError:
            return ""

    def run_in_foreground(self, *command):
        self.process = self.namespace.popen(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: self.process.poll() is not None or all(is_listening(self.namespace, port) for port in self.ports.values()), 20,
                   self.name + " to listen")
        if self.process.poll() is not None:
            raise RuntimeError("%s ended at once:\n%s" % (self.name, self.log()))
        return self

    def __exit__(self, *unused):
        stop_process(self.process)


class Dovecot(_Daemon):
    """IMAP and POP3, in the clear with STARTTLS and in TLS"""

    def __init__(self, topology, certificate, imap=143, imaps=993, pop3=110, pop3s=995, min_protocol="TLSv1.2", extra=""):
        super().__init__(topology, certificate, "dovecot", dict(imap=imap, imaps=imaps, pop3=pop3, pop3s=pop3s), extra)
        self.min_protocol = min_protocol

    def __enter__(self):
        os.makedirs(self.directory, exist_ok=True)
        conf = self.write("dovecot.conf", DOVECOT_CONF.format(**self.words(password=PASSWORD, min_protocol=self.min_protocol)))
        return self.run_in_foreground("dovecot", "-F", "-c", conf)


class Postfix(_Daemon):
    """SMTP in the clear with STARTTLS and in TLS; takes mail for @example.test and delivers it into the mailbox"""

    def __init__(self, topology, certificate, smtp=25, smtps=465, extra=""):
        super().__init__(topology, certificate, "postfix", dict(smtp=smtp, smtps=smtps), extra)

    def __enter__(self):
        for sub in "", "queue", "data", "conf":
            os.makedirs(os.path.join(self.directory, sub), exist_ok=True)
        run("chown", "postfix", os.path.join(self.directory, "data"))
        self.write("conf/main.cf", POSTFIX_MAIN.format(**self.words()))
        self.write("conf/master.cf", POSTFIX_MASTER.format(**self.words()))
        conf = os.path.join(self.directory, "conf")
        run("postfix", "-c", conf, "check", check=False)  # makes what is missing in the queue's directory
        return self.run_in_foreground("/usr/lib/postfix/sbin/master", "-d", "-c", conf)


def curl_mail(namespace, url, *options, data=None, certificate=None, login=True, timeout=15):
    """curl with an imaps, pop3s, smtps, imap … URL of WEB_NAME: (exit code, body, what it said)"""
    from .topology import SERVER_IP
    port = url.split(":")[2].split("/")[0]
    command = ["curl", "-sS", "--max-time", str(timeout), "--resolve", "%s:%s:%s" % (WEB_NAME, port, SERVER_IP), "-v"]
    if certificate:
        command += ["--cacert", certificate.certificate]
    if login:
        command += ["--user", "%s:%s" % (USER, PASSWORD)]
    with namespace:
        done = subprocess.run([*command, *options, url], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout + 5)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")
