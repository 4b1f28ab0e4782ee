/**
 * packet(7): IP packets of all interfaces, from a ring the kernel shares with this process
 * (TPACKET_V2: a lone packet wakes the reader at once).
 *
 * @module
 */
import { check, libc } from "./libc.ts";
import { attachFilter, ignoreOutgoing } from "./socket_filter.ts";

const AF_PACKET = 17; // <sys/socket.h>
const SOCK_DGRAM = 2; // packets without their link header
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_PACKET = 263;
const PACKET_RX_RING = 5; // <linux/if_packet.h>
const PACKET_STATISTICS = 6;
const PACKET_VERSION = 10;
const TPACKET_V2 = 1;
const TP_STATUS_USER = 1;
const TP_STATUS_VLAN_VALID = 1 << 4;
const PACKET_HOST = 0;
const PACKET_OUTGOING = 4;
const ETH_P_ALL = 0x0003; // <linux/if_ether.h>
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const VLAN_ID_MASK = 0x0fff;
const PROT_READ_WRITE = 3; // <sys/mman.h>
const MAP_SHARED = 1;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
const SOCKADDR_LL_BYTES = 20; // struct sockaddr_ll

// struct tpacket2_hdr, and behind it (TPACKET_ALIGN) struct sockaddr_ll.
const SLOT = {
  STATUS: 0,
  CAPTURED: 8,
  NETWORK: 14,
  SECONDS: 16,
  NANOSECONDS: 20,
  VLAN: 24,
  PROTOCOL: 34,
  INTERFACE: 36,
  PACKET_TYPE: 42,
  BYTES: 52,
} as const;
const STATUS_BYTES = 4n;

/** Packets left out in one go: others have work too. */
const MOST_SKIPPED = 2048;

// Arm may have read the rest of a header before its status: there it is read again, behind a fence.
const READS_AHEAD = Deno.build.arch === "aarch64";

/** How much the ring holds. */
export interface RingOptions {
  /** Size of one packet's slot, in bytes: a multiple of 16 that leaves 80 bytes for its header. */
  slotBytes: number;
  /** Size of the kernel's allocations: a multiple of the page; what is left over of `slotBytes` is not used. */
  blockBytes: number;
  blocks: number;
  /** Packets that this host sends instead of those that come in. */
  outgoing?: boolean;
}

/** A ring of incoming packets, or of outgoing ones, each once: those that another interface will bring again are left out. */
export class PacketRing {
  readonly device = "all interfaces";
  /** LINKTYPE_RAW: packets start at the IP header. */
  readonly linkType = 101;
  readonly fd: number;
  /** Time of the packet {@link next} gave last, in milliseconds since 1970. */
  timeMs = 0;
  /** Index of the interface it came in on. */
  interfaceIndex = 0;
  /** Ports of bridges, bonds and VRFs: what comes in there is seen on their master. */
  enslaved: ReadonlySet<number> = new Set();

  readonly #libc = libc();
  readonly #options: RingOptions;
  readonly #packetType: number;
  readonly #slots: number;
  readonly #ring: bigint;
  /** Where each slot starts: a block may end with a rest that is none. */
  readonly #addresses: BigUint64Array;
  #slot = 0;
  #dropped = 0;
  readonly #statistics = new Uint32Array(2); // struct tpacket_stats: packets, drops; reading clears them
  readonly #statisticsSize = new Uint32Array(1);
  readonly #header = new Uint8Array(SLOT.BYTES);
  readonly #view = new DataView(this.#header.buffer);
  readonly #free = new Uint8Array(4); // TP_STATUS_KERNEL
  readonly #fence = new Int32Array(new SharedArrayBuffer(4));

