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

/** The two counters in the file's text; undefined when it does not have them. */
export function parseTcpCounters(text: string): string | undefined {
  const start = text.indexOf("\nTcp: ");
  const [names, values] = text.slice(start + 1).split("\n", 2).map((line) => line.split(" "));
  const counters = NAMES.map((name) => values?.[names.indexOf(name)]);
  return counters.every((value) => /^-?\d+$/.test(value ?? "")) ? counters.join(" ") : undefined;
}
