/**
 * Adds elements to sets of the kernel's firewall, in the kernel's own messages. libnftables does the
 * same in half a millisecond, most of which it spends on learning what tables there are: that is too
 * long between a probe and the packet behind it.
 *
 * @module
 */
import { check, libc, SystemError } from "./libc.ts";
import {
  attribute,
  ERROR_CODE,
  HEADER_BYTES,
  joined,
  message,
  nested,
  netfilterSocket,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  NFPROTO_UNSPEC,
  NLMSG_ERROR,
  text,
} from "./nft_message.ts";

const MSG_DONTWAIT = 0x40; // <bits/socket.h>
const NLM_F_ACK = 0x04; // <linux/netlink.h>
const NLM_F_CREATE = 0x400;
const NFNL_MSG_BATCH_BEGIN = 0x10; // <linux/netfilter/nfnetlink.h>
const NFNL_MSG_BATCH_END = 0x11;

// <linux/netfilter/nf_tables.h>
const NFT_MSG_NEWSETELEM = 12;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_TIMEOUT = 4;
const NFTA_DATA_VALUE = 1;

/** Elements whose attribute is well below the 64 KiB that its length can say. */
export const MOST_ELEMENTS = 1000;

/** An element with the time after which it is gone. */
export interface Element {
  /** In network order. */
  key: Uint8Array;
  /** In milliseconds; undefined: it stays. */
  timeoutMs: number | undefined;
}

/** Elements for one set. */
export interface SetElements {
  set: string;
  /** {@link MOST_ELEMENTS} at most. */
  elements: readonly Element[];
}

/** A way to the sets of one table of the family `inet`. */
export class NftElements {
  readonly #table: string;
  readonly #socket = netfilterSocket();
  readonly #reply = new DataView(new ArrayBuffer(4096));

  constructor(table: string) {
    this.#table = table;
  }

  /**
   * Adds elements in one transaction. One that is there already is left as it is.
   *
   * @throws {SystemError} with the kernel's own error; nothing has changed, then
   */
  add(sets: readonly SetElements[]): void {
    const boundary = (type: number) => message(type, 0, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES, []);
    const batch = joined([
      boundary(NFNL_MSG_BATCH_BEGIN),
      ...sets.map((one) => this.#message(one)),
      boundary(NFNL_MSG_BATCH_END),
    ]);
    check(libc().send(this.#socket, batch, BigInt(batch.length), 0), "send(nf_tables)");
    // All answers are there when the call is over; a batch that is refused as a whole has only one.
    let code = 0;
    let answered = false;
    for (;;) {
      const size = BigInt(this.#reply.byteLength);
      const length = Number(libc().recv(this.#socket, this.#reply, size, MSG_DONTWAIT));
      if (length <= 0) break;
      for (let offset = 0; offset + HEADER_BYTES <= length;) {
        if (this.#reply.getUint16(offset + 4, true) === NLMSG_ERROR) {
          code ||= -this.#reply.getInt32(offset + ERROR_CODE, true);
          answered = true;
        }
        offset += this.#reply.getUint32(offset, true) + 3 & ~3;
      }
    }
    if (!answered) throw new SystemError("nf_tables has not answered", 0);
    if (code !== 0) throw new SystemError("nf_tables", code);
  }

  close(): void {
    libc().close(this.#socket);
  }

  #message({ set, elements }: SetElements): Uint8Array {
    return message(
      NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM,
      NLM_F_ACK | NLM_F_CREATE,
      NFPROTO_INET,
      0,
      [
        text(NFTA_SET_ELEM_LIST_TABLE, this.#table),
        text(NFTA_SET_ELEM_LIST_SET, set),
        nested(NFTA_SET_ELEM_LIST_ELEMENTS, joined(elements.map(elementAttribute))),
      ],
    );
  }
}

function elementAttribute({ key, timeoutMs }: Element): Uint8Array {
  const parts = [nested(NFTA_SET_ELEM_KEY, attribute(NFTA_DATA_VALUE, key))];
  if (timeoutMs !== undefined) {
    const timeout = new DataView(new ArrayBuffer(8));
    timeout.setBigUint64(0, BigInt(timeoutMs));
    parts.push(attribute(NFTA_SET_ELEM_TIMEOUT, new Uint8Array(timeout.buffer)));
  }
  return nested(NFTA_LIST_ELEM, joined(parts));
}
