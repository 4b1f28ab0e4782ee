/**
 * deno_pcap: libpcap's live capture, typed, under a scoped `--allow-ffi`.
 *
 * Functions and meanings are those of the pcap(3PCAP) manual pages; names read like `<pcap/pcap.h>`.
 *
 * @module
 */
import { cString, libc, SystemError, toCString } from "./libc.ts";
import { openLibrary } from "./libraries.ts";
import { attachFilter, ignoreOutgoing } from "./socket_filter.ts";

const SYMBOLS = {
  pcap_create: { parameters: ["buffer", "buffer"], result: "usize" }, // const char *source, char *errbuf
  pcap_set_snaplen: { parameters: ["usize", "i32"], result: "i32" }, // pcap_t *p, int snaplen
  pcap_set_promisc: { parameters: ["usize", "i32"], result: "i32" }, // pcap_t *p, int promisc
  pcap_set_immediate_mode: { parameters: ["usize", "i32"], result: "i32" }, // pcap_t *p, int immediate
  pcap_set_buffer_size: { parameters: ["usize", "i32"], result: "i32" }, // pcap_t *p, int bytes
  pcap_activate: { parameters: ["usize"], result: "i32" }, // pcap_t *p
  pcap_setnonblock: { parameters: ["usize", "i32", "buffer"], result: "i32" }, // pcap_t *p, int nonblock, char *errbuf
  pcap_setdirection: { parameters: ["usize", "i32"], result: "i32" }, // pcap_t *p, pcap_direction_t d
  pcap_set_datalink: { parameters: ["usize", "i32"], result: "i32" }, // pcap_t *p, int dlt
  pcap_datalink: { parameters: ["usize"], result: "i32" }, // pcap_t *p
  pcap_get_selectable_fd: { parameters: ["usize"], result: "i32" }, // pcap_t *p
  pcap_compile: { // pcap_t *p, struct bpf_program *fp, const char *str, int optimize, bpf_u_int32 netmask
    parameters: ["usize", "buffer", "buffer", "i32", "u32"],
    result: "i32",
  },
  pcap_setfilter: { parameters: ["usize", "buffer"], result: "i32" }, // pcap_t *p, struct bpf_program *fp
  pcap_freecode: { parameters: ["buffer"], result: "void" }, // struct bpf_program *fp
  pcap_next_ex: { parameters: ["usize", "buffer", "buffer"], result: "i32" }, // pcap_t *p, struct pcap_pkthdr **h, const u_char **data
  pcap_stats: { parameters: ["usize", "buffer"], result: "i32" }, // pcap_t *p, struct pcap_stat *ps
  pcap_geterr: { parameters: ["usize"], result: "usize" }, // pcap_t *p
  pcap_statustostr: { parameters: ["i32"], result: "usize" }, // int error
  pcap_close: { parameters: ["usize"], result: "void" }, // pcap_t *p
  pcap_open_dead: { parameters: ["i32", "i32"], result: "usize" }, // int linktype, int snaplen
} as const satisfies Deno.ForeignLibraryInterface;

type Libpcap = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

// <pcap/pcap.h>
const PCAP_ERRBUF_SIZE = 256;
const PCAP_D_IN = 1;
const PCAP_NETMASK_UNKNOWN = 0xffffffff;
const PCAP_ERROR_PERM_DENIED = -8;
const PCAP_ERROR_PROMISC_PERM_DENIED = -11;
const DLT_RAW = 12; // <pcap/dlt.h>
const DLT_LINUX_SLL = 113;
const DLT_LINUX_SLL2 = 276;
const PKTHDR_BYTES = 24n; // struct timeval (two longs), bpf_u_int32 caplen, bpf_u_int32 len
const BPF_PROGRAM_WORDS = 2; // struct bpf_program: u_int bf_len (padded), struct bpf_insn *bf_insns
const BPF_REJECT_ALL = Uint8Array.of(0x06, 0, 0, 0, 0, 0, 0, 0); // BPF_RET | BPF_K
const BPF_INSTRUCTION_BYTES = 8n; // struct bpf_insn

let opened: Libpcap | undefined;

/** @throws {LibraryError} when libpcap is not installed or not permitted */
function libpcap(): Libpcap {
  return opened ??= openLibrary("libpcap", SYMBOLS).symbols;
}

/**
 * Opens the library now, for captures to come when none may be opened any more.
 *
 * @throws {LibraryError} when libpcap is not installed or not permitted
 */
export function loadPcap(): void {
  libpcap();
}

