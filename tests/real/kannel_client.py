#!/usr/bin/env python3
"""A sender that uses Kannel: bearerbox and smsbox with a generated kannel.conf.

usage: kannel_client.py HOST PORT ACCOUNT PASSWORD NUMBER [JOURNAL]

The arguments, TOO_LONG_STATUS and SECOND_STATUS are those of smpplib_client.py.
Messages go in by smsbox's sendsms, outcomes come back to a dlr-url, as in a real site;
KANNEL_MODE=pair binds a transmitter and a receiver instead of one transceiver.
"""

import http.server
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

SOURCE = "62021001"
SIGNATURE = "。合肥移动 询0551-62620000"
SECONDS_MAX = 30
TOO_LONG_STATUS = int(os.environ.get("TOO_LONG_STATUS", "0x01"), 0)
SECOND_STATUS = int(os.environ.get("SECOND_STATUS", "0x45"), 0)
VENDOR_TAG, VENDOR_VALUE = 0x1503, "AH-1860"
DELIVERED, ACCEPTED, REJECTED = 1, 8, 16  # Kannel's dlr types

CONFIGURATION = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = admin
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-file = {folder}/bearerbox.log
log-level = 0
dlr-storage = internal

{links}
group = smpp-tlv
name = operator_tag
tag = {tag:#06x}
type = octetstring
length = 16

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-file = {folder}/smsbox.log
log-level = 0

group = sendsms-user
username = tester
password = tester

group = sms-service
keyword = default
max-messages = 0
text = "none"
"""

LINK = """
group = smsc
smsc = smpp
smsc-id = gateway
host = {host}
{direction}
smsc-username = {account}
smsc-password = {password}
system-type = ""
interface-version = 34
enquire-link-interval = 1
"""

# A pair is two groups with one smsc-id.
DIRECTIONS = {
    "transceiver": ["port = {port}\ntransceiver-mode = true"],
    "pair": ["port = {port}", "receive-port = {port}"],
}
MODE = os.environ.get("KANNEL_MODE", "transceiver")

failures = 0


def check(good, what):
    global failures
    failures += not good
    print(f"{'ok' if good else 'not ok'} - Kannel: {what}", flush=True)


def text_of(characters):
    return "测" * (characters - len(SIGNATURE)) + SIGNATURE


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def get(port, path, query):
    url = f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode(errors="replace")


def wait_for(condition):
    end = time.monotonic() + SECONDS_MAX
    while time.monotonic() < end:
        try:
            if condition():
                return True
        except OSError:  # not listening yet
            pass
        time.sleep(0.1)
    return False


class Outcomes(http.server.ThreadingHTTPServer):
    """Listens for what Kannel reports to the dlr-url of each message."""

    def __init__(self):
        self.seen = {}  # message -> {dlr type: text}
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def of(self, message):
        return self.seen.get(message, {})

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            seen = self.server.seen.setdefault(query["message"][0], {})
            seen[int(query["type"][0])] = query.get("text", [""])[0]
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass


def submit(ports, outcomes, message, number, text):
    """Sends one message; the type and the text of its first outcome."""
    dlr_url = f"http://127.0.0.1:{outcomes.server_port}/?message={message}&type=%d&text=%A"
    query = {"username": "tester", "password": "tester", "from": SOURCE, "to": number}
    query |= {"text": text, "charset": "UTF-8", "coding": 2}  # 2: UCS-2
    query |= {"dlr-mask": 31, "dlr-url": dlr_url, "meta-data": f"?smpp?operator_tag={VENDOR_VALUE}"}
    get(ports["sendsms"], "/cgi-bin/sendsms", query)
    wait_for(lambda: outcomes.of(message).keys() & {ACCEPTED, REJECTED})
    return next(((kind, text) for kind, text in outcomes.of(message).items() if kind != DELIVERED), (None, ""))


def answered(outcome, status):
    """Kannel writes a refusal as `NACK/<decimal>/<its name>`."""
    kind, text = outcome
    if status == 0:
        return kind == ACCEPTED
    number = re.match(r"NACK/(\w+)/", text)
    return kind == REJECTED and number is not None and int(number[1], 0) == status


def journal_of(path, account):
    """The lines of the account's connections: those with a bind in its name."""
    with open(path) as journal:
        lines = [line.split() for line in journal if line.endswith("\n")]
    binds = re.compile(rf"[0-9a-f]{{8}}0000000[129].{{16}}{account.encode().hex()}00")
    connections = {connection for _, connection, way, octets in lines if way == "in" and binds.match(octets)}
    return [f"{way} {octets}" for _, connection, way, octets in lines if connection in connections]


def converse(ports, outcomes, account, number, journal):
    other = str(int(number) + 1)

    def status():
        return get(ports["admin"], "/status.txt", {"password": "admin"})

    links = len(DIRECTIONS[MODE])
    online = wait_for(lambda: len(re.findall(r"\(online \d+s", status())) == links and "smsbox:" in status())
    check(online, f"bound as {MODE}")
    if not online:
        return

    allowed = submit(ports, outcomes, "allowed", number, text_of(65))
    check(answered(allowed, 0), f"65 characters are taken: {allowed}")
    too_long = submit(ports, outcomes, "too-long", other, text_of(66))
    check(answered(too_long, TOO_LONG_STATUS), f"66 characters are answered {TOO_LONG_STATUS:#04x}: {too_long}")
    second = submit(ports, outcomes, "second", number, text_of(40))
    check(answered(second, SECOND_STATUS), f"a second message is answered {SECOND_STATUS:#04x}: {second}")
    if TOO_LONG_STATUS != 0:
        after = submit(ports, outcomes, "after", other, text_of(65))
        check(answered(after, 0), f"a refusal leaves nothing behind: {after}")

    taken = [message for message, seen in outcomes.seen.items() if ACCEPTED in seen]
    check(wait_for(lambda: all(DELIVERED in outcomes.of(message) for message in taken)),
          f"{len(taken)} receipts, one for each message taken")  # fmt: skip
    check("stat:DELIVRD" in outcomes.of("allowed").get(DELIVERED, ""), "the receipt came with its text")
    queued = re.search(r"failed (\d+), queued (\d+) msgs", status())
    check(queued is not None and queued[2] == "0", f"nothing is queued for another try: {queued and queued[0]}")
    # The pair is idle for a second now and asks whether the link is up.
    time.sleep(1.5)
    if journal:
        tlv = f"{VENDOR_TAG:04x}{len(VENDOR_VALUE):04x}{VENDOR_VALUE.encode().hex()}"
        submitted = re.compile(rf"in .*{number.encode().hex()}.*{tlv}")
        unchanged = any(submitted.match(line) for line in journal_of(journal, account))
        check(unchanged, "the vendor TLV reached the SMSC unchanged")


def stop(process):
    process.terminate()
    try:
        return process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def main(host, port, account, password, number, journal=None):
    os.environ["PATH"] += ":/usr/sbin"  # where Debian puts them
    if not shutil.which("bearerbox") or not shutil.which("smsbox"):
        sys.exit("not ok - Kannel: bearerbox and smsbox are not installed (Debian package kannel)")
    ports = dict(zip(("admin", "box", "sendsms"), free_ports(3)))
    link = {"host": host, "account": account, "password": password}
    links = [LINK.format(direction=one.format(port=port), **link) for one in DIRECTIONS[MODE]]
    outcomes, processes = Outcomes(), {}
    with tempfile.TemporaryDirectory(prefix="kannel-") as folder:
        path = f"{folder}/kannel.conf"
        with open(path, "w") as conf:
            conf.write(CONFIGURATION.format(folder=folder, links="".join(links), tag=VENDOR_TAG, **ports))
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        try:
            processes["bearerbox"] = subprocess.Popen(["bearerbox", "-v", "4", path], cwd=folder, **quiet)
            wait_for(lambda: get(ports["admin"], "/status.txt", {"password": "admin"}) or True)
            processes["smsbox"] = subprocess.Popen(["smsbox", "-v", "4", path], cwd=folder, **quiet)
            converse(ports, outcomes, account, number, journal)
        finally:
            # smsbox first: bearerbox waits for it.
            for name in ("smsbox", "bearerbox"):
                if name in processes:
                    check(stop(processes[name]) == 0, f"{name} ends on SIGTERM")
            with open(f"{folder}/bearerbox.log", errors="replace") as log:
                text = log.read()
            check("type_name: enquire_link_resp" in text, "enquire_link is answered")
            unbound = text.count("type_name: unbind_resp")
            check(unbound == len(links), f"unbind is answered, {unbound} of {len(links)}")
            for line in re.findall(r".*(?:WARNING|ERROR|PANIC).*", text):
                print(f"# {line}")


if __name__ == "__main__":
    if not 6 <= len(sys.argv) <= 7:
        sys.exit(__doc__)
    main(*sys.argv[1:])
    sys.exit(failures != 0)
