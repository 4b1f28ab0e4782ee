/**
 * Questions about the kernel's firewall (nf_tables), over netlink(7): each costs some microseconds,
 * however large the sets are. libnftables would fetch all of a set to answer the same.
 *
 * @module
 */
import { check, libc, SystemError } from "./libc.ts";
import { NLM_F_DUMP } from "./netlink_message.ts";
import {
  attribute,
  message,
  nested,
  netfilterSocket,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  text,
} from "./nft_message.ts";
import {
  type Attributes,
  generationOf,
  readPart,
  ruleText,
  setNameOf,
  type Table,
  tableOf,
} from "./nft_reply.ts";

const REPLY_BYTES = 65_536;
const ENOENT = 2; // <asm-generic/errno-base.h>
const EBADMSG = 74; // <asm-generic/errno.h>

// <linux/netfilter/nf_tables.h>
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_GETSET = 10;
const NFT_MSG_GETSETELEM = 13;
const NFT_MSG_GETGEN = 16;
const NFTA_TABLE_NAME = 1;
const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_SET_TABLE = 1;
const NFTA_SET_ELEM_LIST_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_LIST_ELEM = 1;
const NFTA_SET_ELEM_KEY = 1;
const NFTA_DATA_VALUE = 1;

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
    return generationOf(this.#ask(NFT_MSG_GETGEN, 0, [])[0]);
  }

  /** A table, or undefined when there is none of that name. */
  table(name: string): Table | undefined {
    const [answer] = this.#ask(NFT_MSG_GETTABLE, 0, [text(NFTA_TABLE_NAME, name)]);
    return answer && tableOf(answer);
  }

  /** The names of a table's sets. */
  sets(table: string): string[] {
    return this.#ask(NFT_MSG_GETSET, NLM_F_DUMP, [text(NFTA_SET_TABLE, table)]).map(setNameOf);
  }

  /** A chain's rules in their order, each as a text that changes when the rule does. */
  rules(table: string, chain: string): string[] {
    const answers = this.#ask(NFT_MSG_GETRULE, NLM_F_DUMP, [
      text(NFTA_RULE_TABLE, table),
      text(NFTA_RULE_CHAIN, chain),
    ]);
    return answers.map(ruleText);
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
  #ask(type: number, flags: number, attributes: Uint8Array[]): Attributes[] {
    const request = message(NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, 0, attributes);
    const length = BigInt(request.length);
    check(this.#libc.send(this.#socket, request, length, 0), "send(nf_tables)");
    const answers: Attributes[] = [];
    while (!this.#receive(answers, flags === NLM_F_DUMP));
    return answers;
  }

  /** @returns whether the answer is complete: a single one is, and a dump says so at its end */
  #receive(answers: Attributes[], dump: boolean): boolean {
    const size = BigInt(REPLY_BYTES);
    const received = check(this.#libc.recv(this.#socket, this.#reply, size, 0), "recv(nf_tables)");
    const part = readPart(this.#reply, received);
    if (!part) throw new SystemError("nf_tables", EBADMSG);
    const { error, ended } = part;
    if (error !== 0 && error !== ENOENT) throw new SystemError("nf_tables", error);
    answers.push(...part.answers);
    return ended || !dump;
  }
}
