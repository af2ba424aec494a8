"""The hostile cases, one hostile thing each, by the numbers of the list of attacks.

A case names points of the server where it interferes: `res_pq`, `dh_inner`, `dh_sealed`,
`dh_params` and `dh_gen` get the fields of an answer of the handshake before it is put into bytes,
`plain` its bytes and the name of the step; `packet` takes the place of reading an encrypted packet;
`answer` takes the place of answering a call.
"""

import os
import struct
import zlib

from . import crypto, plain, tl
from . import messages as m

CASES = {}


class Evil:
    def __init__(self):
        self.name = None
        self.points = {}
        # How often it interfered since it was chosen.
        self.attacks = 0

    def choose(self, name):
        self.points = {} if name is None else CASES[name]
        self.name, self.attacks = name, 0

    def at(self, point, value, *context):
        """The value, or what the case makes of it."""
        change = self.points.get(point)
        if change is None:
            return value
        changed = change(value, *context)
        self.attacks += changed is not value or point != "plain"
        return changed


def case(name, **points):
    assert name not in CASES, name
    CASES[name] = points


def setting(**fields):
    """Changes fields of an answer."""

    def change(answer):
        for name, value in fields.items():
            setattr(answer, name, value(getattr(answer, name)) if callable(value) else value)
        return answer

    return change


def flip(data):
    """Another value of the same length."""
    return data[:-1] + bytes([data[-1] ^ 1])


def at_step(step, change):
    """Changes the bytes of one answer of the handshake."""
    return lambda body, name, exchange: change(body, exchange) if name == step else body


STEPS = ("res_pq", "dh_params", "dh_gen")

# H1: what AES cannot have made, or what is too short to hold a hash.
for length in (0, 8, 16, 601):
    case(f"H1-{length}", dh_params=setting(encrypted_answer=os.urandom(length)))

# H2: no products of two primes.
PQ = {
    "0": b"\0",
    "1": b"\1",
    "3": b"\3",
    "9": b"\t",
    "empty": b"",
    "prime": crypto.be(2_147_483_647),
    "prime-64": crypto.be(18_446_744_073_709_551_557),
    "prime-63": crypto.be(9_223_372_036_854_775_783),
    "square": crypto.be(3_037_000_493**2),
    "three": crypto.be(1_000_003 * 1_000_033 * 1_000_037),
    "even": crypto.be(2 * 2_147_483_647),
    "2-63": crypto.be((1 << 63) + 29),
    "9-bytes": b"\0" * 8 + b"\x0f",
    "1000-bytes": b"\xff" * 1000,
}
for name, pq in PQ.items():
    case(f"H2-{name}", res_pq=setting(pq=pq))

# H3: groups and public values that are not safe.
PRIMES = {
    "even": crypto.DH_PRIME - 1,
    "2047-1000": 2**2047 + 2**1000,
    "3-1292": 3**1292,
    "composite": crypto.DH_PRIME + 6,
    "lonely": crypto.LONELY_PRIME,
    "2001-bits": crypto.DH_PRIME >> 47,
    "2049-bits": crypto.DH_PRIME * 2 - 1,
    "4096-bits": crypto.DH_PRIME << 2048,
    "0": 0,
}
for name, prime in PRIMES.items():
    case(f"H3-prime-{name}", dh_inner=setting(dh_prime=crypto.be(prime)))
# 2, 5 and 6 are in range and do not fit the prime.
for g in (-1, 0, 1, 2, 5, 6, 8, 1_000_003):
    case(f"H3-g-{g}", dh_inner=setting(g=g))
PUBLIC_VALUES = {
    "0": 0,
    "1": 1,
    "p-1": crypto.DH_PRIME - 1,
    "p": crypto.DH_PRIME,
    "small": crypto.DH_MARGIN - 1,
    "large": crypto.DH_PRIME - crypto.DH_MARGIN + 1,
}
for name, value in PUBLIC_VALUES.items():
    case(f"H3-g_a-{name}", dh_inner=setting(g_a=crypto.be(value)))

