#!/usr/bin/env python3
"""A sender that uses smpplib as its documentation shows: handlers and read_once.

usage: smpplib_client.py HOST PORT ACCOUNT PASSWORD NUMBER [JOURNAL]

NUMBER and NUMBER + 1 must be Hefei subscribers who got nothing today. JOURNAL is the
file the simulated SMSC notes its PDUs in. TOO_LONG_STATUS and SECOND_STATUS are what
66 characters and a second message on one day are answered with (0x01 and 0x45).
"""

import os
import re
import struct
import sys
import time
import warnings

warnings.simplefilter("ignore", DeprecationWarning)

import smpplib.client
import smpplib.command
import smpplib.consts
import smpplib.gsm
import smpplib.smpp

SOURCE = "62021001"
SIGNATURE = "。合肥移动 询0551-62620000"
SECONDS_MAX = 20
TOO_LONG_STATUS = int(os.environ.get("TOO_LONG_STATUS", "0x01"), 0)
SECOND_STATUS = int(os.environ.get("SECOND_STATUS", "0x45"), 0)
VENDOR_TAG, VENDOR_VALUE = 0x1501, b"AH\x00\xff\x7f"

# smpplib has no call for vendor TLVs; its users register them in its tables.
smpplib.consts.OPTIONAL_PARAMS["operator_tag"] = VENDOR_TAG
smpplib.command.SubmitSM.params["operator_tag"] = smpplib.command.Param(type=smpplib.command.ostr, max=64)
smpplib.command.SubmitSM.params_order += ("operator_tag",)

failures = 0


def check(good, what):
    global failures
    failures += not good
    print(f"{'ok' if good else 'not ok'} - smpplib: {what}", flush=True)


def text_of(characters):
    return "测" * (characters - len(SIGNATURE)) + SIGNATURE


class Sender:
    def __init__(self, host, port, account, password):
        self.answers = {}  # sequence number -> (status, message id)
        self.receipts = {}  # message id -> the deliver_sm
        self.client = smpplib.client.Client(host, int(port), timeout=5)
        self.client.set_message_sent_handler(self.answered)
        self.client.set_message_received_handler(self.received)
        self.client.set_error_pdu_handler(lambda pdu: None)  # message_sent_handler sees it as well
        self.client.connect()
        self.client.bind_transceiver(system_id=account, password=password)

    def answered(self, pdu):
        self.answers[pdu.sequence] = (pdu.status, (pdu.message_id or b"").decode())

    def received(self, pdu):
        found = re.match(rb"id:(\S+) .*stat:DELIVRD", pdu.short_message or b"")
        if found:
            self.receipts[found[1].decode()] = pdu

    def read_until(self, condition):
        end = time.monotonic() + SECONDS_MAX
        while not condition() and time.monotonic() < end:
            self.client.read_once()

    def submit(self, number, text):
        parts, coding, esm_class = smpplib.gsm.make_parts(text)
        assert len(parts) == 1, "the texts fit one message"
        request = self.client.send_message(
            source_addr_ton=smpplib.consts.SMPP_TON_UNK,
            source_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
            source_addr=SOURCE,
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
            dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
            destination_addr=number,
            short_message=parts[0],
            data_coding=coding,
            esm_class=esm_class,
            registered_delivery=True,
            user_message_reference=7,
            operator_tag=VENDOR_VALUE,
        )
        self.read_until(lambda: request.sequence in self.answers)
        return self.answers.get(request.sequence, (None, ""))

    def enquire_link(self):
        request = smpplib.smpp.make_pdu("enquire_link", client=self.client)
        self.client.send_pdu(request)
        answer = self.client.read_pdu()
        return answer.command == "enquire_link_resp" and answer.sequence == request.sequence


def in_journal(path, number, octets):
    pattern = re.compile(rf"^\d+ \d+ in .*{number.encode().hex()}.*{octets.hex()}", re.MULTILINE)
    with open(path) as journal:
        return bool(pattern.search(journal.read()))


def main(host, port, account, password, number, journal=None):
    other = str(int(number) + 1)
    sender = Sender(host, port, account, password)
    check(True, "bound as transceiver")
    check(sender.enquire_link(), "enquire_link is answered")

    sent = [sender.submit(number, text_of(65))]
    check(sent[0][0] == 0 and sent[0][1] != "", f"65 characters are taken: {sent[0]}")
    sent.append(sender.submit(other, text_of(66)))
    check(sent[1][0] == TOO_LONG_STATUS, f"66 characters are answered {TOO_LONG_STATUS:#04x}: {sent[1]}")
    sent.append(sender.submit(number, text_of(40)))
    check(sent[2][0] == SECOND_STATUS, f"a second message is answered {SECOND_STATUS:#04x}: {sent[2]}")
    if TOO_LONG_STATUS != 0:
        sent.append(sender.submit(other, text_of(65)))
        check(sent[3][0] == 0, f"a refusal leaves nothing behind: {sent[3]}")

    taken = {message_id for status, message_id in sent if status == 0}
    sender.read_until(lambda: taken <= sender.receipts.keys())
    check(taken == sender.receipts.keys(), f"{len(taken)} receipts, one for each message taken")
    check(all(pdu.esm_class == 0x04 for pdu in sender.receipts.values()), "receipts have esm_class 0x04")
    if journal:
        tlv = struct.pack(">HH", VENDOR_TAG, len(VENDOR_VALUE)) + VENDOR_VALUE
        check(in_journal(journal, number, tlv), "the vendor TLV reached the SMSC unchanged")

    check(sender.client.unbind().command == "unbind_resp", "unbind is answered")
    sender.client.disconnect()


if __name__ == "__main__":
    if not 6 <= len(sys.argv) <= 7:
        sys.exit(__doc__)
    main(*sys.argv[1:])
    sys.exit(failures != 0)
