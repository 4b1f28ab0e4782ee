/**
 * `portsentry replay FILE`: the events that a capture file would have been.
 *
 * @module
 */
import type { CommandResult } from "./commands.ts";
import { formatFault, StartError } from "./config/fault.ts";
import { IgnoreList } from "./config/ignore_list.ts";
import { loadSettings, reason } from "./config/load.ts";
import type { Network } from "./config/network.ts";
import { OUTPUT_CLOSE_MS } from "./limits.ts";
import { JsonLines } from "./log/event_json.ts";
import { LineBatch } from "./log/line_batch.ts";
import { Replay } from "./replay.ts";
import { Savefile } from "./sentry/savefile.ts";
import { openSource, type Readable } from "./sentry/savefile_source.ts";
import { SavefileError } from "./sentry/savefile_window.ts";
import manifest from "../deno.json" with { type: "json" };

/** What is asked for. */
export interface ReplayRequest {
  configFile: string;
  /** `--json` */
  json: boolean;
  /** The capture file; `-` for standard input. */
  file: string;
  /** `--to`: the destinations whose packets count; all, if there are none. */
  to: readonly Network[];
  disableLocalCheck: boolean;
  verbose: boolean;
}

const STDIN = "-";
const PERMISSIONS = ["read", "write", "net", "run", "env", "sys", "ffi", "import"] as const;

/**
 * Replays a capture file to standard output.
 *
 * @throws {StartError} with what could not be replayed, when all the rest has been
 */
export async function replayFile(request: ReplayRequest): Promise<CommandResult> {
  const { configFile, json, file, to, ...options } = request;
  const settings = loadSettings(configFile);
  for (const warning of settings.warnings) console.error(formatFault(warning));
  const where = file === STDIN ? "standard input" : file;
  const input = file === STDIN ? Deno.stdin : open(file);
  // Whoever made the file may have found a way to more than its bytes: then there is nothing to find.
  for (const name of PERMISSIONS) Deno.permissions.revokeSync({ name });

  const output = new LineBatch(Deno.stdout);
  const replay = new Replay({
    ...options,
    ...settings,
    to: to.length > 0 ? new IgnoreList(to) : undefined,
    json: json ? new JsonLines(manifest.version) : undefined,
    output,
  });
  const run = new Run(input, replay, output);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => run.stop());
  }
  const faults: string[] = [];
  try {
    await run.replay();
  } catch (error) {
    // Whoever read the lines has enough of them.
    if (error instanceof Deno.errors.BrokenPipe) return { text: "", status: 0 };
    faults.push(textOf(error, where));
  }
  const { unknownFrames, unknownLinkType, untold } = replay;
  if (untold > 0) console.error(`${where}: ${untold} scans were not told, too many ended at once`);
  if (unknownFrames > 0) {
    faults.push(
      `${unknownFrames} packets were passed over, whose link type is not known: ${unknownLinkType}`,
    );
  }
  if (faults.length === 0) return { text: "", status: 0 };
  throw new StartError(faults.map((message) => ({ where, line: 0, message })));
}

function open(file: string): Readable {
  try {
    return Deno.openSync(file);
  } catch (error) {
    const hint = error instanceof Deno.errors.NotCapable ? `, or replay - <${file}` : "";
    const message = `Cannot read the file: ${reason(error, file)}${hint}`;
    throw new StartError([{ where: file, line: 0, message }]);
  }
}

function textOf(error: unknown, where: string): string {
  return error instanceof SavefileError || error instanceof WriteError
    ? error.message
    : `Cannot read on: ${reason(error, where)}`;
}

/** The lines cannot be written any more, and somebody may want to know. */
class WriteError extends Error {}

/** The way of the bytes from the file to the lines, which a signal may end anywhere. */
class Run {
  readonly #file = new Savefile();
  #stopped = false;
  /** Ends what is waited for now. */
  #wake = () => {};

  constructor(readonly input: Readable, readonly replayed: Replay, readonly output: LineBatch) {}

  /** Ends {@link replay} after the packet that is looked at now. */
  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  /** @throws {Error} of the file or the output, when all that came before it has been told */
  async replay(): Promise<void> {
    try {
      await this.#readAll();
    } finally {
      this.replayed.end();
      await this.#writeRest();
    }
  }

  async #readAll(): Promise<void> {
    const source = await this.#unlessStopped(openSource(this.input));
    while (source && !this.#stopped) {
      await this.#takeAll();
      if (this.#stopped) return;
      // Whoever writes the capture just now may take its time.
      await this.#unlessStopped(this.#write());
      const count = await this.#unlessStopped(source.read(this.#file.window.room()));
      if (count === 0) return this.#file.end();
      this.#file.window.filled(count ?? 0);
    }
  }

  /** Takes all that is there; a reader that is slow is waited for. */
  async #takeAll(): Promise<void> {
    while (this.#file.next()) {
      this.replayed.take(this.#file);
      if (this.output.full) await this.#unlessStopped(this.#write());
      if (this.#stopped) return;
    }
  }

  async #writeRest(): Promise<void> {
    const timer = this.#stopped ? setTimeout(() => this.#wake(), OUTPUT_CLOSE_MS) : undefined;
    await this.#interruptible(this.#write());
    clearTimeout(timer);
  }

  async #write(): Promise<void> {
    try {
      await this.output.write();
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) throw error;
      throw new WriteError(`Cannot write the lines: ${reason(error, "standard output")}`);
    }
  }

  async #unlessStopped<T>(wanted: Promise<T>): Promise<T | undefined> {
    return this.#stopped ? undefined : await this.#interruptible(wanted);
  }

  /** A race with a promise that stays would remember every one that it ran against. */
  #interruptible<T>(wanted: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve(undefined);
      wanted.then(resolve, reject);
    });
  }
}
