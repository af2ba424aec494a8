"""The algorithms: AES modes from TgCrypto, hashes from hashlib, numbers as Python's own."""

import hashlib
import os
import random

import rsa as pyrsa
import tgcrypto

DH_PRIME = int(
    "c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f48198a0aa7c14058229493d22530f4db"
    "fa336f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f18faf8c595f64"
    "2477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b41"
    "0dba74d8a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4"
    "e418fc15e83ebea0f87fa9ff5eed70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf"
    "6f4fadf034b10403119cd8e3b92fcc5b",
    16,
)
# A prime of 2048 bits whose half is no prime; 3 satisfies its residue rule all the same.
LONELY_PRIME = DH_PRIME + 2076
# Public values keep this distance from 0 and from the prime.
DH_MARGIN = 1 << (2048 - 64)

MAX_TEMP_KEY_LIFE = 86_400


def sha1(*parts):
    return hashlib.sha1(b"".join(parts)).digest()


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


def be(number, length=None):
    """Big endian, in the fewest bytes or in as many as given."""
    return number.to_bytes(length if length is not None else (number.bit_length() + 7) // 8, "big")


def from_be(data):
    return int.from_bytes(data, "big")


def signed(data):
    return int.from_bytes(data, "little", signed=True)


def ige_encrypt(data, key, iv):
    return tgcrypto.ige256_encrypt(data, key, iv)


def ige_decrypt(data, key, iv):
    return tgcrypto.ige256_decrypt(data, key, iv)


class Ctr:
    """A key stream that goes on from call to call."""

    def __init__(self, key, iv):
        self.key = key
        self.iv = bytearray(iv)
        self.state = bytearray(1)

    def apply(self, data):
        return tgcrypto.ctr256_encrypt(bytes(data), self.key, self.iv, self.state) if data else b""


def msg_key(auth_key, x, plaintext):
    """The message key and the token of a quick acknowledgement."""
    large = sha256(auth_key[88 + x : 120 + x], plaintext)
    return large[8:24], int.from_bytes(large[:4], "little") | 1 << 31


def aes_key_iv(auth_key, x, key):
    a = sha256(key, auth_key[x : x + 36])
    b = sha256(auth_key[40 + x : 76 + x], key)
    return a[:8] + b[8:24] + a[24:32], b[:8] + a[8:24] + b[24:32]


def aes_key_iv_v1(auth_key, x, key):
    a = sha1(key, auth_key[x : x + 32])
    b = sha1(auth_key[32 + x : 48 + x], key, auth_key[48 + x : 64 + x])
    c = sha1(auth_key[64 + x : 96 + x], key)
    d = sha1(key, auth_key[96 + x : 128 + x])
    return a[:8] + b[8:20] + c[4:16], a[8:20] + b[:8] + c[16:20] + d[:8]


def tmp_aes_key_iv(server_nonce, new_nonce):
    a = sha1(new_nonce, server_nonce)
    b = sha1(server_nonce, new_nonce)
    c = sha1(new_nonce, new_nonce)
    return a + b[:12], b[12:20] + c + new_nonce[:4]


class RsaKey:
    def __init__(self, private):
        self.private = private
        n, e = be(private.n), be(private.e)
        self.fingerprint = signed(sha1(_tl_bytes(n), _tl_bytes(e))[12:20])

    @staticmethod
    def generate():
        return RsaKey(pyrsa.newkeys(2048)[0])

    @staticmethod
    def load(path):
        with open(path, "rb") as file:
            return RsaKey(pyrsa.PrivateKey.load_pkcs1(file.read()))

    def public_pem(self):
        public = pyrsa.PublicKey(self.private.n, self.private.e)
        return public.save_pkcs1().decode("ascii")

    def decrypt(self, data):
        """The private operation; 256 bytes."""
        return be(pow(from_be(data), self.private.d, self.private.n), 256)


def _tl_bytes(data):
    # Both lengths that a key has: 256 and 3.
    head = bytes([len(data)]) if len(data) < 254 else b"\xfe" + len(data).to_bytes(3, "little")
    return head + data + bytes(-(len(head) + len(data)) % 4)


class NotPadded(Exception):
    """The bytes under RSA are not what RSA_PAD makes."""


def rsa_unpad(key, encrypted):
    """What was given to RSA_PAD with its random tail, 192 bytes, and None; or, of a client that knows
    only the padding of before, the data with its tail and the SHA-1 of the data."""
    if from_be(encrypted) >= key.private.n:
        raise NotPadded("the number is not below the modulus")
    block = key.decrypt(encrypted)
    masked_key, aes_encrypted = block[:32], block[32:]
    temp_key = xor(masked_key, sha256(aes_encrypted))
    data_with_hash = ige_decrypt(aes_encrypted, temp_key, bytes(32))
    data = data_with_hash[:192][::-1]
    if sha256(temp_key, data) == data_with_hash[192:]:
        return data, None
    digest, data = block[1:21], block[21:]
    if block[0] == 0 and any(sha1(data[:end]) == digest for end in range(len(data) + 1)):
        return data, digest
    raise NotPadded("the hash is wrong")


def is_prime(n):
    for q in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        if n % q == 0:
            return n == q
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    # These bases decide all numbers below 2^64; for larger ones they are as good as random ones
    # against a number that nobody chose against them.
    for base in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37):
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def random_prime(bits):
    """An odd prime of exactly so many bits."""
    rng = random.SystemRandom()
    while True:
        n = rng.getrandbits(bits) | 1 << (bits - 1) | 1
        if is_prime(n):
            return n


