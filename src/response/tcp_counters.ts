/**
 * Counters of /proc/net/snmp (RFC 4022, tcpPassiveOpens and tcpCurrEstab): whether any connection can
 * have come or gone, for a hundredth of what it takes to list them.
 *
 * @module
 */
import { check, libc, SystemError, toCString } from "../../ffi/libc.ts";

const O_CLOEXEC = 0o2000000; // <bits/fcntl-linux.h>
const MOST_BYTES = 8192;
const NAMES = ["PassiveOpens", "CurrEstab"];
/** The names, and below them the values. */
const TCP_LINES = /\nTcp: (\D.*)\nTcp: (.*)/;
const COUNTERS = /^-?\d+ -?\d+$/;

/** What the kernel counts of TCP connections. */
export class TcpCounters {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(MOST_BYTES);
  readonly #decoder = new TextDecoder();

  /** @throws {SystemError} when the kernel has no such file */
  constructor() {
    this.#fd = check(libc().open(toCString("/proc/net/snmp"), O_CLOEXEC), "open(/proc/net/snmp)");
  }

  /**
   * The counters as a text that is another one when a connection was accepted or has ended.
   *
   * @throws {SystemError} when they cannot be read
   */
  read(): string {
    const length = check(
      libc().pread(this.#fd, this.#buffer, BigInt(MOST_BYTES), 0n),
      "pread(/proc/net/snmp)",
    );
    const counters = parseTcpCounters(this.#decoder.decode(this.#buffer.subarray(0, length)));
    if (counters === undefined) throw new SystemError("/proc/net/snmp has no TCP counters", 0);
    return counters;
  }

  close(): void {
    libc().close(this.#fd);
  }
}

/** A kernel has the same names each time. */
const last = { names: "", columns: [-1, -1] };

/** The two counters in the file's text; undefined when it does not have them. */
export function parseTcpCounters(text: string): string | undefined {
  const lines = TCP_LINES.exec(text);
  if (lines === null) return undefined;
  if (lines[1] !== last.names) {
    const names = lines[1].split(" ");
    last.names = lines[1];
    last.columns = NAMES.map((name) => names.indexOf(name));
  }
  const values = lines[2].split(" ");
  const [passiveOpens, established] = last.columns;
  const counters = `${values[passiveOpens]} ${values[established]}`;
  return COUNTERS.test(counters) ? counters : undefined;
}