/** A libpcap call that failed. */
export class PcapError extends Error {
  override name = "PcapError";
  constructor(readonly call: string, readonly code: number, text: string) {
    super(`${call}: ${text}`);
  }
  /** The process lacks CAP_NET_RAW. */
  get permissionDenied(): boolean {
    return this.code === PCAP_ERROR_PERM_DENIED || this.code === PCAP_ERROR_PROMISC_PERM_DENIED;
  }
}

/** How to open a device. */
export interface CaptureOptions {
  /** Bytes kept of each frame. */
  snapshotBytes: number;
  /** Size of the kernel's ring, in bytes. */
  bufferBytes: number;
  /** Link type to ask for, of those the device offers; its own when it does not (before libpcap 1.10). */
  linkType?: number;
}

/** A live, non-blocking capture of the frames that come in on one device. */
export class Capture {
  /** DLT_ value of the frames, `<pcap/dlt.h>`. */
  readonly linkType: number;
  /** Descriptor to wait on with poll or epoll; owned by the capture. */
  readonly fd: number;
  /** Time of the frame {@link next} gave last, in milliseconds since 1970. */
  timeMs = 0;
  /** Index of the interface the frames come from; 0 while nobody has set it. */
  interfaceIndex = 0;

  readonly #pcap: bigint;
  readonly #snapshotBytes: number;
  /** Whether the kernel takes the filters past libpcap: from the first that it does not, libpcap has them. */
  #direct = true;
  #filtered = false;
  /** Frames that were lost before there was a filter: nobody would have looked at them. */
  #droppedBefore = 0;
  readonly #lib = libpcap();
  readonly #libc = libc();
  readonly #headerAddress = new BigUint64Array(1);
  readonly #dataAddress = new BigUint64Array(1);
  readonly #header = new Uint32Array(6);

