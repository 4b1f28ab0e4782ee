/**
 * recvmsg(2) and sendmsg(2) for UDP sockets that serve every address of this host: a datagram comes
 * with the address it was sent to, and the answer leaves from there.
 *
 * Both calls want pointers inside structures, which only memory of the C library can hold under a
 * scoped `--allow-ffi`. It is allocated once, and bytes move by `memcpy`.
 *
 * @module
 */
import { libc } from "./libc.ts";
import { openLibrary } from "./libraries.ts";
import { Family, isMapped, SocketAddress } from "./socket.ts";

const SYMBOLS = {
  calloc: { parameters: ["usize", "usize"], result: "usize" }, // size_t n, size_t size
  free: { parameters: ["usize"], result: "void" }, // void *p
  copy_out: {
    name: "memcpy",
    parameters: ["usize", "buffer", "usize"], // void *dest, const void *src, size_t n
    result: "void",
  },
  recvmsg: { parameters: ["i32", "usize", "i32"], result: "isize" }, // int fd, struct msghdr *msg, int flags
  sendmsg: { parameters: ["i32", "usize", "i32"], result: "isize" }, // int fd, const struct msghdr *msg, int flags
} as const satisfies Deno.ForeignLibraryInterface;

const MSG_DONTWAIT = 0x40; // <bits/socket.h>
const MSG_NOSIGNAL = 0x4000;
const IPPROTO_IP = 0; // <netinet/in.h>
const IPPROTO_IPV6 = 41;
const IP_PKTINFO = 8; // <linux/in.h>
const IPV6_PKTINFO = 50; // <linux/in6.h>

/** struct msghdr of a 64-bit Linux, `<bits/socket.h>`. */
const HEADER = {
  NAME: 0,
  NAME_LENGTH: 8,
  VECTOR: 16,
  VECTOR_LENGTH: 24,
  CONTROL: 32,
  CONTROL_LENGTH: 40,
  BYTES: 56,
} as const;
/** struct cmsghdr, and the structures behind it: ip(7), ipv6(7). */
const CONTROL = {
  LENGTH: 0,
  LEVEL: 8,
  TYPE: 12,
  DATA: 16,
  IN_PKTINFO_BYTES: 12, // int ifindex, struct in_addr spec_dst, struct in_addr addr
  IN6_PKTINFO_BYTES: 20, // struct in6_addr addr, unsigned int ifindex
} as const;

// What is received, in one piece so that one copy brings it over; then what is sent.
const NAME = HEADER.BYTES;
const RECEIVED_CONTROL = NAME + 32;
const RECEIVED_CONTROL_BYTES = 128; // an IPv6 socket tells of an IPv4 datagram twice: 40 and 32
const RECEIVED_BYTES = RECEIVED_CONTROL + RECEIVED_CONTROL_BYTES;
const ANSWER = RECEIVED_BYTES;
const ANSWER_VECTOR = ANSWER + HEADER.BYTES;
const ANSWER_CONTROL = ANSWER_VECTOR + 16;
const ANSWER_CONTROL_BYTES = 40;
const ANSWER_TEXT = ANSWER_CONTROL + ANSWER_CONTROL_BYTES;

// As `memcpy` takes them: no bigint is made for each datagram.
const HEADER_COPIED = BigInt(HEADER.BYTES);
const RECEIVED_COPIED = BigInt(RECEIVED_BYTES);
const ANSWER_CONTROL_COPIED = BigInt(ANSWER_CONTROL_BYTES);

// Kept open: a reload makes another exchange when no library may be opened any more.
let opened: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] | undefined;

/** Receives datagrams on any number of sockets of one family, and answers them all alike. */
export class DatagramExchange {
  /** Sender of the datagram that {@link receive} gave last. */
  readonly source = new SocketAddress();
  /** Where it was sent, 4 or 16 bytes as {@link SocketAddress.version} of {@link source} says. */
  readonly destination = new Uint8Array(16);
  /**
   * Whether it was sent to an address of this host alone; false for broadcast and multicast, and
   * when the kernel said nothing.
   */
  toThisHost = false;

  readonly #libc = libc();
  readonly #lib = opened ??= openLibrary("libc", SYMBOLS).symbols;
  readonly #memory: bigint;
  readonly #answerMemory: bigint;
  readonly #answerControlMemory: bigint;
  readonly #blankHeader = new DataView(new ArrayBuffer(HEADER.BYTES));
  readonly #received = new Uint8Array(RECEIVED_BYTES);
  readonly #view = new DataView(this.#received.buffer);
  readonly #answerControl = new DataView(new ArrayBuffer(ANSWER_CONTROL_BYTES));
  #interfaceIndex = 0;

