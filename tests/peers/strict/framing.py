"""The server's side of the framings, and of their obfuscation.

`Framing.feed` gives the packets of a client and reports what the framing forbids; `packet`,
`status` and `quick_ack` give the bytes of an answer.
"""

import os
import struct
import zlib

from .crypto import Ctr, sha256

ABRIDGED, INTERMEDIATE, PADDED, FULL = "abridged", "intermediate", "padded", "full"
TAGS = {b"\xef" * 4: ABRIDGED, b"\xee" * 4: INTERMEDIATE, b"\xdd" * 4: PADDED}
FORBIDDEN_FIRST_WORDS = (
    b"HEAD",
    b"POST",
    b"GET ",
    b"OPTI",
    b"\xdd" * 4,
    b"\xee" * 4,
    b"\x16\x03\x01\x02",
)

# What a client may send in one frame: a full container, its header and padding, with room to spare.
MAX_FRAME = (1 << 20) + (1 << 16)
# An unencrypted message is no shorter.
MIN_PACKET = 20


class Broken(Exception):
    """The stream cannot be read any further."""

    def __init__(self, rule, detail):
        super().__init__(detail)
        self.rule = rule


class Framing:
    def __init__(self, report, dc, secrets=()):
        self.report = report
        self.dc = dc
        self.secrets = [None, *secrets]
        self.kind = None
        self.obfuscated = False
        self.incoming = b""
        self.decrypt = self.encrypt = None
        self.received = self.sent = 0

    def feed(self, data):
        """The packets that are complete: pairs of bytes and whether a quick ack is wanted."""
        if self.decrypt:
            data = self.decrypt.apply(data)
        self.incoming += data
        packets = []
        if self.kind is None and not self.detect():
            return packets
        while True:
            frame = getattr(self, "read_" + self.kind)()
            if frame is None:
                return packets
            packets.append(frame)

    def detect(self):
        """Learns the framing from the first bytes of the stream."""
        first = self.incoming
        if first[:1] == b"\xef":
            self.kind, self.incoming = ABRIDGED, first[1:]
            return True
        if len(first) < 8:
            return False
        if first[:4] in TAGS:
            self.kind, self.incoming = TAGS[first[:4]], first[4:]
            return True
        if first[4:8] == bytes(4):
            self.kind = FULL
            return True
        if len(first) < 64:
            return False
        for secret in self.secrets:
            if self.deobfuscate(first[:64], secret):
                self.incoming = self.decrypt.apply(first[64:])
                return True
        raise Broken("framing.unknown", f"a stream begins with {first[:8].hex()}")

    def deobfuscate(self, init, secret):
        reverse = init[8:56][::-1]
        keys = [init[8:40], reverse[:32]]
        if secret is not None:
            keys = [sha256(key, secret) for key in keys]
        decrypt = Ctr(keys[0], init[40:56])
        plain = decrypt.apply(init)
        if plain[56:60] not in TAGS:
            return False
        self.kind, self.obfuscated = TAGS[plain[56:60]], True
        self.decrypt, self.encrypt = decrypt, Ctr(keys[1], reverse[32:48])
        if init[:4] in FORBIDDEN_FIRST_WORDS or init[:1] == b"\xef" or init[4:8] == bytes(4):
            self.report("obfuscated.prefix", f"a header begins with {init[:8].hex()}")
        dc = struct.unpack("<h", plain[60:62])[0]
        if dc != self.dc:
            self.report("obfuscated.dc", f"a header names dc {dc}, this is {self.dc}")
        return True

    def take(self, header, length):
        """A payload behind its header, once it is there."""
        if not MIN_PACKET <= length <= MAX_FRAME:
            raise Broken("framing.length", f"a frame of {length} bytes")
        if len(self.incoming) < header + length:
            return None
        payload = self.incoming[header : header + length]
        self.incoming = self.incoming[header + length :]
        return payload

    def read_abridged(self):
        if not self.incoming:
            return None
        quick_ack, words, header = self.incoming[0] >> 7, self.incoming[0] & 0x7F, 1
        if words == 0x7F:
            if len(self.incoming) < 4:
                return None
            words, header = int.from_bytes(self.incoming[1:4], "little"), 4
            if words < 0x7F:
                self.report("framing.abridged", f"long form for {words} words")
        payload = self.take(header, 4 * words)
        return payload and (payload, bool(quick_ack))

    def read_intermediate(self):
        if len(self.incoming) < 4:
            return None
        word = struct.unpack_from("<I", self.incoming)[0]
        length = word & 0x7FFFFFFF
        if length % 4:
            raise Broken("framing.unaligned", f"a frame of {length} bytes")
        payload = self.take(4, length)
        return payload and (payload, bool(word >> 31))

    def read_padded(self):
        if len(self.incoming) < 4:
            return None
        word = struct.unpack_from("<I", self.incoming)[0]
        payload = self.take(4, word & 0x7FFFFFFF)
        if payload is None:
            return None
        if payload[:8] == bytes(8):
            length = 20 + struct.unpack_from("<I", payload, 16)[0]
        else:
            length = 24 + (len(payload) - 24) // 16 * 16
        if not 0 <= len(payload) - length <= 15:
            raise Broken("framing.padding", f"{len(payload) - length} bytes of padding")
        return payload[:length], bool(word >> 31)

    def read_full(self):
        if len(self.incoming) < 8:
            return None
        length, seq = struct.unpack_from("<II", self.incoming)
        payload = self.take(8, length - 8)
        if payload is None:
            return None
        frame = struct.pack("<II", length, seq) + payload
        if length % 4:
            raise Broken("framing.unaligned", f"a frame of {length} bytes")
        if seq != self.received:
            raise Broken("framing.sequence", f"frame {seq} in the place of {self.received}")
        if zlib.crc32(frame[:-4]) != struct.unpack("<I", frame[-4:])[0]:
            raise Broken("framing.checksum", "a frame has another checksum")
        self.received += 1
        return payload[:-4], False

    def packet(self, payload):
        """The bytes of a frame, encrypted if the stream is."""
        return self.seal(getattr(self, "write_" + self.kind)(payload))

    def status(self, code):
        """A transport error."""
        return self.packet(struct.pack("<i", code))

    def quick_ack(self, token):
        if self.kind == PADDED:
            return self.packet(b"\xff" * 4 + struct.pack("<I", token))
        return self.seal(struct.pack(">I" if self.kind == ABRIDGED else "<I", token))

    def seal(self, data):
        return self.encrypt.apply(data) if self.encrypt else data

    def write_abridged(self, payload):
        words = len(payload) // 4
        if words < 0x7F:
            return bytes([words]) + payload
        return b"\x7f" + words.to_bytes(3, "little") + payload

    def write_intermediate(self, payload):
        return struct.pack("<I", len(payload)) + payload

    def write_padded(self, payload):
        # Control payloads stay below 16 bytes, or they would pass for packets.
        padding = os.urandom(os.urandom(1)[0] % (16 if len(payload) >= MIN_PACKET else 8))
        return struct.pack("<I", len(payload) + len(padding)) + payload + padding

    def write_full(self, payload, seq=None, crc_xor=0):
        head = struct.pack("<II", len(payload) + 12, self.sent if seq is None else seq)
        self.sent += 1
        crc = zlib.crc32(head + payload) ^ crc_xor
        return head + payload + struct.pack("<I", crc)
