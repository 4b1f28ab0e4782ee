/**
 * Changes the elements of sets of the kernel's firewall, in the kernel's own messages. libnftables
 * does the same in half a millisecond, most of which it spends on learning what tables there are: that
 * is too long between a probe and the packet behind it. Of 100,000 elements it makes text, and of the
 * text messages, in three times as long as the kernel takes for them.
 *
 * @module
 */
import { check, libc, SystemError } from "./libc.ts";
import { ATTRIBUTE_HEADER_BYTES } from "./netlink_message.ts";
import {
  attribute,
  joined,
  message,
  netfilterSocket,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  NFPROTO_UNSPEC,
  NLA_F_NESTED,
  text,
} from "./nft_message.ts";
import { batchError } from "./nft_reply.ts";

const SOL_SOCKET = 1; // <asm-generic/socket.h>
const SO_SNDBUF = 7;
const SO_SNDBUFFORCE = 32;
const MSG_DONTWAIT = 0x40; // <bits/socket.h>
const FLAGS = 6; // struct nlmsghdr, <linux/netlink.h>
const NLM_F_ACK = 0x04;
const NLM_F_CREATE = 0x400;
const NFNL_MSG_BATCH_BEGIN = 0x10; // <linux/netfilter/nfnetlink.h>
const NFNL_MSG_BATCH_END = 0x11;

// <linux/netfilter/nf_tables.h>
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_SET_ELEM_USERDATA = 6;
const NFTA_DATA_VALUE = 1;
const TIMEOUT_BYTES = ATTRIBUTE_HEADER_BYTES + 8;

/** Every socket has room for that: <net/sock.h>, SOCK_MIN_SNDBUF. */
const SMALL_BATCH_BYTES = 2048;

/** The kind of what a comment is kept as: <libnftnl/udata.h>, NFTNL_UDATA_SET_ELEM_COMMENT. */
const COMMENT = 0;

/** Elements of a message, whose attribute is well below the 64 KiB that its length can say. */
const MOST_ELEMENTS = 1000;

const BATCH_BEGIN = boundary(NFNL_MSG_BATCH_BEGIN);
const BATCH_END = boundary(NFNL_MSG_BATCH_END);

/** An element with the time after which it is gone. */
export interface Element {
  /** In network order. */
  key: Uint8Array;
  /** In milliseconds; undefined: it stays. */
  timeoutMs: number | undefined;
  /** For people, who see it in nft's lists: less than 100 characters of ASCII. */
  comment?: string;
}

/** One step of a transaction. */
export interface SetChange {
  /** An element that is added again stays as it is; one that is deleted must be there. */
  change: "add" | "delete";
  set: string;
  /** Undefined deletes all. */
  elements: readonly Element[] | undefined;
}

/** A way to the sets of one table of the family `inet`. */
export class NftElements {
  readonly #table: string;
  /** The attributes that name the table and a set, by the set's name. */
  readonly #names = new Map<string, Uint8Array>();
  readonly #socket = netfilterSocket();
  readonly #reply = new DataView(new ArrayBuffer(4096));

  constructor(table: string) {
    this.#table = table;
  }

