#!/usr/bin/env node
// A sender that uses node-smpp: every message in flight at once, callbacks as answers come.
//
// usage: node_client.mjs HOST PORT ACCOUNT PASSWORD NUMBER [JOURNAL]
//
// The arguments, TOO_LONG_STATUS and SECOND_STATUS are those of smpplib_client.py.
// The package `smpp` is found in node_modules beside or above this file, or by NODE_PATH.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const smpp = createRequire(import.meta.url)('smpp');

const [host, port, account, password, number, journal] = process.argv.slice(2);
if (!number) {
  console.error('usage: node_client.mjs HOST PORT ACCOUNT PASSWORD NUMBER [JOURNAL]');
  process.exit(2);
}

const SOURCE = '62021001';
const SIGNATURE = '。合肥移动 询0551-62620000';
const TOO_LONG_STATUS = Number(process.env.TOO_LONG_STATUS ?? 0x01);
const SECOND_STATUS = Number(process.env.SECOND_STATUS ?? 0x45);
const VENDOR_TAG = 0x1502;
const VENDOR_VALUE = Buffer.from('4148ff000a', 'hex');

smpp.addTLV('operator_tag', { id: VENDOR_TAG, type: smpp.types.tlv.buffer });

let failures = 0;
function check(good, what) {
  if (!good) failures += 1;
  console.log(`${good ? 'ok' : 'not ok'} - node-smpp: ${what}`);
}

function fail(what) {
  check(false, what);
  process.exit(1);
}

const hex = (value) => '0x' + value.toString(16).padStart(2, '0');
const textOf = (characters) => '测'.repeat(characters - SIGNATURE.length) + SIGNATURE;
const other = String(BigInt(number) + 1n);
const receipts = new Map(); // message id -> the deliver_sm

// The library has no timer of its own: an answer that never comes must end the run.
setTimeout(() => fail('no end within 30 s'), 30_000).unref();

const session = smpp.connect({ url: `smpp://${host}:${port}` });
session.on('error', (error) => fail(`connection: ${error.message}`));
session.on('deliver_sm', (pdu) => {
  session.send(pdu.response());
  const found = /^id:(\S+) .*stat:DELIVRD/.exec(pdu.short_message.message);
  if (found) receipts.set(found[1], pdu);
});

const request = (command, options = {}) => new Promise((answered) => session[command](options, answered));
const submit = (destination, text) =>
  request('submit_sm', {
    source_addr_ton: 0,
    source_addr_npi: 1,
    source_addr: SOURCE,
    dest_addr_ton: 0,
    dest_addr_npi: 1,
    destination_addr: destination,
    short_message: text, // node-smpp chooses UCS-2 by itself
    registered_delivery: 1,
    user_message_reference: 9,
    operator_tag: VENDOR_VALUE,
  });

const bound = await request('bind_transceiver', { system_id: account, password });
if (bound.command_status !== 0) fail(`bind is answered ${hex(bound.command_status)}`);
check(true, 'bound as transceiver');
check((await request('enquire_link')).command === 'enquire_link_resp', 'enquire_link is answered');

// Three requests in one burst: an answer of the gateway may overtake one of the SMSC.
const sent = await Promise.all([submit(number, textOf(65)), submit(other, textOf(66)), submit(number, textOf(40))]);
const [allowed, tooLong, second] = sent;
check(allowed.command_status === 0 && allowed.message_id, `65 characters are taken: ${allowed.message_id}`);
check(tooLong.command_status === TOO_LONG_STATUS, `66 characters are answered ${hex(tooLong.command_status)}`);
check(second.command_status === SECOND_STATUS, `a second message is answered ${hex(second.command_status)}`);
check(sent.every((pdu) => pdu.command === 'submit_sm_resp'), 'every answer is a submit_sm_resp');
if (TOO_LONG_STATUS !== 0) {
  const after = await submit(other, textOf(65));
  check(after.command_status === 0, 'a refusal leaves nothing behind');
  sent.push(after);
}

const taken = sent.filter((pdu) => pdu.command_status === 0).map((pdu) => pdu.message_id);
for (let tries = 0; tries < 100 && !taken.every((id) => receipts.has(id)); tries += 1) {
  await new Promise((later) => setTimeout(later, 100));
}
check(taken.every((id) => receipts.has(id)) && receipts.size === taken.length, `${taken.length} receipts, one for each message taken`);
check([...receipts.values()].every((pdu) => pdu.esm_class === 0x04), 'receipts have esm_class 0x04');
if (journal) {
  const tlv = Buffer.alloc(4);
  tlv.writeUInt16BE(VENDOR_TAG, 0);
  tlv.writeUInt16BE(VENDOR_VALUE.length, 2);
  const octets = Buffer.concat([tlv, VENDOR_VALUE]).toString('hex');
  const pattern = new RegExp(`^\\d+ \\d+ in .*${Buffer.from(number).toString('hex')}.*${octets}`, 'm');
  check(pattern.test(readFileSync(journal, 'utf8')), 'the vendor TLV reached the SMSC unchanged');
}

check((await request('unbind')).command === 'unbind_resp', 'unbind is answered');
session.close(() => process.exit(failures === 0 ? 0 : 1));
