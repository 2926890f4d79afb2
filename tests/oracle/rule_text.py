# SPDX-License-Identifier: Apache-2.0
"""Reads rules (the Suricata language) into conditions: a reading of its own, so that a mistake of the engine's parser is
not repeated here. What it does not know raises Unknown, and the rule is not used."""
import re

# buffer, spellings as a sticky keyword, spelling as a modifier of the content before it, pcre flag
BUFFERS = [
    ("http.method", ("http.method",), "http_method", "M"), ("http.uri", ("http.uri",), "http_uri", "U"),
    ("http.uri.raw", ("http.uri.raw",), "http_raw_uri", "I"), ("http.request_line", ("http.request_line", "http_request_line"), None, None),
    ("http.host", ("http.host",), "http_host", "W"), ("http.host.raw", ("http.host.raw",), "http_raw_host", "Z"),
    ("http.user_agent", ("http.user_agent",), "http_user_agent", "V"), ("http.referer", ("http.referer", "http_referer"), None, None),
    ("http.accept", ("http.accept", "http_accept"), None, None), ("http.accept_enc", ("http.accept_enc", "http_accept_enc"), None, None),
    ("http.accept_lang", ("http.accept_lang", "http_accept_lang"), None, None),
    ("http.stat_code", ("http.stat_code",), "http_stat_code", "S"), ("http.stat_msg", ("http.stat_msg",), "http_stat_msg", "Y"),
    ("http.location", ("http.location",), None, None), ("http.server", ("http.server",), None, None),
    ("http.protocol", ("http.protocol", "http_protocol"), None, None),
    ("http.header_names", ("http.header_names", "http_header_names"), None, None),
    ("http.connection", ("http.connection", "http_connection"), None, None),
    ("http.content_len", ("http.content_len", "http_content_len"), None, None),
    ("http.content_type", ("http.content_type", "http_content_type"), None, None),
    ("http.cookie", ("http.cookie",), "http_cookie", "C"), ("http.header", ("http.header",), "http_header", "H"),
    ("http.header.raw", ("http.header.raw",), "http_raw_header", "D"), ("http.start", ("http.start", "http_start"), None, None),
    ("http.request_body", ("http.request_body",), "http_client_body", "P"),
    ("file.data", ("file.data", "file_data"), None, None), ("http.response_body", ("http.response_body",), "http_server_body", "Q"),
    ("pkt_data", ("pkt_data",), None, None),
]
STICKY = {word: name for name, words, _, _ in BUFFERS for word in words}
MODIFIER = {old: name for name, _, old, _ in BUFFERS if old}
PCRE_FLAG = {flag: name for name, _, _, flag in BUFFERS if flag}
SAYS_NOTHING = {"msg", "reference", "classtype", "rev", "metadata", "priority", "target", "gid", "tag", "fast_pattern", "rawbytes", "noalert"}
RESPONSE_BUFFERS = {"http.stat_code", "http.stat_msg", "http.location", "http.server", "http.response_body"}
REQUEST_BUFFERS = {"http.method", "http.uri", "http.uri.raw", "http.request_line", "http.host", "http.host.raw", "http.user_agent", "http.referer",
                   "http.accept", "http.accept_enc", "http.accept_lang", "http.request_body"}


class Unknown(Exception):
    """something that this reading does not know"""


class Content:
    def __init__(self, buffer, data, negated=False):
        self.buffer, self.data, self.negated = buffer, data, negated
        self.nocase = self.starts = self.ends = False
        self.offset = self.depth = self.distance = self.within = None

    @property
    def relative(self):
        return self.distance is not None or self.within is not None


class Pcre:
    def __init__(self, buffer, pattern, flags, relative, negated=False):
        self.buffer, self.pattern, self.flags, self.relative, self.negated = buffer, pattern, flags, relative, negated
        if b"{," in pattern:
            raise Unknown("pcre: {,n} is text for PCRE2, a repetition here")
        try:
            self.compiled = re.compile(pattern, flags)
        except (re.error, OverflowError) as error:
            raise Unknown("pcre: %s" % error) from error


class IsDataAt:
    def __init__(self, buffer, count, relative, negated):
        self.buffer, self.count, self.relative, self.negated = buffer, count, relative, negated


class Size:
    def __init__(self, buffer, test, low, high=0):
        self.buffer, self.test, self.low, self.high = buffer, test, low, high
        self.negated = self.relative = False

    def holds(self, n):
        return {"=": n == self.low, "!": n != self.low, "<": n < self.low, ">": n > self.low, "<=": n <= self.low, ">=": n >= self.low,
                "<>": self.low < n < self.high}[self.test]


