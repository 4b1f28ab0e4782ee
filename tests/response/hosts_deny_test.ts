import assert from "node:assert/strict";
import { HostsDeny } from "../../src/response/hosts_deny.ts";

Deno.test("HostsDeny keeps what others wrote byte for byte, in whatever encoding", async () => {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/hosts.deny`;
  // "# Büro" in Latin-1, after a byte order mark, and lines that end in CR LF.
  const before = Uint8Array.from([
    0xef,
    0xbb,
    0xbf,
    0x23,
    0x20,
    0x42,
    0xfc,
    0x72,
    0x6f,
    0x0d,
    0x0a,
  ]);
  Deno.writeFileSync(path, before);
  const hostsDeny = new HostsDeny(path, `${folder}/new`);
  assert.equal(await hostsDeny.add("ALL: 192.0.2.9"), undefined);
  assert.equal(await hostsDeny.add("ALL: 192.0.2.9"), undefined);
  const line = new TextEncoder().encode("ALL: 192.0.2.9\n");
  assert.deepEqual(Deno.readFileSync(path), Uint8Array.from([...before, ...line]));
  Deno.removeSync(folder, { recursive: true });
});
