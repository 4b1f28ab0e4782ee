/**
 * What nft(8) says of Portsentry's table, for the tests of the firewall.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Network } from "./network.ts";

interface SetElement {
  elem?: { val: string; timeout?: number; expires?: number; comment?: string };
}

/** The elements of a set as nft lists them, without the mark that every set has. */
export async function elements(network: Network, set: string): Promise<string[]> {
  const { stdout } = await network.onWatched(`nft -j list set inet portsentry ${set}`);
  const { nftables } = JSON.parse(stdout) as { nftables: { set?: { elem: unknown[] } }[] };
  const all = nftables.find(({ set }) => set)!.set!.elem as (string | SetElement)[];
  const hosts = all.filter((one) => typeof one === "string" || one.elem!.comment === undefined)
    .map((one) => typeof one === "string" ? one : one.elem!.val);
  assert.equal(all.length, hosts.length + 1, "the mark is there");
  return hosts;
}

/** Seconds until an element ends. */
export async function secondsLeft(network: Network, set: string, host: string): Promise<number> {
  const { stdout } = await network.onWatched(`nft -j list set inet portsentry ${set}`);
  const { nftables } = JSON.parse(stdout) as { nftables: { set?: { elem: SetElement[] } }[] };
  const all = nftables.find(({ set }) => set)!.set!.elem;
  if (all.some((one) => (one as unknown) === host)) return Infinity;
  return all.find((one) => one.elem?.val === host)!.elem!.expires!;
}

/** Runs nft commands on the watched host, as somebody else. */
export async function nft(network: Network, commands: string): Promise<string> {
  return (await network.onWatched(`nft ${commands}`)).stdout;
}
