/**
 * Packet and state to verdict. No I/O and no clock, so that the same packets always give the same
 * verdicts, and nothing is allocated for a packet.
 *
 * @module
 */
import { BlockMode, type Config } from "../config/config.ts";
import type { IgnoreList } from "../config/ignore_list.ts";
import { type Packet, Protocol, sameAddress, TcpFlag } from "../packet/packet.ts";
import type { LateRule, SourceTable } from "./source_table.ts";
import { Verdict } from "./verdict.ts";

/** What the detector takes from the command line. */
export interface DetectorOptions {
  /** `-L`: report packets whose source is their destination like any other. */
  disableLocalCheck: boolean;
}

/** Judges packets by a config, an ignore list, and what their sources did before. */
export class Detector {
  readonly #config: Config;
  readonly #trigger: number;
  /** Undefined when every event counts, whatever its port and time. */
  readonly #lately: LateRule | undefined;

  /** @param sources what other detectors have counted there in the same way goes on to count */
  constructor(
    config: Config,
    readonly ignore: IgnoreList,
    readonly sources: SourceTable,
    readonly options: DetectorOptions,
  ) {
    this.#config = config;
    const { scanTrigger, scanTriggerPorts, scanTriggerWindowS = Infinity } = config;
    this.#trigger = Math.max(1, scanTrigger, scanTriggerPorts);
    this.#lately = scanTriggerPorts > 0 || scanTriggerWindowS < Infinity
      ? { limit: this.#trigger, windowMs: scanTriggerWindowS * 1000 }
      : undefined;
    sources.rememberPorts(scanTriggerPorts);
  }

  /**
   * Whether a packet probes a watched port. A TCP segment with ACK or RST belongs to a connection,
   * or pretends to; and the kernel's filter may know the ports less exactly than this does.
   */
  isProbe(packet: Packet): boolean {
    if (packet.protocol === Protocol.Tcp) {
      return (packet.tcpFlags & (TcpFlag.Ack | TcpFlag.Rst)) === 0 &&
        this.#config.tcpPorts.has(packet.destinationPort);
    }
    return packet.protocol === Protocol.Udp && this.#config.udpPorts.has(packet.destinationPort);
  }

  /**
   * Whether a packet is a probe for `DETECT="extended"`, if nobody has asked for it: a ping, or a
   * segment with ACK to a watched port. Never for SYN+ACK and RST: those are answers, to us or to
   * somebody who floods another host in our name.
   */
  isProbeUnlessAsked({ protocol, tcpFlags, destinationPort }: Packet): boolean {
    const { detect, tcpPorts } = this.#config;
    if (detect !== "extended") return false;
    if (protocol !== Protocol.Tcp) return protocol === Protocol.Icmp;
    return (tcpFlags & (TcpFlag.Syn | TcpFlag.Ack | TcpFlag.Rst)) === TcpFlag.Ack &&
      tcpPorts.has(destinationPort);
  }

  /** The checks of a probe in the order users know; the first that fails ends the matter. */
  judge(packet: Packet): Verdict {
    const { version, source, protocol, destinationPort } = packet;
    if (this.ignore.has(version, source, protocol, destinationPort)) return Verdict.Ignored;
    // A ping is ordinary, and its source is easily forged: it never leads to more.
    if (protocol === Protocol.Icmp || !this.#triggered(packet)) return Verdict.BelowTrigger;
    if (
      !this.options.disableLocalCheck &&
      sameAddress(version, source, packet.destination)
    ) return Verdict.SameHost;
    const mode = protocol === Protocol.Tcp ? this.#config.blockTcp : this.#config.blockUdp;
    return mode === BlockMode.LogOnly ? Verdict.LogOnly : Verdict.Respond;
  }

  /** Without a trigger nothing is counted, so a flood costs no table at all. */
  #triggered(packet: Packet): boolean {
    if (this.#trigger === 1) return true;
    const count = this.#lately === undefined
      ? this.sources.count(packet.version, packet.source)
      : this.sources.countLately(packet, this.#lately);
    return count >= this.#trigger;
  }
}
