# SPDX-License-Identifier: Apache-2.0
"""From a rule a message that it matches, and near misses: messages made from a rule that differs in one thing (order,
offset, distance, negation, case, a byte). What the model does not confirm is thrown away."""
import copy
import random
import re
import re._constants as sre
import re._parser as sre_parser

from model import HEADER_BUFFERS, Message, matches
from rule_text import Content, IsDataAt, Pcre, Size, Unknown

FILL = b"q"
BODIES = ("http.request_body", "http.response_body", "file.data")


# --- a text that a regular expression matches -------------------------------------------------------------------------
def sample(pcre, rng):
    return _sample(sre_parser.parse(pcre.pattern.decode("latin-1"), pcre.flags), rng, {})


def _sample(items, rng, groups):
    return b"".join(_sample_item(kind, argument, rng, groups) for kind, argument in items)


def _sample_item(kind, argument, rng, groups):
    if kind is sre.LITERAL:
        return bytes([argument])
    if kind is sre.NOT_LITERAL:
        return b"r" if argument != ord("r") else b"s"
    if kind is sre.ANY:
        return b"a"
    if kind is sre.IN:
        return _sample_set(argument, rng)
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        low, high, inner = argument
        return b"".join(_sample(inner, rng, groups) for _ in range(min(max(low, rng.randint(0, 2)), high)))
    if kind is sre.SUBPATTERN:
        groups[argument[0]] = _sample(argument[3], rng, groups)
        return groups[argument[0]]
    if kind is sre.BRANCH:
        return _sample(rng.choice(argument[1]), rng, groups)
    if kind is sre.GROUPREF and argument in groups:
        return groups[argument]
    if kind in (sre.AT, sre.ASSERT_NOT):
        return b""
    raise Unknown("pcre item %s" % kind)


CATEGORIES = {sre.CATEGORY_DIGIT: b"0123456789", sre.CATEGORY_SPACE: b" ", sre.CATEGORY_WORD: b"abcxyz019_", sre.CATEGORY_NOT_SPACE: b"abc",
              sre.CATEGORY_NOT_DIGIT: b"abc", sre.CATEGORY_NOT_WORD: b"-+"}


def _sample_set(items, rng):
    negated = items[0][0] is sre.NEGATE
    allowed, found = set(), []
    for kind, argument in items[negated:]:
        if kind is sre.LITERAL:
            found = [argument]
        elif kind is sre.RANGE:
            found = range(argument[0], argument[1] + 1)
        elif kind is sre.CATEGORY:
            found = CATEGORIES[argument]
        else:
            raise Unknown("pcre set %s" % kind)
        allowed.update(found)
    if negated:
        allowed = set(b"abcdefghijklmnopqrstuvwxyz0123456789-_") - allowed
    plain = [c for c in sorted(allowed) if chr(c).isalnum()] or sorted(allowed)
    if not plain:
        raise Unknown("pcre set")
    return bytes([rng.choice(plain)])


# --- one buffer -------------------------------------------------------------------------------------------------------
def _chains(conditions):
    """runs of conditions each of which counts from the one before"""
    chains = []
    for condition in conditions:
        if isinstance(condition, Size) or (condition.negated and not isinstance(condition, IsDataAt)):
            continue
        if condition.relative and chains:
            chains[-1].append(condition)
        else:
            chains.append([condition])
    return chains


def _rank(chain):
    """what has to stand first, and what last"""
    first, last = chain[0], chain[-1]
    begins = isinstance(first, Content) and (first.starts or first.depth is not None)
    begins |= isinstance(first, Pcre) and first.pattern.startswith(b"^")
    ends = any(isinstance(c, Content) and c.ends or isinstance(c, IsDataAt) and c.negated for c in chain)
    ends |= isinstance(last, Pcre) and last.pattern.endswith(b"$")
    place = first.offset or 0 if isinstance(first, Content) else 0
    return (0 if begins else 2 if ends else 1, place if begins else 0)


def _lay(chain, out, rng):
    for condition in chain:
        if isinstance(condition, Content):
            gap = condition.distance or 0 if condition.relative else max((condition.offset or 0) - len(out), 0)
            if gap < 0:
                del out[len(out) + max(gap, -len(out)):]
                gap = 0
            out += FILL * gap + (_mix(condition.data, rng) if condition.nocase else condition.data)
        elif isinstance(condition, Pcre):
            out += sample(condition, rng)
        elif not condition.negated:
            out += FILL * (condition.count + 1 if condition.relative else max(condition.count + 1 - len(out), 0))


