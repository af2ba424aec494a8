"""What the Python clients have in common: arguments, a fence around loopback, a time limit, one line of JSON."""

import argparse
import asyncio
import ipaddress
import json
import sys


def loopback(text):
    if not ipaddress.ip_address(text).is_loopback:
        raise argparse.ArgumentTypeError(f"{text} is not a loopback address")
    return text


def arguments(framings):
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", type=loopback, required=True, help="loopback address of the test DC")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dc", type=int, default=2)
    parser.add_argument("--key", required=True, help="file with the DC's public key, PKCS #1 PEM")
    parser.add_argument("--framing", choices=framings, default=framings[0])
    parser.add_argument("--timeout", type=float, default=30, help="seconds")
    return parser.parse_args()


def stay_on_loopback():
    """Refuses every connection that leaves this machine, whatever addresses a library brings along."""

    def audit(event, args):
        if event != "socket.connect":
            return
        address = args[1]
        if isinstance(address, tuple) and not ipaddress.ip_address(address[0]).is_loopback:
            raise ConnectionRefusedError(f"not a loopback address: {address[0]}")

    sys.addaudithook(audit)


def run(talk, args):
    """Runs `talk(args)` within the time limit and prints the dictionary that it returns."""

    async def limited():
        return await asyncio.wait_for(talk(args), args.timeout)

    result = asyncio.get_event_loop_policy().get_event_loop().run_until_complete(limited())
    result["framing"] = args.framing
    print(json.dumps(result), flush=True)


def report(client, version, layer, config, **more):
    """The fields of help.getConfig that every client reports."""
    return {
        "client": client,
        "version": version,
        "layer": layer,
        "this_dc": config.this_dc,
        "dc_options": [
            {"id": option.id, "ip": option.ip_address, "port": option.port} for option in config.dc_options
        ],
        **more,
    }