# H4: what belongs to another exchange, another step, or is cut off.
case("H4-res_pq-nonce", res_pq=setting(nonce=flip))
for field in ("nonce", "server_nonce"):
    case(f"H4-dh_params-{field}", dh_params=setting(**{field: flip}))
    case(f"H4-dh_inner-{field}", dh_inner=setting(**{field: flip}))
    case(f"H4-dh_gen-{field}", dh_gen=setting(**{field: flip}))
case("H4-dh_inner-hash", dh_sealed=setting(hash=flip))
case("H4-dh_inner-bytes", dh_sealed=setting(inner=flip))
case("H4-dh_inner-missing", dh_sealed=setting(inner=lambda inner: inner[:-16]))
case("H4-dh_inner-trailing", dh_sealed=setting(padding=lambda padding: padding + os.urandom(16)))
case("H4-dh_gen-hash", dh_gen=setting(flip=1))


def other_step(kind):
    """An answer that is well-formed and has no place here."""

    def change(_, exchange):
        head = exchange.nonce + exchange.server_nonce
        return {
            "res_pq": tl.u32(plain.RES_PQ) + head + tl.string(b"\x0f") + tl.longs([1]),
            "dh_params": tl.u32(plain.DH_PARAMS_OK) + head + tl.string(os.urandom(592)),
            "dh_gen": tl.u32(plain.DH_GEN[1]) + head + os.urandom(16),
        }[kind]

    return change


for step in STEPS:
    for kind in STEPS:
        if kind != step:
            case(f"H4-{step}-is-{kind}", plain=at_step(step, other_step(kind)))
    case(f"H4-{step}-unknown", plain=at_step(step, lambda body, _: b"\xde\xad\xbe\xef" + body[4:]))
    case(f"H4-{step}-missing", plain=at_step(step, lambda body, _: body[:-4]))
    case(f"H4-{step}-only-id", plain=at_step(step, lambda body, _: body[:4]))


def whole_packet(length):
    """A plain message whose length field is not its length."""

    def change(body, _):
        return plain.Packet(plain.packet(1, body, length(len(body))))

    return change


case("H4-length-beyond", plain=at_step("res_pq", whole_packet(lambda n: n + 64)))
case("H4-length-huge", plain=at_step("res_pq", whole_packet(lambda n: 0x7FFFFFFC)))
case("H4-length-0", plain=at_step("res_pq", whole_packet(lambda n: 0)))
case("H4-fingerprints", res_pq=setting(count=1 << 24))
case("H4-fingerprints-max", res_pq=setting(count=0xFFFFFFFF))
case("H4-fingerprints-foreign", res_pq=setting(fingerprints=[1, 2, 3]))


def dh_params_fail(right):
    def change(_, exchange):
        digest = crypto.sha1(exchange.new_nonce)[4:20]
        return plain.dh_params_fail(exchange, digest if right else flip(digest))

    return change


case("H4-dh_params-fail", plain=at_step("dh_params", dh_params_fail(True)))
case("H4-dh_params-fail-hash", plain=at_step("dh_params", dh_params_fail(False)))


def encrypted_packet(_, __):
    return plain.Packet(os.urandom(24 + 128))


case("H4-encrypted", plain=at_step("res_pq", encrypted_packet))

# H5: refused keys.
case("H5-retry", dh_gen=setting(kind=2, hash_kind=2))
case("H5-fail", dh_gen=setting(kind=3, hash_kind=3))
case("H5-ok-with-hash-2", dh_gen=setting(hash_kind=2))
case("H5-retry-with-hash-1", dh_gen=setting(kind=2, hash_kind=1))
case("H5-fail-with-hash-1", dh_gen=setting(kind=3, hash_kind=1))