  /**
   * @param answer what {@link answer} sends
   * @throws {LibraryError} when no known libc can be opened
   */
  constructor(readonly family: Family, answer: Uint8Array) {
    this.#memory = this.#lib.calloc(1n, BigInt(ANSWER_TEXT + answer.length));
    if (this.#memory === 0n) throw new RangeError("no memory for datagrams");
    this.#answerMemory = this.#memory + BigInt(ANSWER);
    this.#answerControlMemory = this.#memory + BigInt(ANSWER_CONTROL);
    this.#prepareReceive();
    this.#prepareAnswer(answer);
  }

  /** Nothing of the payload is wanted: there is no buffer for it, and the kernel cuts it off. */
  #prepareReceive(): void {
    const header = this.#blankHeader;
    header.setBigUint64(HEADER.NAME, this.#memory + BigInt(NAME), true);
    header.setUint32(HEADER.NAME_LENGTH, SocketAddress.BYTES, true);
    header.setBigUint64(HEADER.CONTROL, this.#memory + BigInt(RECEIVED_CONTROL), true);
    header.setBigUint64(HEADER.CONTROL_LENGTH, BigInt(RECEIVED_CONTROL_BYTES), true);
  }

  #prepareAnswer(text: Uint8Array): void {
    const bytes = new Uint8Array(ANSWER_TEXT - ANSWER + text.length);
    const header = new DataView(bytes.buffer);
    const ipv4 = this.family === Family.IPv4;
    header.setBigUint64(HEADER.NAME, this.#memory + BigInt(NAME), true);
    header.setUint32(HEADER.NAME_LENGTH, ipv4 ? 16 : SocketAddress.BYTES, true);
    header.setBigUint64(HEADER.VECTOR, this.#memory + BigInt(ANSWER_VECTOR), true);
    header.setBigUint64(HEADER.VECTOR_LENGTH, 1n, true);
    header.setBigUint64(HEADER.CONTROL, this.#answerControlMemory, true);
    header.setBigUint64(HEADER.CONTROL_LENGTH, ipv4 ? 32n : 40n, true); // CMSG_SPACE of the two
    header.setBigUint64(HEADER.BYTES, this.#memory + BigInt(ANSWER_TEXT), true); // struct iovec
    header.setBigUint64(HEADER.BYTES + 8, BigInt(text.length), true);
    bytes.set(text, ANSWER_TEXT - ANSWER);
    this.#lib.copy_out(this.#answerMemory, bytes, BigInt(bytes.length));

    const control = this.#answerControl;
    const size = ipv4 ? CONTROL.IN_PKTINFO_BYTES : CONTROL.IN6_PKTINFO_BYTES;
    control.setBigUint64(CONTROL.LENGTH, BigInt(CONTROL.DATA + size), true);
    control.setInt32(CONTROL.LEVEL, ipv4 ? IPPROTO_IP : IPPROTO_IPV6, true);
    control.setInt32(CONTROL.TYPE, ipv4 ? IP_PKTINFO : IPV6_PKTINFO, true);
  }

  /**
   * Takes a datagram that waits on `fd`.
   *
   * @returns false when none waits
   */
  receive(fd: number): boolean {
    this.#lib.copy_out(this.#memory, this.#blankHeader, HEADER_COPIED);
    if (this.#lib.recvmsg(fd, this.#memory, MSG_DONTWAIT) < 0n) return false;
    this.#libc.copy_in(this.#received, this.#memory, RECEIVED_COPIED);
    for (let i = 0; i < SocketAddress.BYTES; i++) this.source.bytes[i] = this.#received[NAME + i];
    this.#readControl();
    return true;
  }

  #readControl(): void {
    this.toThisHost = false;
    const length = Math.min(
      this.#view.getUint32(HEADER.CONTROL_LENGTH, true),
      RECEIVED_CONTROL_BYTES,
    );
    const end = RECEIVED_CONTROL + length;
    for (let at = RECEIVED_CONTROL; at + CONTROL.DATA <= end;) {
      const length = this.#view.getUint32(at + CONTROL.LENGTH, true);
      if (length < CONTROL.DATA || at + length > end) return;
      const level = this.#view.getInt32(at + CONTROL.LEVEL, true);
      const type = this.#view.getInt32(at + CONTROL.TYPE, true);
      const data = at + CONTROL.DATA;
      if (level === IPPROTO_IP && type === IP_PKTINFO) this.#readIpv4(data);
      else if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO) this.#readIpv6(data);
      at += (length + 7) & ~7; // CMSG_ALIGN
    }
  }

  /** spec_dst is the own address that a datagram reached; for a broadcast, addr is another one. */
  #readIpv4(data: number): void {
    const bytes = this.#received;
    this.toThisHost = bytes[data + 8] < 224; // multicast (RFC 5771) and what lies beyond
    for (let i = 0; i < 4; i++) {
      this.destination[i] = bytes[data + 8 + i];
      if (bytes[data + 4 + i] !== bytes[data + 8 + i]) this.toThisHost = false;
    }
    this.#interfaceIndex = 0;
  }

  #readIpv6(data: number): void {
    const bytes = this.#received;
    if (isMapped(bytes, data)) return; // IP_PKTINFO says it better
    this.toThisHost = bytes[data] !== 0xff; // multicast (RFC 4291, section 2.7)
    for (let i = 0; i < 16; i++) this.destination[i] = bytes[data + i];
    // Only a link-local address needs the interface; the routes know the way of any other answer.
    const linkLocal = bytes[data] === 0xfe && (bytes[data + 1] & 0xc0) === 0x80;
    this.#interfaceIndex = linkLocal ? this.#view.getUint32(data + 16, true) : 0;
  }

  /**
   * Sends the answer to the datagram that {@link receive} gave last, from the address it was sent
   * to, whole and without waiting, or not at all.
   *
   * @returns whether it was sent
   */
  answer(fd: number): boolean {
    const control = this.#answerControl;
    const { DATA } = CONTROL;
    if (this.family === Family.IPv4) {
      for (let i = 0; i < 4; i++) control.setUint8(DATA + 4 + i, this.destination[i]);
    } else {
      const ipv4 = this.source.version === 4;
      for (let i = 0; i < 16; i++) {
        const mapped = i < 10 ? 0 : i < 12 ? 0xff : this.destination[i - 12];
        control.setUint8(DATA + i, ipv4 ? mapped : this.destination[i]);
      }
      control.setUint32(DATA + 16, this.#interfaceIndex, true);
    }
    this.#lib.copy_out(this.#answerControlMemory, control, ANSWER_CONTROL_COPIED);
    return this.#lib.sendmsg(fd, this.#answerMemory, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0n;
  }

  /** Gives the memory back; nothing of this may be used afterwards. */
  close(): void {
    this.#lib.free(this.#memory);
  }
}
