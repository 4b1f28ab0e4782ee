/**
 * What the kernel's firewall (nf_tables) answers: <linux/netfilter/nf_tables.h>. Nothing here reads
 * beyond what it is given, whatever the lengths inside say.
 *
 * @module
 */
import {
  attributesIn,
  errorOf,
  HEADER_BYTES as NLMSG_BYTES,
  NLMSG_DONE,
  NLMSG_ERROR,
  walkMessages,
} from "./netlink_message.ts";
import { HEADER_BYTES } from "./nft_message.ts";

const NFTA_GEN_ID = 1;
const NFTA_TABLE_FLAGS = 2;
const NFTA_TABLE_HANDLE = 4;
const NFTA_RULE_HANDLE = 3;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_SET_NAME = 2;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;

/** The attributes of a message, by type: copies, whose numbers are big-endian. */
export type Attributes = ReadonlyMap<number, DataView>;

/** A table of the family `inet`. */
export interface Table {
  /** A number that no other table of this boot has, not even one of the same name. */
  handle: bigint;
  /** NFT_TABLE_F_*: 0, unless it is dormant or somebody's own. */
  flags: number;
}

/** What was received at once of an answer. */
export interface Part {
  answers: Attributes[];
  /** Whether the kernel has said that nothing more comes. */
  ended: boolean;
  /** The errno that it has refused with; 0 for none. */
  error: number;
}

/** Reads `received` bytes of an answer; undefined when they are none. */
export function readPart(reply: DataView, received: number): Part | undefined {
  const part: Part = { answers: [], ended: false, error: 0 };
  const good = walkMessages(reply, received, (start, end, type) => {
    part.ended = type === NLMSG_DONE || type === NLMSG_ERROR;
    if (type === NLMSG_ERROR) part.error = errorOf(reply, start, end);
    else if (!part.ended) part.answers.push(attributesOf(reply, start + HEADER_BYTES, end));
    return !part.ended;
  });
  return good ? part : undefined;
}

/**
 * The first error among the answers to a batch; 0 when the kernel says that all went well, undefined
 * when it says nothing. An answer quotes what it is about, and so its end may be cut off.
 */
export function batchError(reply: DataView, received: number): number | undefined {
  let code: number | undefined;
  for (let offset = 0; offset + NLMSG_BYTES <= received;) {
    const length = reply.getUint32(offset, true);
    const type = reply.getUint16(offset + 4, true);
    if (length < NLMSG_BYTES) break;
    if (type === NLMSG_ERROR && offset + NLMSG_BYTES + 4 <= received) {
      code ||= -reply.getInt32(offset + NLMSG_BYTES, true);
    }
    offset += length + (-length & 3);
  }
  return code;
}

/** The number of the ruleset; 0 when it does not say. */
export function generationOf(answer: Attributes | undefined): number {
  return u32(answer?.get(NFTA_GEN_ID));
}

/** A table of which the kernel tells. */
export function tableOf(answer: Attributes): Table {
  return { handle: u64(answer.get(NFTA_TABLE_HANDLE)), flags: u32(answer.get(NFTA_TABLE_FLAGS)) };
}

/** The name of a set. */
export function setNameOf(answer: Attributes): string {
  return nameIn(answer.get(NFTA_SET_NAME));
}

/** A rule as a text that changes when the rule does: one that is replaced keeps its handle. */
export function ruleText(answer: Attributes): string {
  const expressions = answer.get(NFTA_RULE_EXPRESSIONS);
  return `${u64(answer.get(NFTA_RULE_HANDLE))} ${expressions ? expressionsText(expressions) : ""}`;
}

/** Copies of the attributes between two places: what comes next is received into the same memory. */
function attributesOf(message: DataView, start: number, end: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  for (const [type, value] of attributesIn(message, start, end)) {
    found.set(type, new DataView(value.slice().buffer));
  }
  return found;
}

/** A rule's expressions as text, without what its counter has counted. */
function expressionsText(list: DataView): string {
  return Array.from(
    attributesIn(list, 0, list.byteLength),
    ([, { buffer, byteOffset, length }]) => {
      const parts = attributesOf(new DataView(buffer, byteOffset, length), 0, length);
      const name = nameIn(parts.get(NFTA_EXPR_NAME));
      const data = parts.get(NFTA_EXPR_DATA);
      return name === "counter" || !data ? name : name + new Uint8Array(data.buffer).toHex();
    },
  ).join(" ");
}

function u32(value: DataView | undefined): number {
  return value && value.byteLength >= 4 ? value.getUint32(0) : 0;
}

function u64(value: DataView | undefined): bigint {
  return value && value.byteLength >= 8 ? value.getBigUint64(0) : 0n;
}

function nameIn(value: DataView | undefined): string {
  return new TextDecoder().decode(value).replace("\0", "");
}