# H6: no answer, and an end of the stream instead of one.
for step in STEPS:
    case(f"H6-silent-{step}", plain=at_step(step, lambda _, __: plain.SILENCE))
    case(f"H6-cut-{step}", plain=at_step(step, lambda _, __: plain.CUT))


def answering(name):
    """The function is the answer to a call."""

    def register(attack):
        case(name, answer=lambda _: attack)
        return attack

    return register


def instead(name, packet):
    """A packet that ends the stream, in the place of the answer."""
    answering(name)(lambda call: call.write(packet(call)))


def before(name, body, **fields):
    """A message that has to be dropped, then the answer."""

    def attack(call):
        made = body(call) if callable(body) else body
        call.send(made, **fields)
        call.honest()

    answering(name)(attack)


# M1: one bit of a sealed packet.
for where, byte in {"key": 0, "msg_key": 8, "first": 24, "middle": 80, "last": -1}.items():
    for bit in (0, 7):

        def flipped(call, byte=byte, bit=bit):
            packet = bytearray(call.seal(call.rpc_result()))
            packet[byte] ^= 1 << bit
            return bytes(packet)

        instead(f"M1-{where}-{bit}", flipped)


# M2: what came before comes again.
@answering("M2-packet")
def _(call):
    msg_id, seq_no, body = call.item(tl.u32(UPDATES_TOO_LONG), response=False)
    packet = call.session.seal(msg_id, seq_no, body)
    for _ in range(3):
        call.write(packet)
        call.session.note(msg_id)
    call.honest()


@answering("M2-container")
def _(call):
    item = call.item(tl.u32(UPDATES_TOO_LONG), response=False)
    for _ in range(3):
        call.send(m.container([item]), content=False)
        call.session.note(item[0])
    call.honest()


@answering("M2-bare-then-container")
def _(call):
    item = call.item(tl.u32(UPDATES_TOO_LONG), response=False)
    call.write(call.session.seal(*item))
    call.session.note(item[0])
    call.send(m.container([item]), content=False)
    call.honest()


UPDATES_TOO_LONG = 0xE317AF7E


def forged(call, block=0):
    """An answer that nobody may believe, so long that with its header it ends `block` bytes beyond
    whole blocks."""
    text = b"FORGED"
    while True:
        body = call.rpc_result(tl.u32(RPC_ERROR) + tl.i32(500) + tl.string(text))
        if (32 + len(body)) % 16 == block:
            return body
        text += b"!"


RPC_ERROR = 0x2144CA19

# M3: padding and lengths. Without a fault it would be believed.
instead("M3-control", lambda call: call.seal(forged(call)))
for padding in (0, 8, 1040, 1132):
    instead(
        f"M3-padding-{padding}",
        lambda call, padding=padding: call.seal(forged(call, -padding % 16), padding=padding),
    )
LENGTHS = {
    "0": lambda n: 0,
    "3": lambda n: 3,
    "-4": lambda n: -4,
    "2-30": lambda n: 1 << 30,
    "beyond": lambda n: n + 64,
    "into-padding": lambda n: n + 8,
    "unaligned": lambda n: n - 2,
}
for name, length in LENGTHS.items():

    def lengthened(call, length=length):
        body = forged(call, 4)
        return call.seal(body, length=length(len(body)))

    instead(f"M3-length-{name}", lengthened)

# M4: what is not for this session.
instead("M4-session", lambda call: call.seal(forged(call), session_id=call.session.id ^ 1))
instead("M4-session-0", lambda call: call.seal(forged(call), session_id=0))
instead("M4-key", lambda call: os.urandom(8) + call.seal(forged(call))[8:])


@answering("M4-plain")
def _(call):
    call.session.connection.write_plain(tl.u32(0x05162463) + bytes(60))


# M5: ids.
def id_of(call, seconds=0, low=1):
    now = call.session.server.clock.now() + seconds
    return int(now * (1 << 32)) & ~3 | low