def _mix(data, rng):
    return bytes(ord(chr(c).swapcase()) if chr(c).isalpha() and c < 128 and rng.random() < 0.3 else c for c in data)


def _pad(out, conditions):
    for size in conditions:
        if isinstance(size, Size):
            while not size.holds(len(out)) and len(out) < 5000:
                out += FILL
    return bytes(out)


def build(conditions, rng):
    out = bytearray()
    chains = sorted(_chains(conditions), key=_rank)
    for chain in chains:
        if len(out) and _rank(chain)[0] == 2:
            _pad(out, [Size("", ">=", min((c.low for c in conditions if isinstance(c, Size) and c.test == "="), default=0)
                            - sum(len(c.data) for c in chain if isinstance(c, Content)))])
        _lay(chain, out, rng)
    return _pad(out, conditions)


# --- a whole message --------------------------------------------------------------------------------------------------
def _fields_of(text):
    """header lines out of what is to stand among them"""
    fields = []
    for line in text.strip(b"\r\n").split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or not re.fullmatch(rb"[A-Za-z0-9_-]+", name):
            name, value = b"X-Gen", line
        fields.append((name, value.removeprefix(b" ")))
    return fields


def _put(fields, name, value):
    fields[:] = [(n, v) for n, v in fields if n.lower() != name.lower()] + [(name, value)]


def make(rule, conditions, rng):
    """the message that these conditions ask for"""
    made = {buffer: build([c for c in conditions if c.buffer == buffer], rng) for buffer in dict.fromkeys(c.buffer for c in conditions)}
    response = rule.to_client
    fields = [] if response else [(b"Host", b"www.example.test")]
    for names in (made.get("http.header_names", b""),):
        for name in filter(None, names.split(b"\r\n")):
            if re.fullmatch(rb"[A-Za-z0-9_-]+", name):
                _put(fields, name, b"www.example.test" if name.lower() == b"host" else b"1")
    for buffer in ("http.header", "http.header.raw"):
        for name, value in _fields_of(made[buffer]) if made.get(buffer) else []:
            _put(fields, name, value)
    for buffer, name in HEADER_BUFFERS.items():
        if buffer in made:
            _put(fields, name.encode(), made[buffer])
    if "http.cookie" in made:
        _put(fields, b"Set-Cookie" if response else b"Cookie", made["http.cookie"])
    for buffer in ("http.host", "http.host.raw"):
        if made.get(buffer):
            _put(fields, b"Host", made[buffer])
    return _message(rule, made, fields, response)


def _message(rule, made, fields, response):
    body = b"".join(made.get(buffer, b"") for buffer in BODIES)
    raw = made.get("pkt_data", b"")
    if response:
        body += raw
        start = [made.get("http.protocol") or b"HTTP/1.1", made.get("http.stat_code") or b"200", made.get("http.stat_msg", b"OK")]
    else:
        uri = made.get("http.uri") or made.get("http.uri.raw") or b"/"
        if not uri.startswith(b"/"):
            uri = b"/q" + uri
        method = made.get("http.method") or (b"POST" if body or raw.startswith(b"POST") else b"GET")
        raw = raw.removeprefix(method)
        if raw and re.fullmatch(rb"[!-~]+", raw) and "http.uri" not in made:
            uri += raw
        elif raw:
            body += raw
        start = [method, uri, made.get("http.protocol") or b"HTTP/1.1"]
    if not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in fields) and (body or response):
        fields = fields + [(b"Content-Length", str(len(body)).encode())]
    return Message(start, fields, body, response)


def is_sound(message):
    """one that an HTTP reader takes as it is meant"""
    if isinstance(message, Payload):
        return 0 < len(message.data) < 16384
    first, second, third = message.start
    if message.response:
        good = re.fullmatch(rb"HTTP/1\.[01]", first) and re.fullmatch(rb"[2-5]\d\d", second) and second not in (b"204", b"304") and b"\n" not in third
    else:
        good = re.fullmatch(rb"[A-Z_-]+", first) and first not in (b"CONNECT", b"HEAD") and re.fullmatch(rb"/[!-$&-~]*", second) and \
            re.fullmatch(rb"HTTP/1\.[01]", third) and b"//" not in second and b"/." not in second and b"\\" not in second and message.field("Host") is not None
    for name, value in message.fields:
        if not re.fullmatch(rb"[A-Za-z0-9_-]+", name) or not re.fullmatch(rb"([!-~]([ -~]*[!-~])?)?", value):
            return False
    if message.field("Transfer-Encoding") or message.field("Content-Encoding") or message.field("Expect") or message.field("Upgrade"):
        return False
    host = message.field("Host")
    if host is not None and not re.fullmatch(rb"[A-Za-z0-9.-]+(:\d+)?", host):
        return False
    return bool(good) and message.field("Content-Length") in (None, str(len(message.body)).encode())


