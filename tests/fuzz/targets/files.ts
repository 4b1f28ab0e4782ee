/**
 * The ignore file, the blocked file and the pidfile.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isIP } from "node:net";
import { parseIgnoreFile } from "../../../src/config/ignore_file.ts";
import { processIdOf } from "../../../src/daemon/pid_file.ts";
import { formatAddress } from "../../../src/packet/address.ts";
import {
  blockedRecord,
  NotABlockedFile,
  parseBlockedFile,
} from "../../../src/response/blocked_set.ts";
import { bytesTarget, type Target, textTarget } from "../target.ts";
import { assertFaults } from "./config.ts";

const FILE = "portsentry.ignore";
const PACKAGED = Deno.readTextFileSync(
  new URL("../../../packaging/portsentry.ignore", import.meta.url),
);
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** The bytes of an address as the runtime reads it, which is not how the program does. */
function bytesOf(address: string): number[] {
  if (isIP(address) === 4) return address.split(".").map(Number);
  const [head, tail = ""] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const words = (text: string) => text.split(":").filter((word) => word !== "");
  const zeros = Array(8 - words(head).length - words(tail).length).fill("0");
  return [...words(head), ...zeros, ...words(tail)]
    .flatMap((word) => [parseInt(word, 16) >> 8, parseInt(word, 16) & 0xff]);
}

/** A line that is one address or CIDR is taken exactly when the runtime takes the address. */
function assertLine(entry: string): void {
  const [, host, digits] = /^([0-9a-fA-F:.]+)(?:\/(\d+))?$/.exec(entry) ?? [];
  if (host === undefined) return;
  const family = isIP(host);
  const bits = family === 6 ? 128 : 32;
  const prefix = digits === undefined ? bits : Number(digits);
  const good = family !== 0 && prefix <= bits && (digits ?? "").length <= 3;
  const parsed = parseIgnoreFile(entry, FILE);
  assert.equal("ignore" in parsed, good, entry);
  if (!("ignore" in parsed)) return;
  const { ignore } = parsed;
  const bytes = bytesOf(host);
  const mapped = family === 6 && prefix >= 96 && MAPPED.every((byte, i) => bytes[i] === byte);
  const holds = (address: number[]) =>
    ignore.hasHost(mapped || family === 4 ? 4 : 6, Uint8Array.from(address.slice(mapped ? 12 : 0)));
  assert.ok(holds(bytes), `${entry} is not in its own list`);
  if (prefix === (mapped ? 96 : 0)) return;
  bytes[prefix - 1 >> 3] ^= 0x80 >> (prefix - 1 & 7);
  assert.ok(!holds(bytes), `${entry} holds a network beside it`);
}

function readsIgnoreFile(text: string): string {
  const parsed = parseIgnoreFile(text, FILE);
  const lines = text.split(/\r\n?|\n/).map((line) => line.replace(/#.*/s, "").trim());
  const entries = lines.filter((line) => line !== "");
  const bad = entries.filter((entry) => "faults" in parseIgnoreFile(entry, FILE));
  assert.equal("faults" in parsed, bad.length > 0);
  entries.forEach(assertLine);
  if ("faults" in parsed) {
    assertFaults(parsed.faults, text, FILE);
    assert.ok(parsed.faults.length >= bad.length);
    return JSON.stringify(parsed.faults);
  }
  return `${entries.length} lines`;
}

function readsBlockedFile(input: Uint8Array<ArrayBuffer>, length: number): string {
  const bytes = input.subarray(0, length);
  try {
    const { hosts, wholeBytes } = parseBlockedFile(bytes);
    const written = Uint8Array.from(hosts.flatMap((host) => [...blockedRecord(host)]));
    assert.deepEqual(written, bytes.slice(0, wholeBytes));
    assert.ok(length - wholeBytes < 18);
    return hosts.map((host) => formatAddress(host.length === 4 ? 4 : 6, host)).join(" ") +
      ` of ${wholeBytes}`;
  } catch (error) {
    if (error instanceof NotABlockedFile) return error.message;
    throw error;
  }
}

function readsPidFile(text: string): string {
  const pid = processIdOf(text);
  assert.match(pid, /^(?:[1-9]\d{0,9})?$/);
  if (/^[1-9]\d{0,6}\n$/.test(text)) assert.equal(`${pid}\n`, text);
  return pid;
}

export const FILE_TARGETS: Target[] = [
  textTarget("ignore-file", readsIgnoreFile, {
    dictionary: ["::", "::ffff:", "/", "/0", "/32", "/96", "/128", "#", "\n", "\r\n", "192.0.2.1"],
    seeds: [["as packaged", PACKAGED], [
      "as packaged, all of it",
      PACKAGED.replaceAll("\n#", "\n"),
    ]],
  }),
  bytesTarget("blocked-file", readsBlockedFile, {
    dictionary: ["0200", "0a00", "0200c0000209"].map((hex) => Uint8Array.fromHex(hex)),
  }),
  textTarget("pid-file", readsPidFile, { dictionary: ["\n", "1", "4194304", " "] }),
];
