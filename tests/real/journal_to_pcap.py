#!/usr/bin/env python3
"""Makes a capture of the simulated SMSC's journal, for machines that do not permit to capture.

usage: journal_to_pcap.py JOURNAL CAPTURE SMSC_PORT
"""

import collections
import os
import subprocess
import sys
import tempfile


def main(journal, capture, port):
    dumps = collections.defaultdict(list)
    with open(journal) as lines:
        for line in lines:
            _, connection, way, octets = line.split()
            pairs = " ".join(octets[at : at + 2] for at in range(0, len(octets), 2))
            dumps[int(connection)].append(f"{'O' if way == 'in' else 'I'} 000000 {pairs}\n")
    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for connection, dump in dumps.items():
            # One TCP conversation a run of text2pcap; O is the way of the ports as given, I the way back.
            part = os.path.join(folder, str(connection))
            ports = f"{40000 + connection},{port}"
            command = ["text2pcap", "-q", "-D", "-4", "127.0.0.1,127.0.0.1", "-T", ports, "-", part]
            subprocess.run(command, input="".join(dump), text=True, check=True, timeout=60, stderr=subprocess.DEVNULL)
            parts.append(part)
        subprocess.run(["mergecap", "-a", "-w", capture, *parts], check=True, timeout=60)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