# --- near misses ------------------------------------------------------------------------------------------------------
def _broken_byte(c):
    if isinstance(c, Content) and not c.negated:
        c.data = c.data[:-1] + (b"W" if c.data[-1:] not in b"wW" else b"Y")
        return True
    return False


def _other_case(c):
    if isinstance(c, Content) and not c.negated and not c.nocase and c.data.swapcase() != c.data:
        c.data = c.data.swapcase()
        return True
    return False


def _too_far(c):
    if isinstance(c, Content) and c.within is not None and not c.negated:
        c.distance = (c.distance or 0) + c.within + 1
        return True
    return False


def _too_deep(c):
    if isinstance(c, Content) and (c.depth is not None or c.starts) and not c.negated:
        c.offset, c.depth, c.starts = (c.offset or 0) + (c.depth or len(c.data)) + 1, None, False
        return True
    return False


def _too_near(c):
    if isinstance(c, Content) and c.distance and c.distance > 0 and not c.negated:
        c.distance -= 1
        return True
    return False


def _present_after_all(c):
    if isinstance(c, Content) and c.negated:
        c.negated = False
        return True
    return False


def _other_size(c):
    if isinstance(c, Size):
        c.test, c.low = ">=", (c.high if c.test == "<>" else c.low) + 1
        return True
    return False


BREAKS = {"byte": _broken_byte, "case": _other_case, "far": _too_far, "deep": _too_deep, "near": _too_near, "negation": _present_after_all,
          "size": _other_size}


def _swapped(conditions, index):
    """the order of two contents, one counted from the other"""
    if index + 1 == len(conditions):
        return None
    first, second = conditions[index], conditions[index + 1]
    if not (isinstance(first, Content) and isinstance(second, Content) and second.relative and first.buffer == second.buffer) or \
            first.negated or second.negated:
        return None
    first.data, second.data = second.data, first.data
    return conditions


def broken(rule, rng, at_most):
    """(what is wrong, conditions) of near misses"""
    found = []
    for index in range(len(rule.conditions)):
        for name, change in BREAKS.items():
            conditions = copy.deepcopy(rule.conditions)
            if change(conditions[index]):
                found.append((name, conditions))
        conditions = _swapped(copy.deepcopy(rule.conditions), index)
        if conditions:
            found.append(("order", conditions))
    rng.shuffle(found)
    chosen, kinds = [], set()
    for name, conditions in sorted(found, key=lambda miss: miss[0] in kinds):
        if name not in kinds or len(chosen) < at_most:
            chosen.append((name, conditions))
            kinds.add(name)
    return chosen[:at_most]


class Payload:
    """what one side sends, of no protocol; the other says something that no rule asks for"""
    def __init__(self, data, response):
        self.data, self.response = data, response

    def bytes(self):
        return self.data

    def buffers(self):
        return {"pkt_data": self.data}


class Case:
    def __init__(self, rule, what, expected, message):
        self.rule, self.what, self.expected, self.message = rule, what, expected, message
        if isinstance(message, Payload):
            other = Payload(b"~\n", not message.response)
            self.request, self.response = (other, message) if message.response else (message, other)
            return
        plain = [b"GET", b"/", b"HTTP/1.1"]
        ok = Message([b"HTTP/1.1", b"200", b"OK"], [(b"Content-Length", b"2")], b"ok", True)
        self.request = Message(plain, [(b"Host", b"www.example.test")]) if message.response else message
        self.response = message if message.response else ok

    def __repr__(self):
        return "sid %d, %s: %r" % (self.rule.sid, self.what, self.message.bytes()[:300])



def make_payload(rule, conditions, rng):
    return Payload(build(conditions, rng), rule.to_client)


def cases(rule, seed, at_most=6, tries=6, payload=False):
    """a match first, then near misses; none when the match cannot be made"""
    rng = random.Random("%d/%d" % (seed, rule.sid))
    try:
        for _ in range(tries):
            message = (make_payload if payload else make)(rule, rule.conditions, rng)
            if is_sound(message) and matches(rule, message):
                break
        else:
            return []
        made = [Case(rule, "match", True, message)]
        for what, conditions in broken(rule, rng, at_most):
            message = (make_payload if payload else make)(rule, conditions, rng)
            if is_sound(message) and not matches(rule, message):
                made.append(Case(rule, what, False, message))
    except (Unknown, OverflowError):
        return []
    return made
