import assert from "node:assert/strict";
import { BlockMode, type Config, defaultConfig } from "../src/config/config.ts";
import { IgnoreList } from "../src/config/ignore_list.ts";
import { parseNetwork } from "../src/config/network.ts";
import { PortSet } from "../src/config/ports.ts";
import { LineBatch } from "../src/log/line_batch.ts";
import { formatLocalTime } from "../src/log/local_time.ts";
import { LinkType } from "../src/packet/decode.ts";
import { Replay, type ReplayParts } from "../src/replay.ts";
import { Savefile } from "../src/sentry/savefile.ts";
import { ipv4, ipv6, tcp } from "./frames.ts";
import { pcap, type Timed } from "./savefiles.ts";
import { eventLine } from "./system/program.ts";

const PORTS = new PortSet([{ first: 1, last: 100 }]);
const SOURCE = "192.0.2.9";

/** The lines for frames of raw IP. */
async function lines(
  frames: Timed[],
  { config, ignore = [], to, verbose = false }: {
    config?: Partial<Config>;
    ignore?: string[];
    to?: string[];
    verbose?: boolean;
  } = {},
): Promise<{ lines: string[]; replay: Replay }> {
  let text = "";
  const list = (networks: string[]) => new IgnoreList(networks.map((one) => parseNetwork(one)!));
  const output = new LineBatch({
    write(bytes) {
      text += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  });
  const parts: ReplayParts = {
    config: { ...defaultConfig("c"), ignoreFile: "i", tcpPorts: PORTS, ...config },
    ignore: list(ignore),
    to: to && list(to),
    disableLocalCheck: false,
    verbose,
    json: undefined,
    output,
  };
  const replay = new Replay(parts);
  const file = new Savefile();
  const bytes = pcap(frames, { linkType: LinkType.Raw });
  file.window.room().set(bytes);
  file.window.filled(bytes.length);
  while (file.next()) replay.take(file);
  replay.end();
  await output.write();
  return { lines: text.split("\n").slice(0, -1), replay };
}

const probe = (seconds = 0, port = 23): Timed => ({ bytes: ipv4(tcp({ port })), seconds });
const flagsOf = (line: string) => /triggered: \[(\w+)\]/.exec(line)?.[1];

Deno.test("Replay tells probes of watched ports, each behind its own local time", async () => {
  const frames = [probe(5), probe(6, 443), { bytes: ipv4(tcp({ flags: 0x12 })) }];
  const expected = `${formatLocalTime(5000)} ${eventLine({ source: SOURCE, port: 23 })}`;
  assert.deepEqual((await lines(frames)).lines, [expected]);
});

Deno.test("Replay counts SCAN_TRIGGER_WINDOW by the packets' own times", async () => {
  const config = { scanTrigger: 2, scanTriggerWindowS: 60 };
  const told = (await lines([0, 61, 100, 150, 211].map((at) => probe(at)), { config })).lines;
  const events = told.filter((line) => line.includes("Scan from:"));
  assert.deepEqual(events.map(flagsOf), ["false", "false", "true", "true", "false"]);
});

Deno.test("Replay tells what goes to the destinations it is given, and to all without any", async () => {
  const frames = [probe(), { bytes: ipv6(tcp()) }, {
    bytes: ipv4(tcp(), { destination: [192, 0, 2, 2] }),
  }];
  for (
    const [to, count] of [
      [undefined, 3],
      [["192.0.2.1"], 1],
      [["192.0.2.0/30"], 2],
      [["192.0.2.2", "2001:db8::/32"], 2],
      [["203.0.113.1"], 0],
    ] as const
  ) {
    const told = (await lines(frames, to ? { to: [...to] } : {})).lines;
    assert.equal(told.length, count, String(to));
  }
});

Deno.test("Replay blocks nobody, whatever the configuration would", async () => {
  const config = { blockTcp: BlockMode.Block, killRoute: "false $TARGET$" };
  const flags = ["false", "true", "false", "false"];
  const line = eventLine({ source: SOURCE, port: 23, flags });
  for (const told of (await lines([probe(), probe()], { config })).lines) {
    assert.ok(told.endsWith(` ${line}`), told);
  }
});

Deno.test("Replay tells a scan when it ends by the packets' own times, or with the file", async () => {
  const scan = (at: number) => [1, 2, 3].map((port) => probe(at + port, port));
  const frames = [...scan(0), { bytes: ipv4(tcp({ port: 443 })), seconds: 100 }, ...scan(200)];
  const { lines: told } = await lines(frames, { config: { scanWindowS: 60 } });
  const kinds = told.map((line) => /Scan (from|summary)/.exec(line)?.[1]);
  const events = ["from", "from", "from"];
  assert.deepEqual(kinds, [...events, "summary", ...events, "summary"]);
  // The packet behind a leap ahead tells that it was no slip.
  for (const [index, toldAt, first] of [[3, 201, 1], [7, 203, 201]]) {
    const [time, ...rest] = told[index].split(" ");
    assert.equal(time, formatLocalTime(toldAt * 1000));
    const text = rest.join(" ");
    assert.ok(text.includes("kind: [vertical] tool: [unknown] packets: [3] ports: [3]"), text);
    assert.ok(text.includes(`first: [${formatLocalTime(first * 1000)}]`), text);
  }
});

const other = (seconds: number): Timed => ({ bytes: ipv4(tcp({ port: 443 })), seconds });

Deno.test("Replay ends no scan for one packet with a time far ahead", async () => {
  const frames = [probe(1, 1), probe(2, 2), other(4e9), probe(3, 3), probe(4e9, 4), probe(4, 5)];
  const { lines: told } = await lines(frames, { config: { scanWindowS: 60 } });
  const summaries = told.filter((line) => line.includes("Scan summary"));
  // Of the source's own slip it is not known whether all before was long ago.
  assert.deepEqual(summaries.map((line) => /packets: \[\d+\]/.exec(line)![0]), ["packets: [3]"]);
});

Deno.test("Replay goes on from a clock that was set back, and from one that was set ahead", async () => {
  for (const from of [1000, 100_000]) {
    const scan = [1, 2, 3].map((port) => probe(10_000 + port, port));
    const frames = [...scan, other(from), other(from + 30), other(from + 61), other(from + 122)];
    const { lines: told } = await lines(frames, { config: { scanWindowS: 60 } });
    const end = from < 10_000 ? from + 61 : from + 30;
    assert.equal(told.length, 4);
    assert.match(told[3], /Scan summary: .* packets: \[3\]/);
    assert.equal(told[3].split(" ")[0], formatLocalTime(end * 1000));
  }
});

Deno.test("Replay says more with -v: who was ignored, and sums", async () => {
  const frames = [probe(), { bytes: ipv4(tcp(), { protocol: 47 }) }];
  const { lines: told } = await lines(frames, { ignore: [SOURCE], verbose: true });
  const flags = ["true", "unset", "unset", "unset"];
  assert.deepEqual(told.map((line) => line.slice(line.indexOf(" ") + 1)), [
    `Host: ${SOURCE} found in ignore file i aborting actions`,
    eventLine({ source: SOURCE, port: 23, flags }),
    "2 packets, 1 events, 1 neither TCP nor UDP",
  ]);
});
