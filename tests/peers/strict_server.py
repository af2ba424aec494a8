"""A server that judges its clients by the specification, and on demand attacks them.

It prints one line of JSON when it listens. Lines of JSON on stdin change what it does
(`strict/server.py`, `Server.command`); each is answered by one on stdout. What a client does
against the specification is a line of JSON on stderr. At the end of stdin, or at
`{"do":"stop"}`, it prints its state and ends: with 0, or with 1 if there was any violation.

    python strict_server.py --key-out key.pem
    python strict_server.py --key-out key.pem --evil H2-square
    python strict_server.py --list
"""

import argparse
import asyncio
import json
import signal
import sys

import peer
from strict import crypto, evil
from strict.server import Server


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", type=peer.loopback, default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--dc", type=int, default=2)
    parser.add_argument("--rsa-key", help="file with a private key, PKCS #1 PEM; made if absent")
    parser.add_argument("--key-out", help="where to write the public key, PKCS #1 PEM")
    parser.add_argument(
        "--secret", action="append", default=[], help="of an obfuscated stream, 32 hex digits"
    )
    parser.add_argument(
        "--evil", choices=sorted(evil.CASES), metavar="CASE", help="attack like this; see --list"
    )
    parser.add_argument("--list", action="store_true", help="print the names of all attacks and end")
    parser.add_argument("--lifetime", type=float, default=900, help="seconds after which it ends by itself")
    return parser.parse_args()


async def commands(server):
    """Obeys stdin to its end."""
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while line := await stdin.readline():
        command = json.loads(line)
        if command.get("do") == "stop":
            return
        tell(server.command(command))


def tell(line):
    print(json.dumps(line), flush=True)


async def main(args):
    rsa_key = crypto.RsaKey.load(args.rsa_key) if args.rsa_key else crypto.RsaKey.generate()
    if args.key_out:
        with open(args.key_out, "w", encoding="ascii") as file:
            file.write(rsa_key.public_pem())
    server = Server(rsa_key, args.dc, [bytes.fromhex(secret) for secret in args.secret])
    server.evil.choose(args.evil)
    listener = await server.listen(args.host, args.port)
    tell({"host": args.host, "port": server.port, "dc": args.dc, "key": args.key_out, "evil": args.evil})

    obeying = asyncio.ensure_future(commands(server))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, obeying.cancel)
    await asyncio.wait([obeying], timeout=args.lifetime)
    if obeying.done() and not obeying.cancelled() and obeying.exception():
        raise obeying.exception()
    listener.close()
    tell(server.state())
    return 1 if server.violations.count else 0


if __name__ == "__main__":
    peer.stay_on_loopback()
    parsed = arguments()
    if parsed.list:
        tell({"cases": list(evil.CASES)})
        sys.exit(0)
    sys.exit(asyncio.run(main(parsed)))
