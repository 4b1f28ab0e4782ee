/**
 * Questions about the kernel's firewall (nf_tables), over netlink(7): each costs some microseconds,
 * however large the sets are. libnftables would fetch all of a set to answer the same.
 *
 * @module
 */
import { check, libc, SystemError } from "./libc.ts";

const AF_NETLINK = 16; // <sys/socket.h>
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_NETFILTER = 12; // <linux/netlink.h>
const NLM_F_REQUEST = 0x01;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLA_F_NESTED = 0x8000;
const ATTRIBUTE_TYPE = 0x3fff; // NLA_TYPE_MASK
const HEADER_BYTES = 20; // struct nlmsghdr, then struct nfgenmsg: u8 family, u8 version, u16 resource
const ERROR_CODE = 16; // of struct nlmsgerr, behind struct nlmsghdr
const ATTRIBUTE_HEADER_BYTES = 4; // struct nlattr: u16 length, u16 type
const REPLY_BYTES = 65_536;
const ENOENT = 2; // <asm-generic/errno-base.h>
const NFPROTO_INET = 1; // <linux/netfilter.h>
const NFNL_SUBSYS_NFTABLES = 10; // <linux/netfilter/nfnetlink.h>

// <linux/netfilter/nf_tables.h>
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_GETSETELEM = 13;
const NFT_MSG_GETGEN = 16;
const NFTA_TABLE_NAME = 1;
const NFTA_TABLE_FLAGS = 2;
const NFTA_TABLE_HANDLE = 4;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_HANDLE = 3;
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
    this.#socket = check(
      this.#libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER),
      "socket(NETLINK_NETFILTER)",
    );
  }

  /**
   * Asks what every kernel with nf_tables can answer.
   *
   * @throws {SystemError} EPERM without CAP_NET_ADMIN, EINVAL without nf_tables
   */
  probe(): void {
    this.#ask(NFT_MSG_GETGEN, 0, []);
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

  /** The handles of a chain's rules in their order: a rule that is replaced gets another one. */
  ruleHandles(table: string, chain: string): bigint[] {
    const answers = this.#ask(NFT_MSG_GETRULE, NLM_F_DUMP, [
      text(NFTA_RULE_TABLE, table),
      text(NFTA_RULE_CHAIN, chain),
    ]);
    return answers.map((answer) => answer.get(NFTA_RULE_HANDLE)?.getBigUint64(0) ?? 0n);
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
    const body = joined(attributes);
    const request = new DataView(new ArrayBuffer(HEADER_BYTES + body.length));
    request.setUint32(0, request.byteLength, true);
    request.setUint16(4, NFNL_SUBSYS_NFTABLES << 8 | type, true);
    request.setUint16(6, NLM_F_REQUEST | flags, true);
    request.setUint8(16, NFPROTO_INET);
    new Uint8Array(request.buffer).set(body, HEADER_BYTES);
    const length = BigInt(request.byteLength);
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

/** A struct nlattr and its value, filled up to four bytes. */
function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align(ATTRIBUTE_HEADER_BYTES + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ATTRIBUTE_HEADER_BYTES + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, ATTRIBUTE_HEADER_BYTES);
  return bytes;
}

function nested(type: number, value: Uint8Array): Uint8Array {
  return attribute(type | NLA_F_NESTED, value);
}

function text(type: number, value: string): Uint8Array {
  return attribute(type, new TextEncoder().encode(value + "\0"));
}

function joined(parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** Copies of the attributes between two places, by type; their numbers are big-endian. */
function attributesOf(message: DataView, start: number, end: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  for (let offset = start; offset + ATTRIBUTE_HEADER_BYTES <= end;) {
    const length = message.getUint16(offset, true);
    if (length < ATTRIBUTE_HEADER_BYTES || offset + length > end) break;
    const type = message.getUint16(offset + 2, true) & ATTRIBUTE_TYPE;
    const from = message.byteOffset + offset + ATTRIBUTE_HEADER_BYTES;
    const value = message.buffer.slice(from, from + length - ATTRIBUTE_HEADER_BYTES);
    found.set(type, new DataView(value as ArrayBuffer));
    offset += align(length);
  }
  return found;
}

/** Messages and attributes start at multiples of four bytes (NLMSG_ALIGNTO, NLA_ALIGNTO). */
function align(length: number): number {
  return (length + 3) & ~3;
}