  /**
   * Opens `device` (an interface's name, or `any`) without promiscuous mode. Immediate mode wakes
   * the reader for a lone frame; in a flood the ring collects what comes while it works.
   *
   * @throws {PcapError} when libpcap refuses
   * @throws {LibraryError} when there is no libpcap
   */
  constructor(readonly device: string, options: CaptureOptions) {
    const message = new Uint8Array(PCAP_ERRBUF_SIZE);
    this.#snapshotBytes = options.snapshotBytes;
    this.#pcap = this.#lib.pcap_create(toCString(device), message);
    if (this.#pcap === 0n) throw new PcapError("pcap_create", -1, bufferText(message));
    try {
      this.#check(
        this.#lib.pcap_set_snaplen(this.#pcap, options.snapshotBytes),
        "pcap_set_snaplen",
      );
      this.#check(this.#lib.pcap_set_promisc(this.#pcap, 0), "pcap_set_promisc");
      this.#check(this.#lib.pcap_set_immediate_mode(this.#pcap, 1), "pcap_set_immediate_mode");
      this.#check(
        this.#lib.pcap_set_buffer_size(this.#pcap, options.bufferBytes),
        "pcap_set_buffer_size",
      );
      this.#check(this.#lib.pcap_activate(this.#pcap), "pcap_activate");
      if (this.#lib.pcap_setnonblock(this.#pcap, 1, message) < 0) {
        throw new PcapError("pcap_setnonblock", -1, bufferText(message));
      }
      // Nothing this host sends is a probe of it. A device that knows no direction gives all it has.
      this.#lib.pcap_setdirection(this.#pcap, PCAP_D_IN);
      if (options.linkType !== undefined) {
        this.#lib.pcap_set_datalink(this.#pcap, options.linkType);
      }
      this.linkType = this.#check(this.#lib.pcap_datalink(this.#pcap), "pcap_datalink");
      this.fd = this.#check(
        this.#lib.pcap_get_selectable_fd(this.#pcap),
        "pcap_get_selectable_fd",
      );
      // libpcap looks at the direction of what is in the ring: on loopback, that is all of it twice.
      ignoreOutgoing(this.fd);
    } catch (error) {
      this.#lib.pcap_close(this.#pcap);
      throw error;
    }
  }

  /**
   * Compiles a pcap-filter(7) expression and puts it into the kernel, in one step: no frame is lost
   * when it takes the place of another. pcap_setfilter() would let none through for a while, and
   * count none of those that are lost; it is left to what the kernel does not take as it is.
   *
   * @throws {PcapError} when the expression has a fault
   */
  setFilter(expression: string): void {
    const program = new BigUint64Array(BPF_PROGRAM_WORDS);
    const { pcap_compile, pcap_setfilter, pcap_freecode } = this.#lib;
    this.#check(
      pcap_compile(this.#pcap, program, toCString(expression), 1, PCAP_NETMASK_UNKNOWN),
      "pcap_compile",
    );
    try {
      const instructions = this.#cooked
        ? compileFilter(expression, DLT_RAW, this.#snapshotBytes)
        : instructionsOf(program);
      this.#direct &&= this.#clean() && this.#attach(instructions);
      if (!this.#direct) this.#check(pcap_setfilter(this.#pcap, program), "pcap_setfilter");
    } finally {
      pcap_freecode(program);
    }
  }

  /**
   * Throws away what came before there was a filter, which on a busy host is more than the ring holds.
   *
   * @returns false when the kernel takes none
   */
  #clean(): boolean {
    if (this.#filtered) return true;
    if (!this.#attach(BPF_REJECT_ALL)) return false;
    while (this.#lib.pcap_next_ex(this.#pcap, this.#headerAddress, this.#dataAddress) > 0);
    this.#droppedBefore = this.#dropped();
    this.#filtered = true;
    return true;
  }

  #attach(instructions: Uint8Array<ArrayBuffer>): boolean {
    try {
      attachFilter(this.fd, instructions);
      return true;
    } catch (error) {
      if (error instanceof SystemError) return false;
      throw error;
    }
  }

  /** Whether the kernel sees frames from the IP header on, and libpcap puts its own header before it. */
  get #cooked(): boolean {
    return this.linkType === DLT_LINUX_SLL || this.linkType === DLT_LINUX_SLL2;
  }

  /**
   * Copies the next waiting frame into `frame`, cut at the frame's or the buffer's end.
   *
   * @returns the number of bytes copied, or -1 when no frame waits
   * @throws {PcapError} when the device failed, for instance because it is gone
   */
  next(frame: Uint8Array<ArrayBuffer>): number {
    const result = this.#lib.pcap_next_ex(this.#pcap, this.#headerAddress, this.#dataAddress);
    if (result === 0) return -1;
    if (result < 0) this.#check(result, "pcap_next_ex");
    this.#libc.copy_in(this.#header, this.#headerAddress[0], PKTHDR_BYTES);
    const length = Math.min(this.#header[4], frame.length);
    this.#libc.copy_in(frame, this.#dataAddress[0], BigInt(length));
    this.timeMs = (this.#header[0] + this.#header[1] * 0x1_0000_0000) * 1000 +
      Math.floor(this.#header[2] / 1000);
    return length;
  }

  /** Frames that passed the filter and were lost because the ring was full, so far. */
  dropped(): number {
    return (this.#dropped() - this.#droppedBefore) >>> 0;
  }

  #dropped(): number {
    const counters = new Uint32Array(3); // struct pcap_stat: ps_recv, ps_drop, ps_ifdrop
    this.#check(this.#lib.pcap_stats(this.#pcap, counters), "pcap_stats");
    return counters[1];
  }

  /** Ends the capture; nothing of it may be used afterwards. */
  close(): void {
    this.#lib.pcap_close(this.#pcap);
  }

  #check(result: number, call: string): number {
    return check(this.#lib, this.#pcap, result, call);
  }
}

/**
 * Compiles a pcap-filter(7) expression without a device.
 *
 * @returns the program as the kernel takes it: BPF instructions of 8 bytes
 * @throws {PcapError} when the expression has a fault
 * @throws {LibraryError} when there is no libpcap
 */
export function compileFilter(
  expression: string,
  linkType: number,
  snapshotBytes: number,
): Uint8Array<ArrayBuffer> {
  const lib = libpcap();
  const pcap = lib.pcap_open_dead(linkType, snapshotBytes);
  if (pcap === 0n) throw new PcapError("pcap_open_dead", -1, "out of memory");
  try {
    const program = new BigUint64Array(BPF_PROGRAM_WORDS);
    const text = toCString(expression);
    check(
      lib,
      pcap,
      lib.pcap_compile(pcap, program, text, 1, PCAP_NETMASK_UNKNOWN),
      "pcap_compile",
    );
    const instructions = instructionsOf(program);
    lib.pcap_freecode(program);
    return instructions;
  } finally {
    lib.pcap_close(pcap);
  }
}

/** The instructions of a struct bpf_program. */
function instructionsOf(program: BigUint64Array): Uint8Array<ArrayBuffer> {
  const length = (program[0] & 0xffff_ffffn) * BPF_INSTRUCTION_BYTES;
  const instructions = new Uint8Array(Number(length));
  libc().copy_in(instructions, program[1], length);
  return instructions;
}

/** The one gate for libpcap's results: negative is an error, positive a value or a warning. */
function check(lib: Libpcap, pcap: bigint, result: number, call: string): number {
  if (result >= 0) return result;
  const text = cString(lib.pcap_geterr(pcap)) || cString(lib.pcap_statustostr(result));
  throw new PcapError(call, result, text);
}

function bufferText(buffer: Uint8Array): string {
  return new TextDecoder().decode(buffer.subarray(0, buffer.indexOf(0)));
}
