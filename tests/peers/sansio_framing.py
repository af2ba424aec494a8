"""The sans-IO package `mtproto` as an independent reading of the framings, in both roles.

`--role client` connects to a test DC with every framing, sends req_pq_multi and checks the resPQ.
`--role server` prints the port that it listens on, answers every plain message of every
connection by one with the same body, and ends after `--connections`.
Each prints one line of JSON at the end.
"""

import argparse
import json
import os
import socket
import struct
import sys

from mtproto import ConnectionRole
from mtproto.enums import TransportEvent
from mtproto.transport import Connection
from mtproto.transport.packets import UnencryptedMessagePacket
from mtproto.transport.transports import (
    AbridgedTransport,
    FullTransport,
    IntermediateTransport,
    PaddedIntermediateTransport,
)

import peer

FRAMINGS = {
    "abridged": (AbridgedTransport, False),
    "intermediate": (IntermediateTransport, False),
    "padded": (PaddedIntermediateTransport, False),
    "full": (FullTransport, False),
    "obfuscated-abridged": (AbridgedTransport, True),
    "obfuscated-intermediate": (IntermediateTransport, True),
    "obfuscated-padded": (PaddedIntermediateTransport, True),
}

REQ_PQ_MULTI = 0xBE7E8EF1
RES_PQ = 0x05162463


def packets(connection, stream):
    """The packets that arrive, until the other end closes."""
    while True:
        event = connection.next_event()
        if event is TransportEvent.DISCONNECT:
            return
        if event is not None:
            yield event
            continue
        data = stream.recv(65536)
        if not data:
            return
        connection.data_received(data)


def ask(args, transport, obfuscated):
    nonce = os.urandom(16)
    connection = Connection(ConnectionRole.CLIENT, transport, obfuscated)
    with socket.create_connection((args.host, args.port), args.timeout) as stream:
        query = struct.pack("<I", REQ_PQ_MULTI) + nonce
        stream.sendall(connection.send(UnencryptedMessagePacket(0, query)))
        answer = next(packets(connection, stream), None)
    if not isinstance(answer, UnencryptedMessagePacket):
        raise SystemExit(f"no plain message but {answer!r}")
    if answer.message_data[:20] != struct.pack("<I", RES_PQ) + nonce:
        raise SystemExit(f"no resPQ to the nonce but {answer.message_data.hex()}")


def client(args):
    for name, (transport, obfuscated) in FRAMINGS.items():
        try:
            ask(args, transport, obfuscated)
        except (Exception, SystemExit) as error:
            raise SystemExit(f"{name}: {error!r}")
    print(json.dumps({"client": "mtproto", "framings": list(FRAMINGS)}), flush=True)


def server(args):
    echoed = 0
    with socket.create_server((args.host, 0)) as listener:
        listener.settimeout(args.timeout)
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        for _ in range(args.connections):
            stream, _ = listener.accept()
            stream.settimeout(args.timeout)
            connection = Connection(ConnectionRole.SERVER)
            with stream:
                for packet in packets(connection, stream):
                    reply = UnencryptedMessagePacket(packet.message_id + 1, packet.message_data)
                    stream.sendall(connection.send(reply))
                    echoed += 1
    print(json.dumps({"server": "mtproto", "echoed": echoed}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--role", choices=["client", "server"], required=True)
    parser.add_argument("--host", type=peer.loopback, required=True)
    parser.add_argument("--port", type=int, help="of the test DC, for the client's role")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=30, help="seconds")
    args = parser.parse_args()
    peer.stay_on_loopback()
    {"client": client, "server": server}[args.role](args)


if __name__ == "__main__":
    sys.exit(main())
