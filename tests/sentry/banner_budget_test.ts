import assert from "node:assert/strict";
import { UDP_BANNERS_PER_MINUTE } from "../../src/limits.ts";
import { BannerBudget } from "../../src/sentry/banner_budget.ts";
import { SOURCE4, SOURCE6 } from "../frames.ts";

const KEY = new Int32Array([1, 2]);
const source4 = new Uint8Array([...SOURCE4, ...Array(12).fill(0)]);

/** How many of `times` datagrams get a banner. */
function spent(
  budget: BannerBudget,
  times: number,
  { version = 4, address = source4, port = 40_000, nowMs = 0 } = {},
): number {
  let count = 0;
  for (let i = 0; i < times; i++) if (budget.spend(version, address, port, nowMs)) count++;
  return count;
}

Deno.test("BannerBudget gives a source so many banners a minute, from whatever ports it asks", () => {
  const budget = new BannerBudget(KEY);
  assert.equal(spent(budget, 40), 40);
  assert.equal(spent(budget, 40, { port: 50_000 }), UDP_BANNERS_PER_MINUTE - 40);
  assert.equal(spent(budget, 40, { nowMs: 59_999 }), 0);
  assert.equal(spent(budget, 1, { nowMs: 60_000 }), 1);
});

Deno.test("BannerBudget gives system ports none", () => {
  const budget = new BannerBudget(KEY);
  for (const port of [0, 7, 19, 53, 1023]) assert.equal(spent(budget, 1, { port }), 0);
  assert.equal(spent(budget, 1, { port: 1024 }), 1);
});

Deno.test("BannerBudget counts IPv6 sources by their network, and others apart", () => {
  const budget = new BannerBudget(KEY);
  const address = Uint8Array.from(SOURCE6);
  assert.equal(spent(budget, 1000, { version: 6, address }), UDP_BANNERS_PER_MINUTE);
  address[15] ^= 1;
  assert.equal(spent(budget, 1, { version: 6, address }), 0);
  address[7] ^= 1;
  assert.equal(spent(budget, 1, { version: 6, address }), 1);
  assert.equal(spent(budget, 1), 1);
});

Deno.test("BannerBudget ignores what an IPv4 source left behind its four bytes", () => {
  const budget = new BannerBudget(KEY);
  spent(budget, 1000);
  const address = Uint8Array.from(source4);
  address.fill(7, 4);
  assert.equal(spent(budget, 1, { address }), 0);
});

Deno.test("BannerBudget bounds the banners of all spoofed sources together", () => {
  const budget = new BannerBudget(KEY);
  const address = new Uint8Array(16);
  let count = 0;
  for (let i = 0; i < 600_000; i++) {
    address[0] = i >> 16;
    address[1] = i >> 8;
    address[2] = i;
    count += spent(budget, 1, { address });
  }
  assert.ok(count <= 4096 * UDP_BANNERS_PER_MINUTE, `${count} banners`);
  assert.ok(count > 4000 * UDP_BANNERS_PER_MINUTE, `${count} banners: the hash spreads badly`);
});
