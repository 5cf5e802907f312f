#!/usr/bin/env python3
"""Looks at a capture with eyes that are not the gateway's.

usage: dissect.py CAPTURE SENDERS_PORT [SMSC_PORT]

tshark dissects every frame; a malformed one, or an SMPP PDU it does not recognise, fails.
With both ports (a capture on each side of the gateway) also the octets are compared, PDU by PDU:
what reached the SMSC is what a sender wrote, whole and in order, and nothing else; what reached
a sender is what the SMSC wrote, and refusals in between.
"""

import collections
import struct
import subprocess
import sys

PREFERENCES = ["-o", "tcp.desegment_tcp_streams:TRUE", "-o", "smpp.reassemble_smpp_over_tcp:TRUE"]
NAMES = {
    0x0: "generic_nack", 0x1: "bind_receiver", 0x2: "bind_transmitter", 0x4: "submit_sm", 0x5: "deliver_sm",
    0x6: "unbind", 0x9: "bind_transceiver", 0x15: "enquire_link",
}  # fmt: skip
RESPONSE = 0x80000000
failures = 0


def check(good, what):
    global failures
    failures += not good
    print(f"{'ok' if good else 'not ok'} - capture: {what}")


def tshark(capture, ports, *options):
    decode = [word for port in ports for word in ("-d", f"tcp.port=={port},smpp")]
    command = ["tshark", "-n", "-r", capture, *decode, *PREFERENCES, *options]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    if run.returncode != 0:
        sys.exit(f"not ok - capture: tshark: {run.stderr.strip()}")
    return run.stdout.splitlines()


def name(command_id):
    known = NAMES.get(command_id & ~RESPONSE, f"{command_id:#x}")
    return known + "_resp" if command_id & RESPONSE and command_id != RESPONSE else known


def conversations(capture, ports):
    """The PDUs of each connection: {(stream, server port): ([to the server], [to the client])}."""
    octets = collections.defaultdict(lambda: (bytearray(), bytearray()))
    fields = ["-e", "tcp.stream", "-e", "tcp.srcport", "-e", "tcp.dstport", "-e", "tcp.payload"]
    # A retransmission would be in the stream twice; loopback has none worth the name, but a filter costs nothing.
    wanted = "tcp.len > 0 && !tcp.analysis.retransmission && !tcp.analysis.spurious_retransmission"
    for line in tshark(capture, ports, "-Y", wanted, "-T", "fields", *fields):
        stream, source, destination, payload = line.split("\t")
        to_client = int(source) in ports
        server = int(source if to_client else destination)
        octets[int(stream), server][to_client].extend(bytes.fromhex(payload))
    return {key: tuple(map(cut, both)) for key, both in octets.items()}


def cut(stream):
    pdus, at = [], 0
    while at + 16 <= len(stream):
        length = struct.unpack_from(">I", stream, at)[0]
        if length < 16 or at + length > len(stream):
            break
        pdus.append(bytes(stream[at : at + length]))
        at += length
    if at != len(stream):
        check(False, f"{len(stream) - at} octets after the last whole PDU of a connection")
    return pdus


def is_local_refusal(pdu):
    """A header-only answer with a status, which the SMSC did not have to write."""
    return len(pdu) == 16 and pdu[4] & 0x80 and pdu[8:12] != b"\0\0\0\0"


def without(pdus, passed):
    """What is left of `pdus` when `passed` is taken out in order; None if `passed` has something else or another order."""
    left, rest = [], iter(pdus)
    for wanted in passed:
        for pdu in rest:
            if pdu == wanted:
                break
            left.append(pdu)
        else:
            return None
    return left + list(rest)


def compare(seen, senders_port, smsc_port):
    senders = [both for (_, port), both in seen.items() if port == senders_port]
    smsc = [both for (_, port), both in seen.items() if port == smsc_port]
    check(len(smsc) > 0, f"{len(senders)} connections of senders, {len(smsc)} to the SMSC")
    compared = refused = 0
    for up, down in smsc:
        # The bind, with its sequence number and credentials, tells which sender this is.
        partners = [both for both in senders if both[0][:1] == up[:1] and without(both[0], up) is not None]
        if not partners:
            check(False, f"the SMSC was sent what no sender wrote: {[name(command(pdu)) for pdu in up]}")
            continue
        written, read = partners[0]
        senders.remove(partners[0])
        kept_back, added = without(written, up), without(read, down)
        only_submissions = all(command(pdu) == 0x4 for pdu in kept_back)
        answered = added is not None and sorted(map(sequence, added)) == sorted(map(sequence, kept_back))
        refusals = added is not None and all(is_local_refusal(pdu) for pdu in added)
        if not (only_submissions and answered and refusals):
            check(False, f"kept back {list(map(name, map(command, kept_back)))}, added {added and len(added)} answers")
        compared += len(up) + len(down)
        refused += len(kept_back)
    check(True, f"{compared} PDUs passed octet for octet in order; {refused} submissions kept back, each answered once")


def command(pdu):
    return struct.unpack_from(">I", pdu, 4)[0]


def sequence(pdu):
    return struct.unpack_from(">I", pdu, 12)[0]


def main(capture, *ports):
    ports = [int(port) for port in ports]
    bad = tshark(capture, ports, "-Y", "_ws.malformed || _ws.expert.group == malformed || _ws.expert.severity == error")
    check(not bad, f"no malformed frame, no expert error ({len(bad)})")
    for line in bad[:10]:
        print(f"# {line}")

    dissected = collections.Counter()
    for line in tshark(capture, ports, "-Y", "smpp", "-T", "fields", "-e", "smpp.command_id"):
        dissected.update(int(value, 16) for value in line.split(","))
    seen = conversations(capture, ports)
    cut_here = collections.Counter(command(pdu) for both in seen.values() for pdus in both for pdu in pdus)
    check(dissected == cut_here and cut_here.total() > 0, f"tshark dissected all {cut_here.total()} PDUs")
    for command_id, count in sorted(dissected.items(), key=lambda item: (item[0] & ~RESPONSE, item[0])):
        print(f"# {name(command_id):<24} {count:>5}")
    if len(ports) == 2:
        compare(seen, *ports)


if __name__ == "__main__":
    if not 3 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
    sys.exit(failures != 0)
