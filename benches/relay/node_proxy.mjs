#!/usr/bin/env node
// A proxy as it is written with node-smpp: every PDU is decoded, handed over and encoded again. It knows no rule.
//
// usage: node_proxy.mjs HOST PORT
//
// Prints the address on which it listens. The package `smpp` is found by NODE_PATH.

import { createRequire } from 'node:module';

const smpp = createRequire(import.meta.url)('smpp');
const [host, port] = process.argv.slice(2);

const server = smpp.createServer((sender) => {
  const smsc = smpp.connect({ host, port: Number(port) });
  const legs = [[sender, smsc], [smsc, sender]];
  for (const [from, to] of legs) {
    from.on('pdu', (pdu) => to.send(pdu));
    from.on('close', () => to.close());
    from.on('error', () => to.destroy());
  }
});
server.listen(0, '127.0.0.1', () => console.log(`127.0.0.1:${server.address().port}`));