  /**
   * Makes changes, one after the other, in one transaction: packets see all of them or none.
   *
   * @throws {SystemError} with the kernel's own error, EMSGSIZE when they are too many for one
   *   transaction; nothing has changed, then
   */
  run(changes: readonly SetChange[]): void {
    const messages = changes.flatMap((one) => this.#messages(one));
    askForAnswer(messages[messages.length - 1]);
    this.#send(joined([BATCH_BEGIN, ...messages, BATCH_END]));
    // All answers are there when the call is over; a batch that is refused as a whole has only one.
    let code: number | undefined;
    // An overflow reads as an error once, before what had still found room: none of that must be left
    // for the next batch.
    for (let failures = 0; failures < 2;) {
      const size = BigInt(this.#reply.byteLength);
      const length = Number(libc().recv(this.#socket, this.#reply, size, MSG_DONTWAIT));
      if (length <= 0) {
        failures++;
        continue;
      }
      const error = batchError(this.#reply, length);
      if (error !== undefined) code ||= error;
    }
    if (code === undefined) throw new SystemError("nf_tables has not answered", 0);
    if (code !== 0) throw new SystemError("nf_tables", code);
  }

  close(): void {
    libc().close(this.#socket);
  }

  /** A transaction is one message to the socket, however large. */
  #send(batch: Uint8Array<ArrayBuffer>): void {
    const { send, setsockopt } = libc();
    if (batch.length > SMALL_BATCH_BYTES) {
      // The kernel doubles it, for what it needs beside.
      const size = Uint32Array.of(batch.length);
      // In a container with users of its own there is a limit, net.core.wmem_max: what is larger than
      // twice that is refused.
      if (setsockopt(this.#socket, SOL_SOCKET, SO_SNDBUFFORCE, size, 4) !== 0) {
        check(setsockopt(this.#socket, SOL_SOCKET, SO_SNDBUF, size, 4), "setsockopt(nf_tables)");
      }
    }
    check(send(this.#socket, batch, BigInt(batch.length), 0), "send(nf_tables)");
  }

  #messages({ change, set, elements }: SetChange): Uint8Array<ArrayBuffer>[] {
    const type = change === "add" ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM;
    const flags = change === "add" ? NLM_F_CREATE : 0;
    const names = this.#namesOf(set);
    const one = (more: Uint8Array[]) =>
      message(NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, 0, [names, ...more]);
    if (!elements) return [one([])];
    return Array.from({ length: Math.ceil(elements.length / MOST_ELEMENTS) }, (_, i) => {
      const part = elements.slice(i * MOST_ELEMENTS, (i + 1) * MOST_ELEMENTS);
      return one([elementList(part)]);
    });
  }

  #namesOf(set: string): Uint8Array {
    let names = this.#names.get(set);
    if (names === undefined) {
      names = joined([
        text(NFTA_SET_ELEM_LIST_TABLE, this.#table),
        text(NFTA_SET_ELEM_LIST_SET, set),
      ]);
      this.#names.set(set, names);
    }
    return names;
  }
}

function boundary(type: number): Uint8Array {
  return message(type, 0, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES, []);
}

/**
 * Refusals come unasked. That the rest has been done is to be said once: a receive buffer has no room
 * for as many answers as a large batch has messages.
 */
function askForAnswer(message: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(message.buffer);
  view.setUint16(FLAGS, view.getUint16(FLAGS, true) | NLM_F_ACK, true);
}

/** An attribute with elements, in one buffer: of 100,000 the pieces would cost a tenth of a second. */
function elementList(elements: readonly Element[]): Uint8Array {
  let length = ATTRIBUTE_HEADER_BYTES;
  for (const element of elements) length += elementBytes(element);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  const header = (start: number, end: number, type: number) => {
    view.setUint16(start, end - start, true);
    view.setUint16(start + 2, type, true);
  };
  header(0, length, NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
  let start = ATTRIBUTE_HEADER_BYTES;
  for (const element of elements) {
    const { key, timeoutMs, comment } = element;
    const end = start + elementBytes(element);
    const keyStart = start + ATTRIBUTE_HEADER_BYTES;
    const keyEnd = keyStart + 2 * ATTRIBUTE_HEADER_BYTES + key.length;
    header(start, end, NFTA_LIST_ELEM | NLA_F_NESTED);
    header(keyStart, keyEnd, NFTA_SET_ELEM_KEY | NLA_F_NESTED);
    header(keyStart + ATTRIBUTE_HEADER_BYTES, keyEnd, NFTA_DATA_VALUE);
    bytes.set(key, keyEnd - key.length);
    if (timeoutMs !== undefined) {
      header(keyEnd, keyEnd + TIMEOUT_BYTES, NFTA_SET_ELEM_TIMEOUT);
      // A BigInt of each would be garbage.
      view.setUint32(keyEnd + ATTRIBUTE_HEADER_BYTES, Math.floor(timeoutMs / 2 ** 32));
      view.setUint32(keyEnd + ATTRIBUTE_HEADER_BYTES + 4, timeoutMs % 2 ** 32);
    }
    if (comment !== undefined) {
      const userdata = commentAttribute(comment);
      bytes.set(userdata, end - userdata.length);
    }
    start = end;
  }
  return bytes;
}

function elementBytes({ key, timeoutMs, comment }: Element): number {
  return 3 * ATTRIBUTE_HEADER_BYTES + key.length + (timeoutMs === undefined ? 0 : TIMEOUT_BYTES) +
    (comment === undefined ? 0 : commentAttribute(comment).length);
}

function commentAttribute(comment: string): Uint8Array {
  const value = new TextEncoder().encode(comment + "\0");
  return attribute(NFTA_SET_ELEM_USERDATA, Uint8Array.of(COMMENT, value.length, ...value));
}
