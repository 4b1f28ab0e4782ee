/**
 * A process with a firewall: `deno run firewall_host.ts` takes calls as lines of JSON on its standard
 * input, `["block", [["192.0.2.9", 5000]]]`, and answers each with a line, `{"value":…,"ms":…}` or
 * `{"error":…}`. Repairs and their failures come as lines of their own: `{"repair":…}`.
 *
 * @module
 */
import { Poller } from "../../ffi/epoll.ts";
import { Nftables } from "../../ffi/nftables.ts";
import { type Block, Firewall } from "../../src/response/firewall.ts";

const say = (line: unknown) => console.log(JSON.stringify(line));
const poller = new Poller();

/** What is in force, as an owner of the firewall knows it: with the times of their ends. */
const ends = new Map<string, number | undefined>();

function* current(): Iterable<Block> {
  for (const [host, end] of ends) {
    yield { host, remainingMs: end === undefined ? end : end - performance.now() };
  }
}

function blocksOf(list: [host: string, remainingMs?: number | null][]): Block[] {
  return list.map(([host, remainingMs]) => ({ host, remainingMs: remainingMs ?? undefined }));
}

function remember(blocks: Block[]): void {
  for (const { host, remainingMs } of blocks) {
    ends.set(host, remainingMs === undefined ? undefined : performance.now() + remainingMs);
  }
}

let firewall: Firewall;
const CALLS: Record<string, (argument: never) => unknown> = {
  open() {
    firewall = Firewall.open({
      poller,
      current,
      onRepair: (repair) => say({ repair }),
      onFailure: (failure) => say({ failure }),
    });
  },
  restore(list: [string, number?][]) {
    ends.clear();
    remember(blocksOf(list));
    firewall.restore(current());
  },
  /** Restores `count` hosts of 10.0.0.0/8. */
  restoreMany(count: number) {
    ends.clear();
    remember(blocksOf(many(count)));
    firewall.restore(current());
  },
  block(list: [string, number?][]) {
    const blocks = blocksOf(list);
    remember(blocks);
    firewall.block(blocks);
  },
  blockMany: (count: number) => firewall.block(blocksOf(many(count))),
  unblock(hosts: string[]) {
    for (const host of hosts) ends.delete(host);
    firewall.unblock(hosts);
  },
  unblockMany(count: number) {
    ends.clear();
    firewall.unblock(many(count).map(([host]) => host));
  },
  holds: (host: string) => firewall.holds(host),
  close(keep: boolean) {
    firewall.close(keep);
  },
  /** Changes the firewall so many times, as somebody else. */
  disturb(count: number) {
    const nft = new Nftables();
    for (let i = 0; i < count; i++) nft.run(`add table ip others${i}`);
    nft.run("flush ruleset");
    nft.close();
  },
};

function many(count: number): [string, number][] {
  return Array.from({ length: count }, (_, i) => [
    `10.${i >> 16}.${i >> 8 & 255}.${i & 255}`,
    3_600_000 + i,
  ]);
}

async function serve(): Promise<void> {
  let text = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      const [name, argument] = JSON.parse(line) as [string, never];
      const start = performance.now();
      try {
        const value = CALLS[name](argument);
        say({ value: value ?? null, ms: performance.now() - start });
      } catch (error) {
        say({ error: String(error) });
      }
    }
  }
  Deno.exit();
}

serve();
await poller.run();