  /**
   * @param filter the first program, as {@link setFilter} takes it
   * @throws {SystemError} when the kernel refuses, for want of CAP_NET_RAW or memory
   */
  constructor(filter: Uint8Array<ArrayBuffer>, options: RingOptions) {
    this.#options = options;
    this.#packetType = options.outgoing === true ? PACKET_OUTGOING : PACKET_HOST;
    const slotsPerBlock = Math.floor(options.blockBytes / options.slotBytes);
    this.#slots = slotsPerBlock * options.blocks;
    // Protocol 0: nothing comes in before the filter and the ring are there.
    const type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    this.fd = check(this.#libc.socket(AF_PACKET, type, 0), "socket(AF_PACKET)");
    try {
      this.setFilter(filter);
      this.#ring = this.#map();
      this.#addresses = this.#slotAddresses(slotsPerBlock);
      const address = new DataView(new ArrayBuffer(SOCKADDR_LL_BYTES));
      address.setUint16(0, AF_PACKET, true);
      address.setUint16(2, ETH_P_ALL);
      check(this.#libc.bind(this.fd, address, SOCKADDR_LL_BYTES), "bind(AF_PACKET)");
    } catch (error) {
      this.#libc.close(this.fd);
      throw error;
    }
  }

  /**
   * Puts a classic BPF program into the kernel, in place of the one before.
   *
   * @param program instructions of 8 bytes, for packets that start at the IP header
   * @throws {SystemError} when the kernel refuses it
   */
  setFilter(program: Uint8Array<ArrayBuffer>): void {
    attachFilter(this.fd, program);
  }

  /**
   * Copies the next waiting packet into `frame`, cut at the slot's or the buffer's end.
   *
   * @returns the number of bytes copied, or -1 when no packet waits, or none among very many
   */
  next(frame: Uint8Array<ArrayBuffer>): number {
    for (let skipped = 0; skipped < MOST_SKIPPED; skipped++) {
      const slot = this.#addresses[this.#slot];
      this.#libc.copy_in(this.#header, slot, BigInt(SLOT.BYTES));
      const status = this.#view.getUint32(SLOT.STATUS, true);
      if ((status & TP_STATUS_USER) === 0) return -1;
      if (READS_AHEAD) {
        Atomics.add(this.#fence, 0, 1);
        this.#libc.copy_in(this.#header, slot, BigInt(SLOT.BYTES));
      }
      const wanted = this.#wanted(status);
      let length = 0;
      if (wanted) {
        length = Math.min(this.#view.getUint32(SLOT.CAPTURED, true), frame.length);
        const start = BigInt(this.#view.getUint16(SLOT.NETWORK, true));
        // As a plain 64-bit sum, which leaves no garbage.
        this.#libc.copy_in(frame, BigInt.asUintN(64, slot + start), BigInt(length));
        this.timeMs = this.#view.getUint32(SLOT.SECONDS, true) * 1000 +
          Math.floor(this.#view.getUint32(SLOT.NANOSECONDS, true) / 1_000_000);
        this.interfaceIndex = this.#view.getInt32(SLOT.INTERFACE, true);
      }
      if (READS_AHEAD) Atomics.add(this.#fence, 0, 1);
      this.#libc.copy_out(slot, this.#free, STATUS_BYTES);
      this.#slot = this.#slot + 1 === this.#slots ? 0 : this.#slot + 1;
      if (wanted) return length;
    }
    return -1;
  }

  /** Packets lost because the ring was full, so far. */
  dropped(): number {
    this.#statisticsSize[0] = this.#statistics.byteLength;
    check(
      this.#libc.getsockopt(
        this.fd,
        SOL_PACKET,
        PACKET_STATISTICS,
        this.#statistics,
        this.#statisticsSize,
      ),
      "getsockopt(PACKET_STATISTICS)",
    );
    return this.#dropped += this.#statistics[1];
  }

  /** Ends the capture. */
  close(): void {
    this.#libc.munmap(this.#ring, BigInt(this.#options.blockBytes * this.#options.blocks));
    this.#libc.close(this.fd);
  }

  /** An IP packet for this host, or from it, that no other interface will bring. */
  #wanted(status: number): boolean {
    if (this.#header[SLOT.PACKET_TYPE] !== this.#packetType) return false;
    const protocol = this.#view.getUint16(SLOT.PROTOCOL);
    if (protocol !== ETH_P_IP && protocol !== ETH_P_IPV6) return false;
    // A tagged packet comes again, untagged, on the VLAN's own interface, or is for nobody here.
    const tagged = (status & TP_STATUS_VLAN_VALID) !== 0;
    if (tagged && (this.#view.getUint16(SLOT.VLAN, true) & VLAN_ID_MASK) !== 0) return false;
    return this.enslaved.size === 0 ||
      !this.enslaved.has(this.#view.getInt32(SLOT.INTERFACE, true));
  }

  /** Written in halves: 32,768 bigints would stay in the heap for a long while. */
  #slotAddresses(slotsPerBlock: number): BigUint64Array {
    const addresses = new BigUint64Array(this.#slots);
    const halves = new Uint32Array(addresses.buffer);
    const { blockBytes, slotBytes } = this.#options;
    for (let slot = 0; slot < this.#slots; slot++) {
      const inBlock = slot % slotsPerBlock;
      const block = (slot - inBlock) / slotsPerBlock;
      // Addresses have 47 bits: a number holds them exactly.
      const address = Number(this.#ring) + block * blockBytes + inBlock * slotBytes;
      halves[2 * slot] = address % 2 ** 32;
      halves[2 * slot + 1] = address / 2 ** 32;
    }
    return addresses;
  }

  #map(): bigint {
    const { blockBytes, blocks, slotBytes } = this.#options;
    this.#set(PACKET_VERSION, new Uint32Array([TPACKET_V2]), "PACKET_VERSION");
    // Nothing this host sends is a probe of it. Where the kernel lets that through, the type tells.
    if (this.#packetType === PACKET_HOST) ignoreOutgoing(this.fd);
    // struct tpacket_req: block size, blocks, frame size, frames
    const request = new Uint32Array([blockBytes, blocks, slotBytes, this.#slots]);
    this.#set(PACKET_RX_RING, request, "PACKET_RX_RING");
    const bytes = BigInt(blockBytes * blocks);
    const ring = this.#libc.mmap(0n, bytes, PROT_READ_WRITE, MAP_SHARED, this.fd, 0n);
    if (ring === MAP_FAILED) check(-1, "mmap(AF_PACKET)");
    return ring;
  }

  #set(option: number, value: Uint32Array<ArrayBuffer>, name: string): void {
    check(
      this.#libc.setsockopt(this.fd, SOL_PACKET, option, value, value.byteLength),
      `setsockopt(${name})`,
    );
  }
}
