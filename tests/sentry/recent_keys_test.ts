import assert from "node:assert/strict";
import { RecentKeys } from "../../src/sentry/recent_keys.ts";

/** The n-th of many keys. */
function key(n: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(n, n * 7, 1).buffer);
}

Deno.test("RecentKeys knows a key from note() on, and gives it the time of each refresh()", () => {
  const keys = new RecentKeys(64, 12);
  assert.equal(keys.refresh(key(1), 5), -1);
  assert.equal(keys.refresh(key(1), 6), -1);
  keys.note(key(1), 7, 80);
  assert.equal(keys.refresh(key(1), 8), 7);
  assert.equal(keys.refresh(key(1), 9), 8);
  assert.equal(keys.refresh(key(2), 9), -1);
});

Deno.test("RecentKeys tells which keys had to make room: the oldest", () => {
  const lost: [port: number, timeS: number][] = [];
  const keys = new RecentKeys(8, 12, (port, timeS) => lost.push([port, timeS]));
  for (let n = 1; n <= 8; n++) keys.note(key(n), n, n);
  keys.refresh(key(1), 100);
  keys.note(key(3), 101, 3);
  assert.deepEqual(lost, []);
  keys.note(key(9), 102, 9);
  keys.note(key(10), 103, 10);
  assert.deepEqual(lost, [[2, 2], [4, 4]]);
  assert.equal(keys.refresh(key(1), 104), 100);
  assert.equal(keys.refresh(key(2), 104), -1);
});

Deno.test("RecentKeys holds nearly as many keys as it has entries, and every one it has not told of", () => {
  const lost = new Set<number>();
  const keys = new RecentKeys(65_536, 12, (port) => lost.add(port));
  for (let n = 0; n < 40_000; n++) keys.note(key(n), n, n);
  assert.ok(lost.size < 2000, `${lost.size}`);
  for (let n = 0; n < 40_000; n++) {
    assert.equal(keys.refresh(key(n), 50_000), lost.has(n) ? -1 : n);
  }
  // Of strangers none is taken for known.
  for (let n = 100_000; n < 200_000; n++) assert.equal(keys.refresh(key(n), 1), -1);
});
