/**
 * Questions about the kernel's firewall (nf_tables), over netlink(7): each costs some microseconds,
 * however large the sets are. libnftables would fetch all of a set to answer the same.
 *
 * @module
 */
import { check, libc, SystemError } from "./libc.ts";
import {
  align,
  attribute,
  ATTRIBUTE_HEADER_BYTES,
  ERROR_CODE,
  HEADER_BYTES,
  message,
  nested,
  netfilterSocket,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  NLMSG_ERROR,
  text,
} from "./nft_message.ts";

const NLM_F_DUMP = 0x300;
const NLMSG_DONE = 3;
const ATTRIBUTE_TYPE = 0x3fff; // NLA_TYPE_MASK
const REPLY_BYTES = 65_536;
const ENOENT = 2; // <asm-generic/errno-base.h>

// <linux/netfilter/nf_tables.h>
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_GETSET = 10;
const NFT_MSG_GETSETELEM = 13;
const NFT_MSG_GETGEN = 16;
const NFTA_GEN_ID = 1;
const NFTA_TABLE_NAME = 1;
const NFTA_TABLE_FLAGS = 2;
const NFTA_TABLE_HANDLE = 4;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_HANDLE = 3;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_SET_TABLE = 1;
const NFTA_SET_NAME = 2;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_DATA_VALUE = 1;

/** A table of the family `inet`. */
export interface Table {
  /** A number that no other table of this boot has, not even one of the same name. */
  handle: bigint;
  /** NFT_TABLE_F_*: 0, unless it is dormant or somebody's own. */
  flags: number;
}

/** Asks about tables of the family `inet` in this network namespace. */
export class NftQuery {
  readonly #libc = libc();
  readonly #socket: number;
  readonly #reply = new DataView(new ArrayBuffer(REPLY_BYTES));

  /** @throws {SystemError} when the kernel has no netfilter */
  constructor() {
    this.#socket = netfilterSocket();
  }

  /**
   * The number of the ruleset, which every transaction makes one higher; 1 follows 2^32 - 1.
   *
   * @throws {SystemError} EPERM without CAP_NET_ADMIN, EINVAL without nf_tables
   */
  generation(): number {
    return this.#ask(NFT_MSG_GETGEN, 0, [])[0]?.get(NFTA_GEN_ID)?.getUint32(0) ?? 0;
  }

  /** A table, or undefined when there is none of that name. */
  table(name: string): Table | undefined {
    const [answer] = this.#ask(NFT_MSG_GETTABLE, 0, [text(NFTA_TABLE_NAME, name)]);
    if (!answer) return undefined;
    return {
      handle: answer.get(NFTA_TABLE_HANDLE)?.getBigUint64(0) ?? 0n,
      flags: answer.get(NFTA_TABLE_FLAGS)?.getUint32(0) ?? 0,
    };
  }

  /** The names of a table's sets. */
  sets(table: string): string[] {
    return this.#ask(NFT_MSG_GETSET, NLM_F_DUMP, [text(NFTA_SET_TABLE, table)])
      .map((answer) => nameIn(answer.get(NFTA_SET_NAME)));
  }

  /** A chain's rules in their order, each as a text that changes when the rule does. */
  rules(table: string, chain: string): string[] {
    const answers = this.#ask(NFT_MSG_GETRULE, NLM_F_DUMP, [
      text(NFTA_RULE_TABLE, table),
      text(NFTA_RULE_CHAIN, chain),
    ]);
    return answers.map((answer) => {
      const handle = answer.get(NFTA_RULE_HANDLE)?.getBigUint64(0);
      // A rule that is replaced keeps its handle.
      const expressions = answer.get(NFTA_RULE_EXPRESSIONS);
      return `${handle} ${expressions ? expressionsText(expressions) : ""}`;
    });
  }

  /** Whether a set has an element that has not timed out; a set that is not there has none. */
  hasElement(table: string, set: string, key: Uint8Array): boolean {
    const value = attribute(NFTA_DATA_VALUE, key);
    const element = nested(NFTA_LIST_ELEM, nested(NFTA_SET_ELEM_KEY, value));
    return this.#ask(NFT_MSG_GETSETELEM, 0, [
      text(NFTA_SET_ELEM_LIST_TABLE, table),
      text(NFTA_SET_ELEM_LIST_SET, set),
      nested(NFTA_SET_ELEM_LIST_ELEMENTS, element),
    ]).length > 0;
  }

  /** Gives the socket back. */
  close(): void {
    this.#libc.close(this.#socket);
  }

  /**
   * Sends a question and collects the attributes of each message of the answer.
   *
   * @returns nothing when what was asked for is not there
   * @throws {SystemError} with the kernel's own error
   */
  #ask(type: number, flags: number, attributes: Uint8Array[]): Map<number, DataView>[] {
    const request = message(NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, 0, attributes);
    const length = BigInt(request.length);
    check(this.#libc.send(this.#socket, request, length, 0), "send(nf_tables)");
    const answers: Map<number, DataView>[] = [];
    while (!this.#receive(answers, flags === NLM_F_DUMP));
    return answers;
  }

  /** @returns whether the answer is complete: a single one is, and a dump says so at its end */
  #receive(answers: Map<number, DataView>[], dump: boolean): boolean {
    const size = BigInt(REPLY_BYTES);
    const received = check(this.#libc.recv(this.#socket, this.#reply, size, 0), "recv(nf_tables)");
    for (let offset = 0; offset + HEADER_BYTES <= received;) {
      const length = this.#reply.getUint32(offset, true);
      const type = this.#reply.getUint16(offset + 4, true);
      if (type === NLMSG_DONE) return true;
      if (type === NLMSG_ERROR) {
        const code = -this.#reply.getInt32(offset + ERROR_CODE, true);
        if (code === ENOENT) return true;
        throw new SystemError("nf_tables", code);
      }
      answers.push(attributesOf(this.#reply, offset + HEADER_BYTES, offset + length));
      offset += align(length);
    }
    return !dump;
  }
}

/** Copies of the attributes between two places, by type; their numbers are big-endian. */
function attributesOf(message: DataView, start: number, end: number): Map<number, DataView> {
  return new Map(attributesIn(message, start, end));
}

/** The same, one after the other, for lists, where all are of one type. */
function* attributesIn(
  message: DataView,
  start: number,
  end: number,
): Generator<[type: number, value: DataView]> {
  for (let offset = start; offset + ATTRIBUTE_HEADER_BYTES <= end;) {
    const length = message.getUint16(offset, true);
    if (length < ATTRIBUTE_HEADER_BYTES || offset + length > end) break;
    const type = message.getUint16(offset + 2, true) & ATTRIBUTE_TYPE;
    const from = message.byteOffset + offset + ATTRIBUTE_HEADER_BYTES;
    const value = message.buffer.slice(from, from + length - ATTRIBUTE_HEADER_BYTES);
    yield [type, new DataView(value as ArrayBuffer)];
    offset += align(length);
  }
}

/** A rule's expressions as text, without what its counter has counted. */
function expressionsText(list: DataView): string {
  return Array.from(attributesIn(list, 0, list.byteLength), ([, expression]) => {
    const parts = attributesOf(expression, 0, expression.byteLength);
    const name = nameIn(parts.get(NFTA_EXPR_NAME));
    const data = parts.get(NFTA_EXPR_DATA);
    return name === "counter" || !data ? name : name + new Uint8Array(data.buffer).toHex();
  }).join(" ");
}

function nameIn(value: DataView | undefined): string {
  return new TextDecoder().decode(value).replace("\0", "");
}