before("M5-even", forged, msg_id=1 << 40)
DAY = 86_400
# An answer that is old shows that the client's time is wrong; anything else that is old is dropped.
for name, seconds in {"day-old": -DAY, "ten-minutes-old": -600}.items():

    @answering(f"M5-{name}")
    def _(call, seconds=seconds):
        call.send(tl.u32(UPDATES_TOO_LONG), msg_id=id_of(call, seconds, 3))
        call.honest()


@answering("M5-even-now")
def _(call):
    for low in (0, 2):
        call.send(forged(call), msg_id=id_of(call, 0, low))
    call.honest()


before("M5-5", tl.u32(UPDATES_TOO_LONG), msg_id=5)
before("M5-0", forged, msg_id=0)
before("M5-negative", tl.u32(UPDATES_TOO_LONG), msg_id=-1)


@answering("M5-5-answer")
def _(call):
    call.send(call.rpc_result(), msg_id=5)


@answering("M5-equal")
def _(call):
    msg_id = id_of(call, 0, 1)
    call.send(tl.u32(UPDATES_TOO_LONG), msg_id=msg_id)
    call.send(forged(call), msg_id=msg_id)
    call.honest()


FALSE_TIMES = {
    "day-ahead": DAY,
    "year-ahead": 365 * DAY,
    "minute-ahead": 60,
    "day-behind": -DAY,
    "minute-behind": -60,
}
for name, seconds in FALSE_TIMES.items():

    @answering(f"M5-{name}")
    def _(call, seconds=seconds):
        call.send(call.rpc_result(), msg_id=id_of(call, seconds))


# M6: containers.
def nested(depth, body):
    for level in range(depth):
        body = m.container([(1 + 4 * level, 0, body)])
    return body


before("M6-nested", lambda call: nested(12_000, forged(call)), content=False)
before("M6-nested-once", lambda call: nested(2, forged(call)), content=False)
before("M6-2-31-items", lambda call: m.container([], count=(1 << 31) - 1), content=False)
before("M6-2-32-items", lambda call: m.container([], count=0xFFFFFFFF), content=False)
before(
    "M6-1025-items",
    lambda call: m.container([call.item(tl.u32(UPDATES_TOO_LONG), response=False) for _ in range(1025)]),
    content=False,
)
before("M6-empty", m.container([]), content=False)
before("M6-only-id", tl.u32(m.MSG_CONTAINER), content=False)


def gzip_of(body):
    return tl.u32(tl.GZIP_PACKED) + tl.string(tl.gzip(body))


before("M6-gzip-in-gzip", lambda call: gzip_of(gzip_of(forged(call))))
before("M6-gzip-nested", lambda call: gzip_of(nested(2, forged(call))))
before("M6-gzip-broken", lambda call: tl.u32(tl.GZIP_PACKED) + tl.string(b"\x1f\x8b\x08\0garbage"))


@answering("M6-gzip-in-result")
def _(call):
    call.send(call.rpc_result(gzip_of(gzip_of(call.result))))


@answering("M6-item-beyond")
def _(call):
    good = call.item(call.rpc_result())
    bad = struct.pack("<qII", call.item(b"")[0], 0, 1 << 20)
    body = bytearray(m.container([good]) + bad)
    body[4:8] = tl.u32(2)
    call.send(bytes(body), content=False)


@answering("M6-bad-among-good")
def _(call):
    cut_off = call.item(tl.u32(m.PONG) + bytes(4), content=False)
    even = (call.item(b"")[0] + 1, 1, forged(call))
    good = call.item(call.rpc_result())
    garbage = call.item(b"\xff" * 64)
    update = call.item(tl.u32(UPDATES_TOO_LONG), response=False)
    call.send(m.container([cut_off, even, good, garbage, update]), content=False)


# M7: what is small on the wire and large in memory.
_bombs = {}