class Rule:
    def __init__(self, text):
        self.text = text
        head = re.match(r"\s*(\w+)\s+(\S+)\s+(\[[^\]]*\]|\S+)\s+(\[[^\]]*\]|\S+)\s+(->|<>)\s+(\[[^\]]*\]|\S+)\s+(\[[^\]]*\]|\S+)\s*\(", text)
        if not head:
            raise Unknown("head")
        self.protocol = head.group(2)
        self.conditions, self.sid, self.to_client, self.to_server = [], 0, False, False
        self._buffer = "pkt_data"
        for name, value in _options(text[head.end():].rstrip().removesuffix(")")):
            self._option(name, value)
        for buffer in {c.buffer for c in self.conditions}:
            self.to_client |= buffer in RESPONSE_BUFFERS
            self.to_server |= buffer in REQUEST_BUFFERS
        if self.to_client and self.to_server:
            raise Unknown("both directions")
        for condition in self.conditions:  # of responses they are one buffer
            if self.to_client and condition.buffer == "http.response_body":
                condition.buffer = "file.data"

    def _option(self, name, value):
        if name == "content":
            negated, quoted = value.startswith("!"), value.removeprefix("!").strip()
            self.conditions.append(Content(self._buffer, _bytes(quoted), negated))
        elif name == "pcre":
            self._pcre(value)
        elif name in STICKY and not value:
            self._buffer = STICKY[name]
        elif name in MODIFIER and not value:
            self._last_content().buffer = MODIFIER[name]
        elif name in ("offset", "depth", "distance", "within"):
            setattr(self._last_content(), name, _number(value))
        elif name in ("nocase", "startswith", "endswith"):
            setattr(self._last_content(), {"nocase": "nocase", "startswith": "starts", "endswith": "ends"}[name], True)
        elif name == "isdataat":
            self._isdataat(value)
        elif name in ("bsize", "urilen"):
            self._size(name, value)
        elif name == "flow":
            self._flow(value)
        elif name == "sid":
            self.sid = _number(value)
        elif name == "flowbits" and value.split(",")[0].strip() in ("set", "noalert", "unset"):
            if "noalert" in value:
                raise Unknown("noalert")
        elif name not in SAYS_NOTHING or name == "noalert":
            raise Unknown(name)

    def _last_content(self):
        return next(c for c in reversed(self.conditions) if isinstance(c, Content))

    def _flow(self, value):
        words = [word.strip() for word in value.split(",")]
        self.to_client |= "to_client" in words or "from_server" in words
        self.to_server |= "to_server" in words or "from_client" in words

    def _pcre(self, value):
        negated = value.startswith("!")
        text = value.removeprefix("!").strip()[1:-1]
        body, _, letters = text[1:].rpartition("/")
        buffer, flags, relative = self._buffer, 0, False
        for letter in letters:
            if letter in "ismx":
                flags |= {"i": re.I, "s": re.S, "m": re.M, "x": re.X}[letter]
            elif letter == "R":
                relative = True
            elif letter in PCRE_FLAG:
                buffer = PCRE_FLAG[letter]
            elif letter != "O":
                raise Unknown("pcre flag " + letter)
        self.conditions.append(Pcre(buffer, body.encode("latin-1"), flags, relative, negated))

    def _isdataat(self, value):
        negated = value.startswith("!")
        words = [word.strip() for word in value.removeprefix("!").split(",")]
        self.conditions.append(IsDataAt(self._buffer, _number(words[0]), "relative" in words, negated))

    def _size(self, name, value):
        words = [word.strip() for word in value.split(",")]
        buffer = self._buffer if name == "bsize" else "http.uri.raw" if "raw" in words else "http.uri"
        between = re.fullmatch(r"(\d+)<>(\d+)", words[0])
        plain = re.fullmatch(r"(<=|>=|<|>|=|!)?\s*(\d+)", words[0])
        if between:
            self.conditions.append(Size(buffer, "<>", int(between.group(1)), int(between.group(2))))
        elif plain:
            self.conditions.append(Size(buffer, plain.group(1) or "=", int(plain.group(2))))
        else:
            raise Unknown("size")


def _options(text):
    for option in re.findall(r"(?:\\.|[^;\\])+", text):
        name, _, value = option.strip().partition(":")
        if name:
            yield name.strip(), value.strip()


def _number(text):
    try:
        return int(text, 0)
    except ValueError as error:
        raise Unknown("number " + text) from error


def _bytes(quoted):
    out, inside = bytearray(), False
    for part in re.findall(r"\||\\.|[^|\\]+", quoted[1:-1]):
        if part == "|":
            inside = not inside
        elif inside:
            out += bytes.fromhex(part)
        else:
            out += (part[1:] if part.startswith("\\") else part).encode("latin-1")
    return bytes(out)


def read(lines):
    """the rules that can be used, and for each of the others why not"""
    rules, unknown = [], []
    for line in lines:
        if line.startswith("#") or "sid:" not in line:
            continue
        try:
            rules.append(Rule(line.strip()))
        except (Unknown, ValueError, AttributeError, IndexError, StopIteration) as error:
            unknown.append((line, str(error)))
    return rules, unknown
