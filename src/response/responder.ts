/**
 * Responses to events: the firewall at once, all else on a bounded queue beside capture.
 *
 * @module
 */
import { BlockMode, type Config } from "../config/config.ts";
import type { ScanEvent } from "../event/scan_event.ts";
import {
  COMMANDS_AT_ONCE,
  COMMANDS_PER_TURN,
  RESPONSE_QUEUE,
  RESPONSE_WAITERS,
} from "../limits.ts";
import { formatDuration } from "../config/duration.ts";
import type { BlockRecord } from "../state/state_file.ts";
import type { BlockedSet } from "./blocked_set.ts";
import type { BlockResult, Blocks } from "./blocks.ts";
import { DryRun } from "./dry_run.ts";
import { commandsOf, hasMeans, Means, type MeansParts, modeOf } from "./means.ts";

/** What a responder is made of. */
export interface ResponderParts extends MeansParts {
  config: Config;
  /** Undefined without BLOCKED_FILE: then nothing is remembered, and every event acts again. */
  blocked: BlockedSet | undefined;
  /** Undefined without FIREWALL. */
  blocks: Blocks | undefined;
  /** Takes the event for which a host was blocked, and what is known of it: once for each block. */
  onBlocked: (event: ScanEvent, block?: BlockRecord) => void;
  /** Takes a host that a command or hosts.deny blocks for good, be it that a firewall does, too. */
  onLasting: (source: string) => void;
  /** Takes the event for which a host would have been blocked, if DRY_RUN were not set: once a host. */
  onDryRun: (event: ScanEvent) => void;
}

/** What came of an event that asked for a response. */
export type Outcome = "already blocked" | "blocked" | "not blocked";

/** Takes what came of an event. */
type Told = (outcome: Outcome) => void;

/** Runs the responses of events, one at a time for a host and many hosts at once. */
export class Responder {
  #parts: ResponderParts;
  readonly #means: Means;
  readonly #dryRun = new DryRun();
  readonly #queue: ScanEvent[] = [];
  /** Hosts whose response waits or runs, with the events to tell when it has ended. */
  readonly #underWay = new Map<string, Told[]>();
  /** Of the firewall, that were told: several events may share one. */
  readonly #results = new WeakSet<BlockResult>();
  #active = 0;
  /** Responses begun in this turn of the event loop. */
  #begun = 0;
  #nextTurn: ReturnType<typeof setTimeout> | undefined;
  #waiters = 0;
  #notRun = 0;
  #closed = false;

  constructor(parts: ResponderParts) {
    this.#parts = parts;
    this.#means = new Means(parts);
  }

  /** Goes by another configuration from now on. */
  reconfigure(parts: Pick<ResponderParts, "config" | "blocked" | "blocks">): void {
    this.#parts = { ...this.#parts, ...parts };
    this.#parts.commands.prepare(commandsOf(parts.config));
  }

  /** Events that were not acted on because the queue was full, so far. */
  get notRun(): number {
    return this.#notRun;
  }

  /** Hosts whose response waits or runs. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /**
   * Acts on an event, unless its host has been blocked already. Events of the same host that come
   * while a response is under way share its outcome: one act answers them all.
   *
   * @returns what came of it, at once when nothing was to be done; never rejects
   */
  respond(event: ScanEvent): Outcome | Promise<Outcome> {
    const { config, blocks } = this.#parts;
    if (config.dryRun) return this.#tellWhat(event, config);
    if (!blocks || modeOf(config, event) !== BlockMode.Block) return this.#byCommands(event);
    if (blocks.has(event.source)) return "already blocked";
    // The kernel answers at once; commands go on beside it, and matter if it does not.
    if (!hasMeans(config)) return this.#byFirewall(event, blocks);
    if (config.killRunCmdFirst && config.killRunCmd !== undefined) return this.#byCommands(event);
    const outcome = this.#byFirewall(event, blocks);
    const commands = this.#byCommands(event);
    const either = (outcome: Outcome) => outcome === "blocked" ? outcome : commands;
    return outcome instanceof Promise ? outcome.then(either) : either(outcome);
  }

