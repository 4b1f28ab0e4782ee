import assert from "node:assert/strict";
import fc from "fast-check";
import {
  blockedRecord,
  BlockedSet,
  NotABlockedFile,
  parseBlockedFile,
} from "../../src/response/blocked_set.ts";

const host = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
);

function fileOf(hosts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(hosts.flatMap((one) => [...blockedRecord(one)]));
}

Deno.test("parseBlockedFile() reads back what blockedRecord() wrote", () => {
  fc.assert(fc.property(fc.array(host), (hosts) => {
    const file = fileOf(hosts);
    const parsed = parseBlockedFile(file);
    assert.deepEqual(parsed.hosts.map((one) => [...one]), hosts.map((one) => [...one]));
    assert.equal(parsed.wholeBytes, file.length);
  }));
});

Deno.test("parseBlockedFile() keeps the whole records of a file cut anywhere", () => {
  fc.assert(fc.property(fc.array(host, { minLength: 1 }), fc.nat(1000), (hosts, cut) => {
    const file = fileOf(hosts).subarray(0, cut);
    const { hosts: kept, wholeBytes } = parseBlockedFile(file);
    assert.deepEqual(
      kept.map((one) => [...one]),
      hosts.slice(0, kept.length).map((one) => [...one]),
    );
    assert.equal(wholeBytes, fileOf(kept).length);
    assert.ok(file.length - wholeBytes < 18);
  }));
});

Deno.test("parseBlockedFile() takes any bytes for a blocked file or for none", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    try {
      assert.ok(parseBlockedFile(bytes).wholeBytes <= bytes.length);
    } catch (error) {
      assert.ok(error instanceof NotABlockedFile, String(error));
    }
  }));
});

Deno.test("BlockedSet remembers hosts across openings, each with one record", () => {
  const path = Deno.makeTempFileSync();
  const first = BlockedSet.open(path);
  for (const one of ["192.0.2.9", "2001:db8::9", "192.0.2.9"]) first.add(one);
  first.close();
  const second = BlockedSet.open(path);
  assert.equal(second.size, 2);
  assert.ok(second.has("192.0.2.9") && second.has("2001:db8::9"));
  assert.ok(!second.has("192.0.2.8"));
  second.close();
  assert.equal(Deno.statSync(path).size, 6 + 18);
  Deno.removeSync(path);
});

Deno.test("BlockedSet follows its file: deleted, replaced, or no blocked file any more", () => {
  const path = `${Deno.makeTempDirSync()}/blocked`;
  const set = BlockedSet.open(path);
  const written = () =>
    parseBlockedFile(Deno.readFileSync(path)).hosts.map((host) => host.join("."));
  set.add("192.0.2.1");
  Deno.removeSync(path);
  set.add("192.0.2.2");
  assert.deepEqual(written(), ["192.0.2.2"]);
  assert.ok(set.has("192.0.2.1"));

  // One that another program has written, its last record cut short.
  Deno.removeSync(path);
  Deno.writeFileSync(path, new Uint8Array([2, 0, 192, 0, 2, 7, 2, 0, 192]));
  set.add("192.0.2.3");
  assert.deepEqual(written(), ["192.0.2.7", "192.0.2.3"]);
  assert.ok(set.has("192.0.2.7"));

  Deno.removeSync(path);
  Deno.writeTextFileSync(path, "root:x:0:0\n");
  assert.throws(() => set.add("192.0.2.4"), NotABlockedFile);
  assert.throws(() => set.add("192.0.2.5"), NotABlockedFile);
  assert.equal(Deno.readTextFileSync(path), "root:x:0:0\n");
  Deno.removeSync(path);
  Deno.mkdirSync(path);
  assert.throws(() => set.add("192.0.2.6"));
  Deno.removeSync(path);
  set.add("192.0.2.8"); // with all that found no place meanwhile
  assert.deepEqual(written(), ["192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.8"]);
  set.close();
});

Deno.test("BlockedSet takes the next host as fast as the first while nothing can be written", () => {
  const folder = `${Deno.makeTempDirSync()}/folder`;
  const set = BlockedSet.open(`${folder}/blocked`);
  Deno.writeTextFileSync(folder, "");
  const start = performance.now();
  const hosts = Array.from({ length: 3000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  for (const host of hosts) assert.throws(() => set.add(host));
  const ms = performance.now() - start; // all of them each time would take 14 s
  assert.ok(ms < 5000, `${ms} ms`);
  Deno.removeSync(folder);
  set.add("192.0.2.1");
  const written = parseBlockedFile(Deno.readFileSync(`${folder}/blocked`)).hosts;
  assert.deepEqual(written.map((host) => host.join(".")), [...hosts, "192.0.2.1"]);
  set.close();
});
