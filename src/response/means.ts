/**
 * The means of a response besides the firewall: KILL_HOSTS_DENY, KILL_ROUTE and KILL_RUN_CMD.
 *
 * @module
 */
import { BlockMode, type Config } from "../config/config.ts";
import type { ScanEvent } from "../event/scan_event.ts";
import type { Logger } from "../log/logger.ts";
import { type CommandRunner, fillIn } from "./command.ts";
import type { HostsDeny } from "./hosts_deny.ts";

/** One thing that is done about a host. */
export interface Response {
  /** Whether it is for good: then it is done once, and the host goes into BLOCKED_FILE. */
  lasting: boolean;
  /** Resolves to whether it has worked. */
  respond: (event: ScanEvent) => Promise<boolean>;
}

/** What means work with. */
export interface MeansParts {
  hostsDeny: HostsDeny;
  commands: CommandRunner;
  log: Logger;
}

/** What the configuration has done about hosts; what comes of each is logged. */
export class Means {
  readonly #parts: MeansParts;

  constructor(parts: MeansParts) {
    this.#parts = parts;
  }

  /**
   * What an event asks for, in the order it is done.
   *
   * @param firewall blocks a host, where KILL_RUN_CMD comes before it; undefined without FIREWALL
   */
  of(event: ScanEvent, config: Config, firewall: Response["respond"] | undefined): Response[] {
    const mode = modeOf(config, event);
    if (mode === BlockMode.LogOnly) return [];
    // Once for a host; with a firewall, once for each of its blocks.
    const run = this.#runCmd(config, firewall === undefined);
    if (mode === BlockMode.RunCommand) return run;
    const block = [...this.#hostsDeny(config), ...this.#route(config)];
    if (!config.killRunCmdFirst) return [...block, ...run];
    const between = firewall && run.length > 0 ? [{ lasting: false, respond: firewall }] : [];
    return [...run, ...between, ...block];
  }

  #runCmd({ killRunCmd }: Config, lasting: boolean): Response[] {
    if (killRunCmd === undefined) return [];
    const done = (event: ScanEvent, command: string) =>
      `External command run for host: ${event.source} using command: "${command}"`;
    return [{ lasting, respond: this.#runs("KILL_RUN_CMD", killRunCmd, done) }];
  }

  #route({ killRoute }: Config): Response[] {
    if (killRoute === undefined) return [];
    const done = (event: ScanEvent, command: string) =>
      `Host ${event.source} has been blocked via dropped route using command: "${command}"`;
    return [{ lasting: true, respond: this.#runs("KILL_ROUTE", killRoute, done) }];
  }

  #hostsDeny({ killHostsDeny }: Config): Response[] {
    return killHostsDeny === undefined
      ? []
      : [{ lasting: true, respond: (event) => this.#deny(event, killHostsDeny) }];
  }

  #runs(key: string, template: string, done: (event: ScanEvent, command: string) => string) {
    return async (event: ScanEvent): Promise<boolean> => {
      const { log, commands } = this.#parts;
      const command = fillIn(template, event);
      const tell = (failure: string) =>
        log.error(`${key} for host ${event.source}: the command "${command}" ${failure}`);
      const failure = await commands.run(command, tell);
      if (failure === undefined) log.notice(`attackalert: ${done(event, command)}`);
      else tell(failure);
      return failure === undefined;
    };
  }

  async #deny(event: ScanEvent, template: string): Promise<boolean> {
    const { log, hostsDeny } = this.#parts;
    const line = fillIn(template, event);
    const failure = await hostsDeny.add(line);
    if (failure === undefined) {
      log.notice(
        `attackalert: Host ${event.source} has been blocked via wrappers with string: "${line}"`,
      );
    } else log.error(`KILL_HOSTS_DENY for host ${event.source}: ${failure}`);
    return failure === undefined;
  }
}

/** What is done about hosts for events such as this one. */
export function modeOf({ blockTcp, blockUdp }: Config, event: ScanEvent): BlockMode {
  return event.protocol === "TCP" ? blockTcp : blockUdp;
}

/** Whether anything but the firewall is to act. */
export function hasMeans({ killRoute, killHostsDeny, killRunCmd }: Config): boolean {
  return (killRoute ?? killHostsDeny ?? killRunCmd) !== undefined;
}

/** The commands that events may lead to. */
export function commandsOf(
  { blockTcp, blockUdp, killRoute, killRunCmd, dryRun }: Config,
): string[] {
  if (dryRun) return [];
  const modes = [blockTcp, blockUdp];
  return [
    ...(modes.includes(BlockMode.Block) && killRoute !== undefined ? [killRoute] : []),
    ...(modes.some((mode) => mode !== BlockMode.LogOnly) && killRunCmd !== undefined
      ? [killRunCmd]
      : []),
  ];
}