  /** Resolves when no response is under way any more. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) {
      await new Promise<void>((resolve) => {
        const [waiting] = this.#underWay.values();
        waiting.push(() => resolve());
        this.#waiters++;
      });
    }
  }

  #tellWhat(event: ScanEvent, config: Config): Outcome {
    const { log, onDryRun } = this.#parts;
    const lines = this.#dryRun.linesFor(event, config);
    for (const line of lines) log.notice(line);
    if (lines.length > 0 && modeOf(config, event) === BlockMode.Block) onDryRun(event);
    return "not blocked";
  }

  #byCommands(event: ScanEvent): Outcome | Promise<Outcome> {
    const { blocked, blocks } = this.#parts;
    // With a firewall, whose blocks end, a host may come back that is in BLOCKED_FILE for ever.
    if (!blocks && blocked?.has(event.source)) return "already blocked";
    const waiting = this.#underWay.get(event.source);
    const full = waiting
      ? this.#waiters >= RESPONSE_WAITERS
      : this.#active + this.#queue.length >= COMMANDS_AT_ONCE + RESPONSE_QUEUE;
    if (full || this.#closed) {
      this.#notRun++;
      return "not blocked";
    }
    this.#waiters++;
    return new Promise((resolve) => {
      if (waiting) return void waiting.push(resolve);
      this.#underWay.set(event.source, [resolve]);
      this.#queue.push(event);
      this.#pump();
    });
  }

  #byFirewall(event: ScanEvent, blocks: Blocks): Outcome | Promise<Outcome> {
    const result = blocks.block(event.source, `${event.protocol} port ${event.port}`);
    return result instanceof Promise
      ? result.then((result) => this.#tellResult(event, result))
      : this.#tellResult(event, result);
  }

  #tellResult(event: ScanEvent, result: BlockResult): Outcome {
    const { log } = this.#parts;
    const first = !this.#results.has(result);
    this.#results.add(result);
    if ("failure" in result) {
      if (first) log.error(`FIREWALL for host ${event.source}: ${result.failure}`);
      return "not blocked";
    }
    if (!first) return "blocked";
    const { host, startMs, endMs } = result.record;
    const time = endMs === undefined
      ? "until it is unblocked"
      : `for ${formatDuration(Math.round((endMs - startMs) / 1000))}`;
    const network = host === event.source ? "" : `, with ${host}`;
    log.notice(
      `attackalert: Host ${event.source} has been blocked via nftables ${time}${network}`,
    );
    this.#parts.onBlocked(event, result.record);
    return "blocked";
  }

  /** Ends all responses, and tells the events that wait that nothing has blocked their host. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#nextTurn);
    this.#notRun += this.#queue.length;
    this.#queue.length = 0;
    this.#parts.commands.close();
    for (const source of [...this.#underWay.keys()]) this.#end(source, "not blocked");
  }

  #pump(): void {
    while (
      this.#active < COMMANDS_AT_ONCE && this.#begun < COMMANDS_PER_TURN && this.#queue.length > 0
    ) {
      const event = this.#queue.shift()!;
      this.#active++;
      this.#begun++;
      this.#nextTurn ??= setTimeout(() => this.#beginTurn(), 0);
      this.#act(event).catch((error: unknown) => {
        this.#parts.log.error(`Response to ${event.source}: ${error}`);
        return false;
      }).then((worked) => {
        this.#active--;
        if (worked) this.#tellBlocked(event);
        this.#end(event.source, worked ? "blocked" : "not blocked");
        this.#pump();
      });
    }
  }

  #beginTurn(): void {
    this.#nextTurn = undefined;
    this.#begun = 0;
    this.#pump();
  }

  /** The firewall tells of its own blocks; a command of mode 2 is none. */
  #tellBlocked(event: ScanEvent): void {
    const { config, blocks, onBlocked } = this.#parts;
    if (modeOf(config, event) === BlockMode.Block && !blocks?.has(event.source)) onBlocked(event);
  }

  #end(source: string, outcome: Outcome): void {
    const told = this.#underWay.get(source) ?? [];
    this.#underWay.delete(source);
    this.#waiters -= told.length;
    for (const tell of told) tell(outcome);
  }

  /** @returns whether one of the responses has worked */
  async #act(event: ScanEvent): Promise<boolean> {
    // The configuration may have been read again since the event was judged.
    const { config, blocked, blocks, onLasting, log } = this.#parts;
    const firewall = blocks &&
      (async (event: ScanEvent) => await this.#byFirewall(event, blocks) === "blocked");
    let worked = false;
    let forGood = false;
    for (const { respond, lasting } of this.#means.of(event, config, firewall)) {
      if (lasting && blocked?.has(event.source)) continue;
      const good = await respond(event);
      worked ||= good;
      forGood ||= good && lasting;
    }
    if (!forGood) return worked;
    if (modeOf(config, event) === BlockMode.Block) onLasting(event.source);
    try {
      blocked?.add(event.source);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      log.error(`Cannot add ${event.source} to ${config.blockedFile}: ${text}`);
    }
    return worked;
  }
}
