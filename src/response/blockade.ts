/**
 * The native firewall of a run: state file, kernel sets and the blocks of both, opened and closed
 * together.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import type { Config } from "../config/config.ts";
import { StartError } from "../config/fault.ts";
import { IgnoreList } from "../config/ignore_list.ts";
import { CLOCK_STEP_MS, DEFAULT_STATE_FILE, SPARED_LOOK_MS, STATE_TIDY_MS } from "../limits.ts";
import type { Logger } from "../log/logger.ts";
import { formatBytes } from "../packet/address.ts";
import type { BlockRecord } from "../state/state_file.ts";
import { Blocks } from "./blocks.ts";
import { Firewall } from "./firewall.ts";
import type { LockoutGuard } from "./lockout_guard.ts";
import { StateKeeper } from "./state_keeper.ts";

/** What a blockade is made of. */
export interface BlockadeParts {
  config: Config;
  poller: Poller;
  guard: NetworkGuard | undefined;
  log: Logger;
  /** Blocks of a blockade with another state file, to go on in this one. */
  inForce?: readonly BlockRecord[];
}

/** Knows which hosts must never be blocked. */
export type NetworkGuard = Pick<LockoutGuard, "holdsProtected" | "hosts" | "version">;

/** A firewall in force. */
export class Blockade {
  readonly blocks: Blocks;
  readonly #log: Logger;
  readonly #state: StateKeeper;
  readonly #firewall: Firewall;
  readonly #timers: readonly ReturnType<typeof setInterval>[];
  #config: Config;
  #guard: NetworkGuard | undefined;
  #ignore = new IgnoreList([]);
  /** Of the guard, when the blocks were last looked at. */
  #guardVersion: number | undefined;
  /** What the wall clock shows when performance.now() is 0. */
  #clockMs = clockMs();

  /**
   * Puts the blocks of the state file into the kernel, in one batch.
   *
   * @throws {StartError} when this kernel or this process cannot block
   */
  constructor({ config, poller, guard, log, inForce = [] }: BlockadeParts) {
    this.#config = config;
    this.#guard = guard;
    this.#log = log;
    this.#firewall = openFirewall(config, poller, log, () => this.blocks.current());
    this.#state = new StateKeeper(config.stateFile ?? DEFAULT_STATE_FILE, log);
    this.blocks = new Blocks({
      config,
      firewall: this.#firewall,
      state: this.#state,
      holdsProtected: (network) =>
        this.#ignore.namesHostsOf(network) || (this.#guard?.holdsProtected(network) ?? false),
      soon: (task) => poller.afterRound(task),
      log,
    });
    this.#state.current = () => this.blocks.list();
    try {
      this.#restore(inForce);
    } catch (error) {
      this.#state.close();
      this.#firewall.close(true);
      throw startError(config, error);
    }
    this.#timers = [
      setInterval(() => this.#tidy(), STATE_TIDY_MS),
      setInterval(() => this.#lookForSpared(), SPARED_LOOK_MS),
    ];
  }

  /** Whether another configuration can go on with this firewall and this file. */
  serves({ firewall, stateFile }: Config): boolean {
    return firewall === this.#config.firewall && stateFile === this.#config.stateFile;
  }

  /** Goes by another configuration, that this one {@link serves}, and another guard and ignore file. */
  reconfigure(config: Config, guard: NetworkGuard | undefined, ignore: IgnoreList): void {
    this.#config = config;
    this.#ignore = ignore;
    this.blocks.reconfigure(config);
    if (guard === this.#guard) return;
    this.#guard = guard;
    this.#guardVersion = undefined;
    this.#lookForSpared();
  }

  /** Puts the blocks into the kernel anew, after somebody else has used the table. */
  reassert(): void {
    try {
      this.#firewall.restore(this.blocks.current());
    } catch (error) {
      this.#log.error(`FIREWALL: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** What a reload that gives up the firewall leaves behind, out of reach of any command. */
  tellStaying(): void {
    const { size } = this.blocks;
    if (size === 0 || !this.#config.firewallKeep) return;
    this.#log.notice(
      `${size} blocks stay in force until their time is over: to lift them, set FIREWALL without ` +
        "DRY_RUN again, and unblock them",
    );
  }

  /** Ends the watch over the blocks; they stay in the kernel unless FIREWALL_KEEP is 0. */
  close(keep = this.#config.firewallKeep): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#tidy();
    this.#state.close();
    try {
      this.#firewall.close(keep);
    } catch (error) {
      this.#log.error(`FIREWALL_KEEP="0": ${error instanceof Error ? error.message : error}`);
    }
  }

  #restore(inForce: readonly BlockRecord[]): void {
    if (inForce.length > 0) this.#state.add(inForce, []);
    try {
      this.#restoreFrom([...this.#state.found, ...inForce]);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#restoreFrom([...this.#state.leaveOutUnreadable(), ...inForce]);
    }
    if (this.blocks.size > 0) {
      this.#log.notice(`${this.blocks.size} blocks are in force from before the start`);
    }
  }

  /** @throws {RangeError} when one of them is no host, with nothing changed */
  #restoreFrom(records: readonly BlockRecord[]): void {
    this.blocks.restore(records);
    this.#guardVersion = undefined;
    this.#lookForSpared();
    this.#firewall.restore(this.blocks.current());
  }

  /**
   * Who is blocked may become a host that this one cannot do without: the gateway of another network,
   * a name server that is new, who logs in before this program is started again.
   */
  #lookForSpared(): void {
    const guard = this.#guard;
    if (!guard || this.blocks.size === 0 || guard.version === this.#guardVersion) return;
    this.#guardVersion = guard.version;
    try {
      // A host and its network may be blocked both.
      while (this.blocks.size > 0 && this.#liftSpared(guard)) continue;
    } catch (error) {
      this.#guardVersion = undefined; // the next look tries again
      this.#log.error(`LOCKOUT_GUARD: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** @returns whether there were any */
  #liftSpared(guard: NetworkGuard): boolean {
    const wrong = new Set<string | undefined>();
    for (const address of guard.hosts()) {
      wrong.add(this.blocks.blockOf(formatBytes(address)));
    }
    const lifted = this.blocks.unblock(({ host }) => wrong.has(host));
    for (const { host } of lifted) {
      this.#log.notice(
        `Host ${host} is not blocked any more: this host cannot do without it (LOCKOUT_GUARD)`,
      );
    }
    return lifted.length > 0;
  }

  #tidy(): void {
    const stepMs = clockMs() - this.#clockMs;
    if (Math.abs(stepMs) > CLOCK_STEP_MS) {
      this.#clockMs += stepMs;
      this.#log.verbose(
        `The clock was set by ${Math.round(stepMs / 1000)} s: blocks end as before`,
      );
      this.blocks.shiftClock(stepMs);
    }
    this.#state.tidy(Date.now());
  }
}

function clockMs(): number {
  return Date.now() - performance.now();
}

function openFirewall(
  config: Config,
  poller: Poller,
  log: Logger,
  current: Blocks["current"],
): Firewall {
  try {
    return Firewall.open({
      poller,
      current,
      onRepair: (text) => log.error(text),
      onFailure: (text) => log.error(text),
    });
  } catch (error) {
    throw startError(config, error);
  }
}

function startError(config: Config, error: unknown): StartError {
  const text = error instanceof Error ? error.message : String(error);
  return new StartError([{ where: config.file, line: 0, message: `FIREWALL="nftables": ${text}` }]);
}
