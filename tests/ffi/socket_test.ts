import assert from "node:assert/strict";
import { libc, SystemError } from "../../ffi/libc.ts";
import {
  accept,
  bindUdp,
  Family,
  listenTcp,
  localAddress,
  readableNow,
  SocketAddress,
} from "../../ffi/socket.ts";
import { formatAddress } from "../../src/packet/address.ts";

const ADDRESSES: [name: string, hex: string, version: 4 | 6, port: number, text: string][] = [
  ["sockaddr_in", "0200 1f90 c0000209 0000000000000000", 4, 8080, "192.0.2.9"],
  [
    "sockaddr_in6",
    "0a00 0017 00000000 20010db8000000000000000000000009 00000000",
    6,
    23,
    "2001:db8::9",
  ],
  [
    "sockaddr_in6 with an IPv4-mapped address",
    "0a00 ffff 00000000 00000000000000000000ffffc0000209 00000000",
    4,
    65535,
    "192.0.2.9",
  ],
  [
    "sockaddr_in6 with an address that only looks mapped",
    "0a00 0001 00000000 00000000000000010000ffffc0000209 00000000",
    6,
    1,
    "::1:0:ffff:c000:209",
  ],
];

for (const [name, hex, version, port, text] of ADDRESSES) {
  Deno.test(`SocketAddress reads a ${name}`, () => {
    const address = new SocketAddress();
    address.bytes.set(Uint8Array.fromHex(hex.replaceAll(" ", "")));
    const bytes = new Uint8Array(16);
    address.copyAddress(bytes);
    assert.deepEqual([address.version, address.port], [version, port]);
    assert.equal(formatAddress(version, bytes), text);
  });
}

Deno.test("listenTcp() and bindUdp() refuse a port that is taken, and keep no descriptor", () => {
  const own = new SocketAddress();
  for (const open of [(port: number) => listenTcp(Family.IPv4, port, 1), bindUdp4]) {
    const fd = open(0);
    assert.ok(localAddress(fd, own));
    assert.throws(() => open(own.port), (error) => {
      assert.ok(error instanceof SystemError);
      assert.equal(error.message, "bind: Address already in use");
      return true;
    });
    libc().close(fd);
    // The lowest free descriptor is the one that was just closed, or the refused one was kept.
    const next = open(0);
    assert.equal(next, fd);
    libc().close(next);
  }
});

function bindUdp4(port: number): number {
  return bindUdp(Family.IPv4, port);
}

Deno.test("accept() gives a connection with both addresses, and -1 when none waits", async () => {
  const listener = listenTcp(Family.IPv4, 0, 16);
  const own = new SocketAddress();
  const peer = new SocketAddress();
  localAddress(listener, own);
  assert.equal(accept(listener, peer), -1);
  assert.deepEqual(readableNow([listener]), []);
  const client = await Deno.connect({ hostname: "127.0.0.1", port: own.port });
  assert.deepEqual(readableNow([listener]), [0]);
  const fd = accept(listener, peer);
  assert.ok(fd >= 0);
  assert.equal(peer.port, (client.localAddr as Deno.NetAddr).port);
  assert.ok(localAddress(fd, own));
  assert.equal(own.port, (client.remoteAddr as Deno.NetAddr).port);
  client.close();
  libc().close(fd);
  libc().close(listener);
});
