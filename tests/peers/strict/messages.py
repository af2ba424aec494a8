"""Encrypted packets and what is in them: sealing, opening, containers, service messages."""

import os
from types import SimpleNamespace as Fields

from . import crypto, tl

MSG_CONTAINER, MSGS_ACK = 0x73F1F8DC, 0x62D6B459
BAD_MSG_NOTIFICATION, BAD_SERVER_SALT = 0xA7EFF811, 0xEDAB447B
MSGS_STATE_REQ, MSGS_STATE_INFO, MSGS_ALL_INFO = 0xDA69FB52, 0x04DEB57D, 0x8CC0D131
MSG_DETAILED_INFO, MSG_NEW_DETAILED_INFO = 0x276D3EC6, 0x809DB6DF
MSG_RESEND_REQ, MSG_RESEND_ANS_REQ = 0x7D861A08, 0x8610BAEB
RPC_RESULT, RPC_DROP_ANSWER, RPC_ANSWER_UNKNOWN = 0xF35C6D01, 0x58E4A740, 0x5E2AD36E
GET_FUTURE_SALTS, FUTURE_SALTS = 0xB921BD04, 0xAE500895
PING, PING_DELAY_DISCONNECT, PONG = 0x7ABE77EC, 0xF3427B8C, 0x347773C5
DESTROY_SESSION, DESTROY_SESSION_OK, DESTROY_SESSION_NONE = 0xE7512126, 0xE22045FC, 0x62D350C9
DESTROY_AUTH_KEY, DESTROY_AUTH_KEY_OK = 0xD1435160, 0xF660E1D4
NEW_SESSION_CREATED, HTTP_WAIT, MSG_COPY = 0x9EC20908, 0x9299359F, 0xE06046B2

TO_SERVER, TO_CLIENT = 0, 8
MIN_PADDING, MAX_PADDING = 12, 1024

# A container of ours, as a client.
MAX_ITEMS, MAX_CONTAINER = 1020, 1_044_456
MAX_BODY = 1_044_404
MAX_IDS = 8192


class Unsound(Exception):
    """A packet that must not be looked into."""

    def __init__(self, rule, detail):
        super().__init__(detail)
        self.rule = rule


def seal(key, salt, session_id, msg_id, seq_no, body, padding=None, length=None):
    """A packet for a client; padding and the length field may be anything."""
    head = tl.i64(salt) + tl.i64(session_id) + tl.i64(msg_id) + tl.i32(seq_no)
    head += tl.i32(len(body) if length is None else length)
    if padding is None:
        padding = MIN_PADDING + -(len(head) + len(body) + MIN_PADDING) % 16
    plain = head + body + os.urandom(padding)
    assert len(plain) % 16 == 0, f"{len(plain)} bytes are not whole blocks"
    msg_key, _ = crypto.msg_key(key.data, TO_CLIENT, plain)
    aes_key, iv = crypto.aes_key_iv(key.data, TO_CLIENT, msg_key)
    return tl.i64(key.id) + msg_key + crypto.ige_encrypt(plain, aes_key, iv)


def open_packet(key, packet):
    """What a client sealed."""
    encrypted = packet[24:]
    if len(encrypted) < 48 or len(encrypted) % 16:
        raise Unsound("packet.length", f"{len(encrypted)} encrypted bytes")
    aes_key, iv = crypto.aes_key_iv(key.data, TO_SERVER, packet[8:24])
    plain = crypto.ige_decrypt(encrypted, aes_key, iv)
    msg_key, quick_ack = crypto.msg_key(key.data, TO_SERVER, plain)
    if msg_key != packet[8:24]:
        raise Unsound("packet.msg_key", "the message key is not that of the content")
    head = tl.Reader(plain)
    opened = Fields(
        salt=head.i64(),
        session_id=head.i64(),
        msg_id=head.i64(),
        seq_no=head.u32(),
        length=head.i32(),
        quick_ack=quick_ack,
    )
    padding = head.left() - opened.length
    if opened.length < 4 or opened.length % 4 or padding < 0:
        raise Unsound("packet.message_length", f"{opened.length} of {head.left()} bytes")
    if not MIN_PADDING <= padding <= MAX_PADDING:
        raise Unsound("packet.padding", f"{padding} bytes of padding")
    opened.body = head.raw(opened.length)
    opened.padding = head.rest()
    return opened


def items(body):
    """The messages of a container: (msg_id, seq_no, body)."""
    reader, found = tl.Reader(body, 4), []
    count = reader.u32()
    if not 0 < count <= MAX_ITEMS:
        raise tl.TlError(f"a container of {count} messages")
    if len(body) > MAX_CONTAINER:
        raise tl.TlError(f"a container of {len(body)} bytes")
    for _ in range(count):
        msg_id, seq_no, length = reader.i64(), reader.u32(), reader.u32()
        if length % 4 or length < 4:
            raise tl.TlError(f"a message of {length} bytes in a container")
        found.append((msg_id, seq_no, reader.raw(length)))
    reader.end()
    return found


def container(messages, count=None):
    """A container's body from (msg_id, seq_no, body)."""
    out = tl.u32(MSG_CONTAINER) + tl.u32(len(messages) if count is None else count)
    for msg_id, seq_no, body in messages:
        out += tl.i64(msg_id) + tl.i32(seq_no) + tl.u32(len(body)) + body
    return out


def rpc_result(request, result):
    return tl.u32(RPC_RESULT) + tl.i64(request) + result


def pong(msg_id, ping_id):
    return tl.u32(PONG) + tl.i64(msg_id) + tl.i64(ping_id)


def bad_msg(msg_id, seq_no, code):
    return tl.u32(BAD_MSG_NOTIFICATION) + tl.i64(msg_id) + tl.u32(seq_no) + tl.i32(code)


def bad_salt(msg_id, seq_no, salt):
    return tl.u32(BAD_SERVER_SALT) + tl.i64(msg_id) + tl.u32(seq_no) + tl.i32(48) + tl.i64(salt)


def new_session(first_msg_id, salt):
    unique = crypto.signed(os.urandom(8))
    return tl.u32(NEW_SESSION_CREATED) + tl.i64(first_msg_id) + tl.i64(unique) + tl.i64(salt)


def future_salts(request, now, salts):
    out = tl.u32(FUTURE_SALTS) + tl.i64(request) + tl.i32(now) + tl.u32(len(salts))
    return out + b"".join(tl.i32(since) + tl.i32(until) + tl.i64(salt) for since, until, salt in salts)
