"""Reading and writing TL, strictly: what a client never has to produce is an error."""

import struct
import zlib

VECTOR = 0x1CB5C415
BOOL_TRUE = 0x997275B5
GZIP_PACKED = 0x3072CFA1

# More than any request inflates to.
MAX_INFLATED = 16 << 20


class TlError(Exception):
    pass


class Reader:
    def __init__(self, data, at=0):
        self.data = data
        self.at = at

    def left(self):
        return len(self.data) - self.at

    def raw(self, n):
        if n > self.left():
            raise TlError(f"{n} bytes wanted, {self.left()} left")
        self.at += n
        return self.data[self.at - n : self.at]

    def u32(self):
        return struct.unpack("<I", self.raw(4))[0]

    def i32(self):
        return struct.unpack("<i", self.raw(4))[0]

    def i64(self):
        return struct.unpack("<q", self.raw(8))[0]

    def id(self, expected, name):
        got = self.u32()
        if got != expected:
            raise TlError(f"{got:#010x} in the place of {name}")

    def bytes(self):
        length, head = self.raw(1)[0], 1
        if length == 254:
            length, head = int.from_bytes(self.raw(3), "little"), 4
            if length < 254:
                raise TlError(f"long form for {length} bytes")
        elif length == 255:
            raise TlError("a string in a form that the documentation does not have")
        data = self.raw(length)
        if any(self.raw(-(head + length) % 4)):
            raise TlError("padding of a string is not zero")
        return data

    def string(self):
        try:
            return self.bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise TlError(f"no UTF-8: {error}") from error

    def longs(self):
        self.id(VECTOR, "Vector<long>")
        count = self.u32()
        return struct.unpack(f"<{count}q", self.raw(8 * count))

    def rest(self):
        return self.raw(self.left())

    def end(self):
        if self.left():
            raise TlError(f"{self.left()} bytes behind the object")


def u32(n):
    return struct.pack("<I", n & 0xFFFFFFFF)


def i32(n):
    return struct.pack("<i", n)


def i64(n):
    return struct.pack("<q", n)


def string(data):
    if isinstance(data, str):
        data = data.encode()
    head = bytes([len(data)]) if len(data) < 254 else b"\xfe" + len(data).to_bytes(3, "little")
    return head + data + bytes(-(len(head) + len(data)) % 4)


def longs(values, count=None):
    """A boxed vector; `count` is what it claims to hold."""
    return u32(VECTOR) + u32(len(values) if count is None else count) + b"".join(map(i64, values))


def gzip(data, level=9):
    packer = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def gzip_packed(data):
    return u32(GZIP_PACKED) + string(gzip(data))


def inflate(packed):
    """What gzip or zlib data holds."""
    unpacker = zlib.decompressobj(32 + zlib.MAX_WBITS)
    try:
        data = unpacker.decompress(packed, MAX_INFLATED)
    except zlib.error as error:
        raise TlError(f"compressed data is broken: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise TlError("compressed data is cut off, too large, or followed by something")
    return data


def constructor(body):
    return struct.unpack_from("<I", body)[0] if len(body) >= 4 else None