def bomb(mebibytes):
    """Zeros, compressed a thousandfold."""
    if mebibytes not in _bombs:
        packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        zeros = bytes(1 << 20)
        _bombs[mebibytes] = b"".join(packer.compress(zeros) for _ in range(mebibytes)) + packer.flush()
    return tl.u32(tl.GZIP_PACKED) + tl.string(_bombs[mebibytes])


@answering("M7-result")
def _(call):
    call.send(call.rpc_result(bomb(512)))


before("M7-message", lambda call: bomb(512))


@answering("M7-many")
def _(call):
    small = bomb(8)
    for _ in range(20):
        call.send(m.container([call.item(small) for _ in range(100)]), content=False)
    call.honest()


# M8: answers that nobody asked for.
before("M8-zero", lambda call: m.rpc_result(0, call.result))
before("M8-unknown", lambda call: m.rpc_result(call.request + 4, call.result))
before("M8-pong", lambda call: m.pong(call.request, 7))


@answering("M8-twice")
def _(call):
    call.send(call.rpc_result(), expected=True)
    call.send(forged(call), expected=True)


@answering("M8-flood")
def _(call):
    # Together more than a session bears.
    for i in range(20):
        call.send(m.rpc_result(call.request + 4 + 4 * i, bytes(16 << 10)))
    call.honest()


# M9: counts and lengths in service messages.
MANY = (1 << 31) - 1
LONG = b"\xfe\xff\xff\xff"
ENDLESS = b"\xff" + b"\xff" * 7
SERVICE_MESSAGES = {
    "acks": tl.u32(m.MSGS_ACK) + tl.longs([], MANY),
    "acks-negative": tl.u32(m.MSGS_ACK) + tl.longs([], 0xFFFFFFFF),
    "state-req": tl.u32(m.MSGS_STATE_REQ) + tl.longs([], MANY),
    "state-info": tl.u32(m.MSGS_STATE_INFO) + bytes(8) + LONG,
    "state-info-endless": tl.u32(m.MSGS_STATE_INFO) + bytes(8) + ENDLESS,
    "all-info": tl.u32(m.MSGS_ALL_INFO) + tl.longs([], MANY) + LONG,
    "all-info-unequal": tl.u32(m.MSGS_ALL_INFO) + tl.longs([1, 2, 3]) + tl.string(b"\4"),
    "resend": tl.u32(m.MSG_RESEND_REQ) + tl.longs([], MANY),
    "future-salts": tl.u32(m.FUTURE_SALTS) + bytes(12) + tl.u32(MANY),
    "detailed": tl.u32(m.MSG_DETAILED_INFO) + bytes(3 * 4),
    "new-detailed": tl.u32(m.MSG_NEW_DETAILED_INFO) + bytes(4),
    "bad-msg": tl.u32(m.BAD_MSG_NOTIFICATION) + bytes(8),
    "bad-msg-unknown": m.bad_msg(1 << 60, 1, 32),
    "bad-salt": tl.u32(m.BAD_SERVER_SALT) + bytes(16),
    "bad-salt-unknown": m.bad_salt(1 << 60, 1, 1234),
    "new-session": tl.u32(m.NEW_SESSION_CREATED) + bytes(20),
    "pong": tl.u32(m.PONG) + bytes(8),
    "result": tl.u32(m.RPC_RESULT) + bytes(4),
    "gzip": tl.u32(tl.GZIP_PACKED) + LONG,
    "gzip-endless": tl.u32(tl.GZIP_PACKED) + ENDLESS,
    "destroy-session": tl.u32(m.DESTROY_SESSION_OK),
    "msg-copy": tl.u32(m.MSG_COPY) + bytes(8),
}
for name, body in SERVICE_MESSAGES.items():
    before(f"M9-{name}", body, content=False)
