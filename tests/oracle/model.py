# SPDX-License-Identifier: Apache-2.0
"""What a rule says about an HTTP message, by the plainest reading of the language: slow, short, and written without a look
at the engine. A third opinion beside the engine's and Suricata's."""
from rule_text import Content, IsDataAt, Pcre, Size

HEADER_BUFFERS = {"http.user_agent": "User-Agent", "http.referer": "Referer", "http.accept": "Accept", "http.accept_enc": "Accept-Encoding",
                  "http.accept_lang": "Accept-Language", "http.connection": "Connection", "http.content_len": "Content-Length",
                  "http.content_type": "Content-Type", "http.location": "Location", "http.server": "Server"}


class Message:
    """a request (start line: method, uri, protocol) or a response (protocol, code, text)"""

    def __init__(self, start, fields, body=b"", response=False):
        self.start, self.fields, self.body, self.response = list(start), list(fields), body, response

    def bytes(self):
        return b" ".join(self.start) + b"\r\n" + self._lines() + b"\r\n" + self.body

    def _lines(self, but=()):
        return b"".join(name + b": " + value + b"\r\n" for name, value in self.fields if name.lower() not in but)

    def field(self, name):
        values = [value for key, value in self.fields if key.lower() == name.lower().encode()]
        return b", ".join(values) if values else None

    def buffers(self):
        found = {"pkt_data": self.bytes(), "http.header": self._lines((b"cookie", b"set-cookie")) or None,
                 "http.header.raw": self._lines() + b"\r\n", "http.start": b" ".join(self.start) + b"\r\n" + self._lines() + b"\r\n",
                 "http.header_names": b"\r\n" + b"".join(name + b"\r\n" for name, _ in self.fields) + b"\r\n" if self.fields else None,
                 "http.cookie": self.field("Set-Cookie" if self.response else "Cookie")}
        found.update((buffer, self.field(name)) for buffer, name in HEADER_BUFFERS.items())
        if self.response:
            found.update({"http.protocol": self.start[0], "http.stat_code": self.start[1], "http.stat_msg": self.start[2] or None,
                          "http.response_body": self.body or None, "file.data": self.body or None})
        else:
            host = (self.field("Host") or b"").rpartition(b":")[0] or self.field("Host")
            found.update({"http.method": self.start[0], "http.uri": self.start[1], "http.uri.raw": self.start[1], "http.protocol": self.start[2],
                          "http.request_line": b" ".join(self.start), "http.host": host and host.lower(), "http.host.raw": host,
                          "http.request_body": self.body or None, "file.data": self.body or None})
        return found


def matches(rule, message):
    buffers = message.buffers()
    order = dict.fromkeys(c.buffer for c in rule.conditions)
    return all(_group(buffers.get(buffer), [c for c in rule.conditions if c.buffer == buffer]) for buffer in order)


def _group(data, conditions):
    return data is not None and _from(data, conditions, 0, 0)


def _from(data, conditions, index, at):
    """the conditions from index on, the one before having matched up to at"""
    if index == len(conditions):
        return True
    condition = conditions[index]
    if isinstance(condition, Size):
        return condition.holds(len(data)) and _from(data, conditions, index + 1, at)
    if isinstance(condition, IsDataAt):
        there = at + condition.count <= len(data) if condition.relative else condition.count < len(data)
        return there != condition.negated and _from(data, conditions, index + 1, at)
    ends = _ends(data, condition, at)
    if condition.negated:
        return next(ends, None) is None and _from(data, conditions, index + 1, at)
    return any(_from(data, conditions, index + 1, end) for end in ends)


def _ends(data, condition, at):
    """where the condition can match, as the places after it"""
    if isinstance(condition, Pcre):
        start = at if condition.relative else 0
        for found in condition.compiled.finditer(data[start:]):
            yield start + found.end()
        return
    assert isinstance(condition, Content)
    low, high = (at + (condition.distance or 0), len(data)) if condition.relative else (0, len(data))
    if condition.within is not None:
        high = min(high, low + condition.within)
    low = max(low, condition.offset or 0, 0)
    if condition.depth is not None:
        high = min(high, (condition.offset or 0) + condition.depth)
    if condition.starts:
        high = min(high, len(condition.data))
    if condition.ends:
        if high < len(data):
            return
        low = max(low, len(data) - len(condition.data))
    hay, needle = (data.lower(), condition.data.lower()) if condition.nocase else (data, condition.data)
    while (found := hay.find(needle, low, high)) >= 0:
        yield found + len(needle)
        low = found + 1
