/**
 * What the kernel answers: interfaces, addresses, sockets, the firewall's table, who a process is.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parseCredentials } from "../../../ffi/credentials.ts";
import { SystemError } from "../../../ffi/libc.ts";
import { linkAddressOf, linkOf } from "../../../ffi/netlink.ts";
import { HEADER_BYTES, walkMessages } from "../../../ffi/netlink_message.ts";
import {
  batchError,
  generationOf,
  readPart,
  ruleText,
  setNameOf,
  tableOf,
} from "../../../ffi/nft_reply.ts";
import { copyEnds, stateIn, walkSockets } from "../../../ffi/sock_diag_reply.ts";
import { attribute, bytes, u32 } from "../../netlink.ts";
import { bytesTarget, type Seed, type Target, textTarget } from "../target.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const INET_DIAG_BYTES = 72;
const ENDS_BYTES = 36;

function message(type: number, ...parts: Uint8Array[]): Bytes {
  const body = bytes(...parts);
  return bytes(u32(HEADER_BYTES + body.length), u32(type), u32(0), u32(0), body);
}

const text = (value: string) => new TextEncoder().encode(`${value}\0`);
const seed = (name: string, ...messages: Bytes[]): Seed => ({ name, bytes: bytes(...messages) });
/** NLMSG_DONE and NLMSG_ERROR, and both with an error. */
const ENDS = [message(3, u32(0)), message(2, u32(0)), message(3, u32(-2)), message(2, u32(-1))];

function readsLinks(input: Bytes, length: number): string {
  const told: unknown[] = [];
  const view = new DataView(input.buffer);
  walkMessages(view, length, (start, end) => {
    const body = new DataView(input.buffer, start + HEADER_BYTES, end - start - HEADER_BYTES);
    const address = linkAddressOf(body);
    if (address) {
      const bits = address.address.length * 8;
      assert.ok(bits === 32 || bits === 128);
      assert.ok(address.prefix >= 0 && address.prefix <= bits);
    }
    told.push([linkOf(body), address && { ...address, address: address.address.toHex() }]);
  });
  return JSON.stringify(told);
}

function readsSockets(input: Bytes, length: number): string {
  const view = new DataView(input.buffer);
  const told: string[] = [];
  const ends = new Uint8Array(ENDS_BYTES);
  const error = walkSockets(view, length, (offset) => {
    assert.ok(offset >= HEADER_BYTES && offset + ENDS_BYTES < length);
    copyEnds(input, offset, ends);
    told.push(ends.toHex());
  });
  let state: number | string;
  try {
    state = stateIn(view, length);
    assert.ok(state >= 0 && state <= 255);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    state = error.message;
  }
  return JSON.stringify([error ?? "more", state, told]);
}

function readsTables(input: Bytes, length: number): string {
  const view = new DataView(input.buffer);
  const part = readPart(view, length);
  const answers = part?.answers.map((answer) => {
    const { handle, flags } = tableOf(answer);
    assert.ok(handle >= 0n && flags >= 0);
    return [String(handle), flags, generationOf(answer), setNameOf(answer), ruleText(answer)];
  });
  return JSON.stringify([answers, part?.ended, part?.error, batchError(view, length)]);
}

function readsStatus(status: string): string {
  const { uid, gid, groups, permitted, effective, bounding, noNewPrivileges } = parseCredentials(
    status,
  );
  for (const set of [permitted, effective, bounding]) assert.ok(set >= 0n);
  return [uid, gid, groups, permitted, effective, bounding, noNewPrivileges].join();
}

/** A rule with a counter: NFTA_RULE_TABLE, _CHAIN, _HANDLE and _EXPRESSIONS. */
const RULE = message(
  0x0a06,
  Uint8Array.of(1, 0, 0, 0),
  attribute(1, text("portsentry")),
  attribute(2, text("prerouting")),
  attribute(3, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 7)),
  attribute(
    0x8004,
    bytes(
      attribute(0x8001, bytes(attribute(1, text("counter")), attribute(0x8002, new Uint8Array(8)))),
      attribute(0x8001, bytes(attribute(1, text("cmp")), attribute(0x8002, Uint8Array.of(1, 2)))),
    ),
  ),
);
const TABLE = message(
  0x0a00,
  Uint8Array.of(1, 0, 0, 0),
  attribute(1, text("portsentry")),
  attribute(2, Uint8Array.of(0, 0, 0, 1)),
  attribute(4, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 9)),
);

export const NETLINK_TARGETS: Target[] = [
  bytesTarget("links", readsLinks, {
    dictionary: ["03000000", "0800030065746800", "0800010000000000", "1400", "0a00", "18"]
      .map((hex) => Uint8Array.fromHex(hex)),
    seeds: [
      seed(
        "an interface",
        message(16, new Uint8Array(16), attribute(3, text("eth0")), attribute(10, u32(7))),
      ),
      seed("an interface cut short", message(16, new Uint8Array(7))),
      seed(
        "addresses",
        message(20, Uint8Array.of(2, 24, 0, 0), u32(2), attribute(2, Uint8Array.of(192, 0, 2, 1))),
        message(20, Uint8Array.of(10, 64, 0, 0), u32(2), attribute(1, new Uint8Array(16))),
      ),
      seed("an address of no family", message(20, Uint8Array.of(2, 200, 0, 0), u32(2))),
    ],
  }),
  bytesTarget("sock-diag", readsSockets, {
    dictionary: ["02", "0a", "0201", "0a0a", "58000000", "14000000", "03000000"]
      .map((hex) => Uint8Array.fromHex(hex)),
    seeds: [
      seed(
        "two sockets",
        message(20, Uint8Array.of(2, 1), new Uint8Array(INET_DIAG_BYTES - 2)),
        message(20, Uint8Array.of(10, 10), new Uint8Array(INET_DIAG_BYTES - 2)),
        ENDS[0],
      ),
      ...ENDS.map((end, i) => seed(`end ${i}`, end)),
    ],
  }),
  bytesTarget("nft-reply", readsTables, {
    dictionary: ["0800", "0c000300", "04800100", "01800800", "636f756e74657200", "fcffffff"]
      .map((hex) => Uint8Array.fromHex(hex)),
    seeds: [
      seed("a rule", RULE, ENDS[0]),
      seed("a table", TABLE),
      seed(
        "numbers cut short",
        message(0x0a00, u32(1), attribute(1, u32(1)), attribute(4, u32(1))),
      ),
      seed("an answer without length", new Uint8Array(20)),
      seed("an error that quotes more than there is", ENDS[3].with(0, 0xff)),
      ...ENDS.map((end, i) => seed(`end ${i}`, end)),
    ],
  }),
  textTarget("proc-status", readsStatus, {
    dictionary: ["Uid:\t", "Gid:\t", "Groups:\t", "CapPrm:\t", "CapBnd:\t", "ffffffff", "\n"],
    seeds: [
      ["of this process", Deno.readTextFileSync("/proc/self/status")],
      ["sets that are none", "CapPrm:\tx\nCapEff:\nCapBnd:\t-1\nNoNewPrivs:\t1\n"],
    ],
  }),
];