before("M9-unknown", b"\xde\xad\xbe\xef" + bytes(64))
# An answer cut off behind the request's id has no error in it.
before("M9-ack-of-all", lambda call: tl.u32(m.MSGS_ACK) + tl.longs(range(8193)), content=False)


@answering("M9-error-utf-8")
def _(call):
    call.send(call.rpc_result(tl.u32(RPC_ERROR) + tl.i32(400) + tl.string(b"\xff\xfe\xfd")))


@answering("M9-error-code")
def _(call):
    call.send(call.rpc_result(tl.u32(RPC_ERROR) + tl.i32(-(1 << 31)) + tl.string("TEXT")))


@answering("M9-error-length")
def _(call):
    call.send(call.rpc_result(tl.u32(RPC_ERROR) + tl.i32(400) + LONG))


@answering("M9-result-vector")
def _(call):
    # nearestDc, but its string has no end.
    call.send(call.rpc_result(tl.u32(0x8E1A1775) + LONG + bytes(64)))


@answering("M9-result-empty")
def _(call):
    call.send(call.rpc_result(b""))


# R10: temporary keys that are not bound.
@answering("R10-bind-error")
def _(call):
    call.send(call.rpc_result(tl.u32(RPC_ERROR) + tl.i32(400) + tl.string("ENCRYPTED_MESSAGE_INVALID")))


@answering("R10-bind-false")
def _(call):
    call.send(call.rpc_result(tl.u32(0xBC799737)))


# T1: an error of the transport that nobody signed.
for code in (-404, -429, -444):

    def status(_, code=code):
        return lambda connection: connection.fail(code)

    case(f"T1{code}", packet=status)


# T2: lengths of frames; the first word of a name is the framing.
def frame(name, data):
    answering(f"T2-{name}")(lambda call: call.write_bytes(data))


frame("abridged-max", b"\x7f\xff\xff\xff" + bytes(64))
frame("abridged-0", b"\0" + bytes(64))
frame("abridged-long-0", b"\x7f\0\0\0" + bytes(64))
for framing in ("intermediate", "padded"):
    frame(f"{framing}-max", tl.u32(0x7FFFFFFF) + bytes(64))
    frame(f"{framing}-max-aligned", tl.u32(0x7FFFFFFC) + bytes(64))
    frame(f"{framing}-0", tl.u32(0) + bytes(64))
    frame(f"{framing}-3", tl.u32(3) + bytes(64))
frame("intermediate-unaligned", tl.u32(65) + bytes(80))
for name, word in {
    "max": 0x7FFFFFFC,
    "negative": 0xFFFFFFFC,
    "0": 0,
    "11": 11,
    "8": 8,
    "unaligned": 65,
}.items():
    frame(f"full-{name}", tl.u32(word) + tl.u32(2) + bytes(64))


@answering("T2-header")
def _(call):
    # The header of a frame that would be the answer, then the end.
    whole = call.framing.packet(call.seal(call.rpc_result()))
    call.write_frame(whole[:4])
    call.close()


@answering("T2-half")
def _(call):
    whole = call.framing.packet(call.seal(call.rpc_result()))
    call.write_frame(whole[: len(whole) // 2])
    call.close()


@answering("T2-half-silent")
def _(call):
    whole = call.framing.packet(call.seal(call.rpc_result()))
    call.write_frame(whole[: len(whole) // 2])
    call.session.connection.deaf = True


@answering("T2-short")
def _(call):
    # Too short for a packet, too long for an error.
    call.write(b"\1" * 20)


# T3: full framing.
@answering("T3-crc")
def _(call):
    call.write_bytes(call.framing.write_full(call.seal(call.rpc_result()), crc_xor=1))


for name, step in {"replayed": -1, "skipped": 1, "zero": None}.items():

    @answering(f"T3-seq-{name}")
    def _(call, step=step):
        seq = 0 if step is None else call.framing.sent + step
        call.write_bytes(call.framing.write_full(call.seal(call.rpc_result()), seq=seq))
