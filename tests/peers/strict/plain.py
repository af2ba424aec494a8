"""Unencrypted messages: the questions and answers of the handshake as bytes."""

from . import tl

REQ_PQ, REQ_PQ_MULTI, RES_PQ = 0x60469778, 0xBE7E8EF1, 0x05162463
REQ_DH_PARAMS, SET_CLIENT_DH_PARAMS = 0xD712E4BE, 0xF5045F1F
P_Q_INNER_DATA_DC, P_Q_INNER_DATA_TEMP_DC = 0xA9F55F95, 0x56FDDF88
P_Q_INNER_DATA, P_Q_INNER_DATA_TEMP = 0x83C95AEC, 0x3C6A84D4
DH_PARAMS_OK, DH_PARAMS_FAIL, DH_INNER_DATA = 0xD0E8075C, 0x79CB045D, 0xB5890DBA
CLIENT_DH_INNER_DATA = 0x6643B654
DH_GEN = {1: 0x3BCBF734, 2: 0x46DC1FB9, 3: 0xA69DAE02}
MSGS_ACK = 0x62D6B459

# In the place of an answer: nothing, and the end of the stream.
SILENCE, CUT = object(), object()


class Packet:
    """A whole packet in the place of an answer's bytes."""

    def __init__(self, data):
        self.data = data


def packet(msg_id, body, length=None):
    """An unencrypted message; the length field may be anything."""
    return bytes(8) + tl.i64(msg_id) + tl.u32(len(body) if length is None else length) + body


def res_pq(fields):
    fingerprints = tl.longs(fields.fingerprints, fields.count)
    return tl.u32(RES_PQ) + fields.nonce + fields.server_nonce + tl.string(fields.pq) + fingerprints


def dh_inner_data(fields):
    return (
        tl.u32(DH_INNER_DATA)
        + fields.nonce
        + fields.server_nonce
        + tl.i32(fields.g)
        + tl.string(fields.dh_prime)
        + tl.string(fields.g_a)
        + tl.i32(fields.server_time)
    )


def dh_params_ok(fields):
    answer = tl.string(fields.encrypted_answer)
    return tl.u32(DH_PARAMS_OK) + fields.nonce + fields.server_nonce + answer


def dh_params_fail(exchange, hash_of_new_nonce):
    return tl.u32(DH_PARAMS_FAIL) + exchange.nonce + exchange.server_nonce + hash_of_new_nonce


def dh_gen(fields):
    return tl.u32(DH_GEN[fields.kind]) + fields.nonce + fields.server_nonce + fields.hash
