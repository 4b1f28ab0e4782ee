/**
 * Tells that somebody has changed the kernel's firewall (nf_tables).
 *
 * @module
 */
import { check, libc } from "./libc.ts";
import { attachFilter } from "./socket_filter.ts";

const AF_NETLINK = 16; // <sys/socket.h>
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const NETLINK_NETFILTER = 12; // <linux/netlink.h>
const NFNLGRP_NFTABLES = 7; // <linux/netfilter/nfnetlink.h>
const SOCKADDR_NL_BYTES = 12; // struct sockaddr_nl: u16 family, u16 pad, u32 port, u32 groups
const SOL_NETLINK = 270; // <linux/socket.h>
const NETLINK_ADD_MEMBERSHIP = 1; // <linux/netlink.h>
const NETLINK_DROP_MEMBERSHIP = 2;
const MESSAGE_BYTES = 1024;

// The message at the end of a transaction: NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN, as a BPF
// program reads the little-endian nlmsg_type of x86_64 and arm64.
const NEW_GENERATION = 0x0f0a;

// Every element of a set that is added or removed is a message, too, and others may have large sets.
// The kernel sends the message of the generation in a buffer of its own.
const PROGRAM: [code: number, yes: number, no: number, value: number][] = [
  [0x28, 0, 0, 4], // ldh [4]: struct nlmsghdr, nlmsg_type
  [0x15, 0, 1, NEW_GENERATION], // jeq
  [0x06, 0, 0, 0xffff_ffff], // ret: accept
  [0x06, 0, 0, 0], // ret: drop
];

/** Tells of transactions in this network namespace, not what they changed. */
export class RulesetChanges {
  /** Descriptor that can be read when there was a transaction. */
  readonly fd: number;
  readonly #libc = libc();
  readonly #group = new Uint32Array([NFNLGRP_NFTABLES]);
  readonly #buffer = new Uint8Array(MESSAGE_BYTES);

  /** @throws {SystemError} when the kernel gives no such socket, for want of CAP_NET_ADMIN */
  constructor() {
    this.fd = check(
      this.#libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER),
      "socket(NETLINK_NETFILTER)",
    );
    try {
      attachFilter(this.fd, filterProgram());
      const address = new DataView(new ArrayBuffer(SOCKADDR_NL_BYTES));
      address.setUint16(0, AF_NETLINK, true);
      check(this.#libc.bind(this.fd, address, SOCKADDR_NL_BYTES), "bind(nf_tables)");
      this.resume();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Takes all that waits. An overflow (ENOBUFS) reads as an error once, and is a change like any
   * other: what it left in the queue can be read after it.
   */
  drain(): void {
    while (this.#libc.recv(this.fd, this.#buffer, BigInt(MESSAGE_BYTES), 0) > 0);
  }

  /**
   * Tells of nothing until {@link resume}. While anybody listens, the kernel allocates 8 KiB for each
   * element of a transaction: 100,000 of our own would take 0.8 GB, and four times as long.
   */
  pause(): void {
    this.#membership(NETLINK_DROP_MEMBERSHIP);
  }

  /** @throws {SystemError} without CAP_NET_ADMIN */
  resume(): void {
    this.#membership(NETLINK_ADD_MEMBERSHIP);
  }

  close(): void {
    this.#libc.close(this.fd);
  }

  #membership(option: number): void {
    const { setsockopt } = this.#libc;
    check(setsockopt(this.fd, SOL_NETLINK, option, this.#group, 4), "setsockopt(nf_tables)");
  }
}

function filterProgram(): Uint8Array<ArrayBuffer> {
  const program = new DataView(new ArrayBuffer(PROGRAM.length * 8)); // struct sock_filter
  PROGRAM.forEach(([code, yes, no, value], i) => {
    program.setUint16(i * 8, code, true);
    program.setUint8(i * 8 + 2, yes);
    program.setUint8(i * 8 + 3, no);
    program.setUint32(i * 8 + 4, value, true);
  });
  return new Uint8Array(program.buffer);
}
