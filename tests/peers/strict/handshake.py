"""Creating an authorization key, the server's part, with every check that the specification has.

Each answer is made in two steps, fields and bytes, and each passes through `evil.at`, where a
hostile case may change it.
"""

import os
import time
from types import SimpleNamespace as Fields

from . import crypto, plain, tl
from .keys import AuthKey

# Half-made keys are kept so long, and so many.
LIFE = 600
MAX_HALF_MADE = 10_000
# Random bytes that official clients put behind a plain message.
MAX_PLAIN_PADDING = 255


class Refused(Exception):
    """The handshake is over; the client gets this transport error."""

    def __init__(self, rule, detail, code=-404):
        super().__init__(detail)
        self.rule = rule
        self.code = code


class Exchange:
    """One handshake, over any number of streams."""

    def __init__(self, nonce):
        self.nonce = nonce
        self.server_nonce = os.urandom(16)
        self.began = time.monotonic()
        self.p, self.q = crypto.product_of_two_primes()
        self.query = self.reply = None
        self.awaits = plain.REQ_PQ_MULTI
        self.new_nonce = self.group = self.a = self.g_a = None
        self.expires_in = None
        self.retry_id = 0
        self.retries = 0
        self.seen = set()
        self.key = None


class Handshakes:
    def __init__(self, rsa_key, server):
        self.rsa = rsa_key
        self.server = server
        self.exchanges = {}
        self.nonces = set()
        self.repeats = 0

    def handle(self, body):
        """The answer to a plain message's body: bytes, None for none, or `plain.CUT`."""
        constructor = tl.constructor(body)
        if constructor == plain.MSGS_ACK:
            return None
        exchange = self.find(constructor, body)
        if exchange.query is not None and body == exchange.query:
            # A new stream, and the same question: the same answer.
            self.repeats += 1
            return exchange.reply
        if constructor == plain.REQ_PQ:
            self.server.report("handshake.legacy", "req_pq instead of req_pq_multi")
            constructor = plain.REQ_PQ_MULTI
        if constructor != exchange.awaits:
            raise Refused("handshake.order", f"{constructor:#010x} has no place here")
        step = {
            plain.REQ_PQ_MULTI: self.req_pq_multi,
            plain.REQ_DH_PARAMS: self.req_dh_params,
            plain.SET_CLIENT_DH_PARAMS: self.set_client_dh_params,
        }[constructor]
        reader = tl.Reader(body, 4)
        try:
            name, reply = step(exchange, reader)
        except tl.TlError as error:
            raise Refused("handshake.tl", str(error)) from error
        if reader.left() > MAX_PLAIN_PADDING:
            self.server.report("handshake.padding", f"{reader.left()} bytes behind a question")
        exchange.query, exchange.reply = body, reply
        sent = self.server.evil.at("plain", reply, name, exchange)
        return None if sent is plain.SILENCE else sent

    def find(self, constructor, body):
        nonce = body[4:20]
        now = time.monotonic()
        for old in [n for n, e in self.exchanges.items() if now - e.began > LIFE]:
            del self.exchanges[old]
        exchange = self.exchanges.get(nonce)
        if exchange is None:
            if constructor not in (plain.REQ_PQ, plain.REQ_PQ_MULTI):
                raise Refused("handshake.nonce", f"{constructor:#010x} for no handshake of ours")
            if nonce in self.nonces or len(set(nonce)) < 4:
                self.server.report("handshake.nonce", f"{nonce.hex()} is not fresh randomness")
            if len(self.exchanges) >= MAX_HALF_MADE:
                raise Refused("handshake.count", "too many handshakes")
            self.nonces.add(nonce)
            exchange = self.exchanges[nonce] = Exchange(nonce)
        return exchange

    def check_nonces(self, exchange, reader):
        if (reader.raw(16), reader.raw(16)) != (exchange.nonce, exchange.server_nonce):
            raise Refused("handshake.nonce", "the nonces changed")

    def req_pq_multi(self, exchange, reader):
        reader.raw(16)
        answer = Fields(
            nonce=exchange.nonce,
            server_nonce=exchange.server_nonce,
            pq=crypto.be(exchange.p * exchange.q),
            fingerprints=[self.rsa.fingerprint],
            count=None,
        )
        exchange.awaits = plain.REQ_DH_PARAMS
        return "res_pq", plain.res_pq(self.server.evil.at("res_pq", answer))

    def req_dh_params(self, exchange, reader):
        self.check_nonces(exchange, reader)
        p, q = reader.bytes(), reader.bytes()
        fingerprint = reader.i64()
        encrypted = reader.bytes()
        if (crypto.from_be(p), crypto.from_be(q)) != (exchange.p, exchange.q):
            raise Refused("handshake.factors", "p and q are not the factors of pq in order")
        for name, number in (("p", p), ("q", q)):
            if number[:1] == b"\0":
                self.server.report("handshake.minimal", f"{name} begins with a zero")
        if fingerprint != self.rsa.fingerprint:
            raise Refused("handshake.fingerprint", f"{fingerprint} is no key of ours")
        if len(encrypted) != 256:
            raise Refused("handshake.rsa", f"{len(encrypted)} bytes instead of 256")
        try:
            data, sha1 = crypto.rsa_unpad(self.rsa, encrypted)
        except crypto.NotPadded as error:
            raise Refused("handshake.rsa", str(error)) from error
        length = self.inner_data(exchange, data, (p, q))
        if sha1 is not None:
            self.server.report("handshake.legacy", "the padding of before RSA_PAD")
            if crypto.sha1(data[:length]) != sha1:
                raise Refused("handshake.rsa", "the hash is wrong")

        exchange.group = crypto.DhGroup.named(self.server.options["group"])
        exchange.a, exchange.g_a = exchange.group.draw()
        inner = Fields(
            nonce=exchange.nonce,
            server_nonce=exchange.server_nonce,
            g=exchange.group.g,
            dh_prime=crypto.be(exchange.group.prime),
            g_a=crypto.be(exchange.g_a, 256),
            server_time=int(self.server.clock.now()),
        )
        inner = plain.dh_inner_data(self.server.evil.at("dh_inner", inner))
        sealed = Fields(hash=crypto.sha1(inner), inner=inner, padding=os.urandom(-(20 + len(inner)) % 16))
        sealed = self.server.evil.at("dh_sealed", sealed)
        key, iv = crypto.tmp_aes_key_iv(exchange.server_nonce, exchange.new_nonce)
        encrypted_answer = crypto.ige_encrypt(sealed.hash + sealed.inner + sealed.padding, key, iv)
        answer = Fields(
            nonce=exchange.nonce, server_nonce=exchange.server_nonce, encrypted_answer=encrypted_answer
        )
        exchange.awaits = plain.SET_CLIENT_DH_PARAMS
        return "dh_params", plain.dh_params_ok(self.server.evil.at("dh_params", answer))

    def inner_data(self, exchange, data, factors):
        """What RSA protects; returns its length without the random bytes behind it."""
        reader = tl.Reader(data)
        constructor = reader.u32()
        if constructor in (plain.P_Q_INNER_DATA, plain.P_Q_INNER_DATA_TEMP):
            self.server.report("handshake.legacy", f"inner data {constructor:#010x}")
        elif constructor not in (plain.P_Q_INNER_DATA_DC, plain.P_Q_INNER_DATA_TEMP_DC):
            raise Refused("handshake.tl", f"inner data {constructor:#010x}")
        pq, p, q = reader.bytes(), reader.bytes(), reader.bytes()
        if pq != crypto.be(exchange.p * exchange.q) or (p, q) != factors:
            raise Refused("handshake.factors", "the two copies of the factors differ")
        self.check_nonces(exchange, reader)
        exchange.new_nonce = reader.raw(32)
        if len(set(exchange.new_nonce)) < 8:
            self.server.report("handshake.nonce", "new_nonce is not random")
        if constructor in (plain.P_Q_INNER_DATA_DC, plain.P_Q_INNER_DATA_TEMP_DC):
            dc = reader.i32()
            if dc != self.server.dc:
                raise Refused("handshake.dc", f"dc {dc}, this is {self.server.dc}", -444)
        if constructor in (plain.P_Q_INNER_DATA_TEMP_DC, plain.P_Q_INNER_DATA_TEMP):
            exchange.expires_in = reader.i32()
            if not 0 < exchange.expires_in <= crypto.MAX_TEMP_KEY_LIFE:
                raise Refused("handshake.expires_in", f"{exchange.expires_in} seconds")
        length = reader.at
        padding = reader.rest()
        if len(padding) >= 16 and len(set(padding)) < 4:
            self.server.report("handshake.rsa", "the padding is not random")
        return length

    def set_client_dh_params(self, exchange, reader):
        self.check_nonces(exchange, reader)
        encrypted = reader.bytes()
        if not encrypted or len(encrypted) % 16:
            raise Refused("handshake.client_dh", f"{len(encrypted)} encrypted bytes")
        key, iv = crypto.tmp_aes_key_iv(exchange.server_nonce, exchange.new_nonce)
        opened = crypto.ige_decrypt(encrypted, key, iv)
        inner = tl.Reader(opened, 20)
        inner.id(plain.CLIENT_DH_INNER_DATA, "client_DH_inner_data")
        self.check_nonces(exchange, inner)
        retry_id = inner.i64()
        g_b_bytes = inner.bytes()
        if inner.left() > 15:
            raise Refused("handshake.client_dh", f"{inner.left()} bytes of padding")
        if crypto.sha1(opened[20 : inner.at]) != opened[:20]:
            raise Refused("handshake.client_dh", "the hash is wrong")
        if retry_id != exchange.retry_id:
            raise Refused("handshake.retry_id", f"{retry_id} instead of {exchange.retry_id}")
        g_b = crypto.from_be(g_b_bytes)
        if len(g_b_bytes) != 256 and g_b_bytes[:1] == b"\0":
            self.server.report("handshake.minimal", "g_b is neither minimal nor 256 bytes")
        if not (1 < g_b < exchange.group.prime - 1 and exchange.group.is_safe(g_b)):
            raise Refused("handshake.g_b", "g_b is out of range")
        if g_b in exchange.seen:
            self.server.report("handshake.g_b", "the same g_b after dh_gen_retry")
        exchange.seen.add(g_b)

        auth_key = crypto.be(pow(g_b, exchange.a, exchange.group.prime), 256)
        kind = 1
        if exchange.retries < self.server.options["retries"] or crypto.auth_key_id(auth_key) == 0:
            kind = 2
        if crypto.auth_key_id(auth_key) in self.server.keys:
            kind = 2
        answer = Fields(
            kind=kind,
            hash_kind=kind,
            nonce=exchange.nonce,
            server_nonce=exchange.server_nonce,
            flip=0,
        )
        answer = self.server.evil.at("dh_gen", answer)
        answer.hash = crypto.xor(
            crypto.new_nonce_hash(auth_key, exchange.new_nonce, answer.hash_kind),
            bytes(15) + bytes([answer.flip]),
        )
        if answer.kind == 2:
            exchange.retries += 1
            exchange.retry_id = crypto.signed(crypto.sha1(auth_key)[:8])
        else:
            exchange.awaits = None
        if answer.kind == 1 and answer.hash_kind == 1:
            self.complete(exchange, auth_key)
        return "dh_gen", plain.dh_gen(answer)

    def complete(self, exchange, auth_key):
        salt = crypto.signed(crypto.xor(exchange.new_nonce[:8], exchange.server_nonce[:8]))
        now = self.server.clock.now()
        expires_at = None if exchange.expires_in is None else int(now) + exchange.expires_in
        exchange.key = AuthKey(auth_key, now, salt, expires_at)
        self.server.keys[exchange.key.id] = exchange.key