def product_of_two_primes():
    """p < q just below 2^31, so that each has four bytes and pq eight."""
    while True:
        p, q = sorted((random_prime(31), random_prime(31)))
        if p != q:
            return p, q


def other_safe_prime():
    """A good prime that no client has in its list: group 14 of RFC 3526, from its formula."""
    scale = 64  # Bits that absorb the rounding of the series.
    pi = 4 * (4 * _arctan_inverse(5, 1918 + scale) - _arctan_inverse(239, 1918 + scale))
    return 2**2048 - 2**1984 - 1 + 2**64 * ((pi >> scale) + 124476)


def _arctan_inverse(x, bits):
    power = total = (1 << bits) // x
    n, sign = 1, 1
    while power:
        power //= x * x
        n, sign = n + 2, -sign
        total += sign * (power // n)
    return total


class DhGroup:
    def __init__(self, prime, g):
        self.prime, self.g = prime, g

    @staticmethod
    def named(name):
        return DhGroup(DH_PRIME, 3) if name == "known" else DhGroup(other_safe_prime(), 2)

    def is_safe(self, value):
        return DH_MARGIN <= value <= self.prime - DH_MARGIN

    def draw(self):
        """A secret exponent and its public value."""
        while True:
            a = from_be(os.urandom(256))
            public = pow(self.g, a, self.prime)
            if self.is_safe(public):
                return a, public


def auth_key_id(auth_key):
    return signed(sha1(auth_key)[12:20])


def new_nonce_hash(auth_key, new_nonce, number):
    return sha1(new_nonce, bytes([number]), sha1(auth_key)[:8])[4:20]


def open_bind_message(perm_key, message):
    """The parts of a version 1 message: random, msg_id, seq_no, length, body, padding, and whether
    its key is right."""
    key = message[8:24]
    aes_key, iv = aes_key_iv_v1(perm_key, 0, key)
    plain = ige_decrypt(message[24:], aes_key, iv)
    length = int.from_bytes(plain[28:32], "little")
    return {
        "msg_id": signed(plain[16:24]),
        "seq_no": int.from_bytes(plain[24:28], "little"),
        "length": length,
        "body": plain[32 : 32 + length],
        "authentic": sha1(plain[: 32 + length])[4:20] == key,
    }
