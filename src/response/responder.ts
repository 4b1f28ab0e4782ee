/**
 * What is done about a host: the commands and hosts.deny lines of the configuration, on a bounded
 * queue beside capture.
 *
 * @module
 */
import { BlockMode, type Config } from "../config/config.ts";
import type { ScanEvent } from "../event/scan_event.ts";
import { COMMANDS_AT_ONCE, RESPONSE_QUEUE, RESPONSE_WAITERS } from "../limits.ts";
import type { Logger } from "../log/logger.ts";
import type { BlockedSet } from "./blocked_set.ts";
import { type CommandRunner, fillIn } from "./command.ts";
import type { HostsDeny } from "./hosts_deny.ts";

/** What a responder is made of. */
export interface ResponderParts {
  config: Config;
  /** Undefined without BLOCKED_FILE: then nothing is remembered, and every event acts again. */
  blocked: BlockedSet | undefined;
  hostsDeny: HostsDeny;
  commands: CommandRunner;
  log: Logger;
}

/** What came of an event that asked for a response. */
export type Outcome = "already blocked" | "blocked" | "not blocked";

/** Takes what came of an event. */
type Told = (outcome: Outcome) => void;

/** Runs the responses of events, one at a time for a host and many hosts at once. */
export class Responder {
  #parts: ResponderParts;
  readonly #queue: ScanEvent[] = [];
  /** Hosts whose response waits or runs, with the events to tell when it has ended. */
  readonly #underWay = new Map<string, Told[]>();
  #active = 0;
  #waiters = 0;
  #notRun = 0;
  #closed = false;

  constructor(parts: ResponderParts) {
    this.#parts = parts;
  }

  /** Goes by another configuration from now on. */
  reconfigure(parts: Pick<ResponderParts, "config" | "blocked">): void {
    this.#parts = { ...this.#parts, ...parts };
    this.#parts.commands.prepare(commandsOf(parts.config));
  }

  /** Events that were not acted on because the queue was full, so far. */
  get notRun(): number {
    return this.#notRun;
  }

  /**
   * Acts on an event, unless its host has been blocked already. Events of the same host that come
   * while a response is under way share its outcome: one act answers them all.
   *
   * @returns what came of it, at once when nothing was to be done; never rejects
   */
  respond(event: ScanEvent): Outcome | Promise<Outcome> {
    const { blocked } = this.#parts;
    if (blocked?.has(event.source)) return "already blocked";
    const waiting = this.#underWay.get(event.source);
    const full = waiting ? this.#waiters >= RESPONSE_WAITERS : this.#queue.length >= RESPONSE_QUEUE;
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

  /** Ends all responses, and tells the events that wait that nothing has blocked their host. */
  close(): void {
    this.#closed = true;
    this.#notRun += this.#queue.length;
    this.#queue.length = 0;
    this.#parts.commands.close();
    for (const source of [...this.#underWay.keys()]) this.#end(source, "not blocked");
  }

  #pump(): void {
    while (this.#active < COMMANDS_AT_ONCE && this.#queue.length > 0) {
      const event = this.#queue.shift()!;
      this.#active++;
      this.#act(event).catch((error: unknown) => {
        this.#parts.log.error(`Response to ${event.source}: ${error}`);
        return false;
      }).then((worked) => {
        this.#active--;
        this.#end(event.source, worked ? "blocked" : "not blocked");
        this.#pump();
      });
    }
  }

  #end(source: string, outcome: Outcome): void {
    const told = this.#underWay.get(source) ?? [];
    this.#underWay.delete(source);
    this.#waiters -= told.length;
    for (const tell of told) tell(outcome);
  }

  /** @returns whether one of the responses has worked */
  async #act(event: ScanEvent): Promise<boolean> {
    const { config, blocked, log } = this.#parts;
    const mode = event.protocol === "TCP" ? config.blockTcp : config.blockUdp;
    let worked = false;
    for (const respond of this.#responses(config, mode)) worked = await respond(event) || worked;
    if (!worked) return false;
    try {
      blocked?.add(event.source);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      log.error(`Cannot add ${event.source} to ${config.blockedFile}: ${text}`);
    }
    return true;
  }

  /** What a BLOCK_ mode asks for, in the order it is done. */
  #responses(config: Config, mode: BlockMode): ((event: ScanEvent) => Promise<boolean>)[] {
    // The configuration may have been read again since the event was judged.
    if (mode === BlockMode.LogOnly) return [];
    const { killRunCmd, killHostsDeny, killRoute, killRunCmdFirst } = config;
    const run = killRunCmd === undefined ? [] : [this.#runs(
      "KILL_RUN_CMD",
      killRunCmd,
      (event, command) =>
        `External command run for host: ${event.source} using command: "${command}"`,
    )];
    if (mode === BlockMode.RunCommand) return run;
    const block = [
      ...(killHostsDeny === undefined ? [] : [this.#denies(killHostsDeny)]),
      ...(killRoute === undefined ? [] : [this.#runs(
        "KILL_ROUTE",
        killRoute,
        (event, command) =>
          `Host ${event.source} has been blocked via dropped route using command: "${command}"`,
      )]),
    ];
    return killRunCmdFirst ? [...run, ...block] : [...block, ...run];
  }

  #runs(key: string, template: string, done: (event: ScanEvent, command: string) => string) {
    return async (event: ScanEvent): Promise<boolean> => {
      const { log, commands } = this.#parts;
      const command = fillIn(template, event);
      const failure = await commands.run(command);
      if (failure === undefined) log.notice(`attackalert: ${done(event, command)}`);
      else log.error(`${key} for host ${event.source}: the command "${command}" ${failure}`);
      return failure === undefined;
    };
  }

  #denies(template: string) {
    return async (event: ScanEvent): Promise<boolean> => {
      const { log, hostsDeny } = this.#parts;
      const line = fillIn(template, event);
      const failure = await hostsDeny.add(line);
      if (failure === undefined) {
        log.notice(
          `attackalert: Host ${event.source} has been blocked via wrappers with string: "${line}"`,
        );
      } else log.error(`KILL_HOSTS_DENY for host ${event.source}: ${failure}`);
      return failure === undefined;
    };
  }
}

/** The commands that events may lead to. */
function commandsOf({ blockTcp, blockUdp, killRoute, killRunCmd }: Config): string[] {
  const modes = [blockTcp, blockUdp];
  return [
    ...(modes.includes(BlockMode.Block) && killRoute !== undefined ? [killRoute] : []),
    ...(modes.some((mode) => mode !== BlockMode.LogOnly) && killRunCmd !== undefined
      ? [killRunCmd]
      : []),
  ];
}
