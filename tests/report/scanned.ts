/**
 * A state file as runs leave it, written by what writes it in the program.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ScanRow, ScanStore } from "../../src/state/scan_store.ts";
import { StateFile } from "../../src/state/state_file.ts";

/** The middle of an hour. */
export const NOW_MS = Date.UTC(2026, 10, 22, 12, 30);
export const HOUR_MS = 3_600_000;

const LOG = { error: (text: string) => assert.fail(text), notice: () => {} };

const EVENTS = {
  tcp: { protocol: "TCP", type: "TCP SYN/Normal scan" },
  udp: { protocol: "UDP", type: "UDP" },
  icmp: { protocol: "ICMP", type: "ICMP echo request" },
} as const;

/** A scan that ended so long before now. */
export function scan(agoMs: number, scan: Partial<ScanRow> = {}): ScanRow {
  return {
    source: "192.0.2.9",
    kind: "vertical",
    tool: "nmap SYN",
    firstMs: NOW_MS - agoMs - 60_000,
    lastMs: NOW_MS - agoMs,
    packets: 100,
    ports: 50,
    targets: 1,
    samplePorts: ["tcp/22", "tcp/23"],
    blocked: false,
    ...scan,
  };
}

/** Events of the hour that was `hoursAgo`, such as `tcp/23` or `icmp`, and scans, in the file at `path`. */
export function write(
  path: string,
  hoursAgo: number,
  ports: readonly string[],
  scans: readonly ScanRow[] = [],
  blocks = 0,
): void {
  const atMs = NOW_MS - hoursAgo * HOUR_MS;
  const store = new ScanStore(path, LOG, atMs);
  for (const name of ports) {
    const [protocol, port = "0"] = name.split("/");
    store.count({ ...EVENTS[protocol as keyof typeof EVENTS], port: Number(port) });
  }
  for (let i = 0; i < blocks; i++) store.countBlock();
  store.add(scans);
  store.write(atMs);
  store.close();
}

/** Blocks of hosts that end so long from now; undefined: never. */
export function block(
  path: string,
  hosts: Record<string, number | undefined>,
  reason = "TCP port 23",
) {
  const state = StateFile.open(path);
  state.add(
    Object.entries(hosts).map(([host, ends], i) => ({
      host,
      startMs: NOW_MS - HOUR_MS + i,
      endMs: ends === undefined ? undefined : NOW_MS + ends,
      reason,
      count: i + 1,
    })),
  );
  state.close();
}

/** Calls `use` with the path of a file that is not there yet. */
export function withFile(use: (path: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  try {
    use(`${folder}/state.db`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
