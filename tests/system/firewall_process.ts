/**
 * firewall_host.ts as a child process in a network namespace.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { LIBRARIES } from "../../ffi/libraries.ts";

const SCRIPT = fileURLToPath(new URL("./firewall_host.ts", import.meta.url));
const WAIT_MS = 30_000;

/** A line that the process wrote. */
interface Line {
  value?: unknown;
  ms?: number;
  error?: string;
  repair?: string;
  failure?: string;
}

/** How the process runs. */
export interface FirewallProcessOptions {
  /** A command that runs it, such as one that takes its privileges away. */
  wrapper?: string[];
  /** Libraries it may open. */
  libraries?: readonly string[];
}

/** The process; it is ended after `await using`, and its table stays. */
export class FirewallProcess implements AsyncDisposable {
  /** Repairs that were told, and failures of them. */
  readonly told: string[] = [];
  readonly child: Deno.ChildProcess;
  readonly #answers: Line[] = [];
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: Promise<void>;

  constructor(namespace: string, options: FirewallProcessOptions = {}) {
    const libraries = options.libraries ??
      Object.values(LIBRARIES).flatMap(({ paths }) => [...paths]);
    this.child = new Deno.Command("ip", {
      args: [
        ...["netns", "exec", namespace, ...options.wrapper ?? []],
        ...[Deno.execPath(), "run", "--no-prompt", "--cached-only", "--quiet"],
        ...[`--allow-ffi=${libraries.join(",")}`, SCRIPT],
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#input = this.child.stdin.getWriter();
    this.#output = this.#read();
  }

  /** A process with its firewall open, and these blocks in it. */
  static async start(namespace: string, blocks: unknown[] = []): Promise<FirewallProcess> {
    const firewall = new FirewallProcess(namespace);
    await firewall.call("open");
    await firewall.call("restore", blocks);
    return firewall;
  }

  /** Calls a function of firewall_host.ts. */
  async call(name: string, argument: unknown = null): Promise<{ value: unknown; ms: number }> {
    const { value, ms, error } = await this.#ask(name, argument);
    assert.equal(error, undefined, name);
    return { value, ms: ms! };
  }

  /** Calls a function that must fail, and returns the error. */
  async failure(name: string, argument: unknown = null): Promise<string> {
    const { error } = await this.#ask(name, argument);
    assert.ok(error !== undefined, `${name} has not failed`);
    return error;
  }

  /** Waits until so many repairs, or failures of them, were told. */
  async untilTold(count: number): Promise<string[]> {
    await until(() => this.told.length >= count, `${count} lines are told: ${this.told}`);
    return this.told;
  }

  /** Ends the process as a crash does. */
  async kill(): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.child.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#input.close().catch(() => {});
    await this.#output;
  }

  async #ask(name: string, argument: unknown): Promise<Line> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify([name, argument])}\n`));
    await until(() => this.#answers.length > 0, `${name} is answered`);
    return this.#answers.shift()!;
  }

  async #read(): Promise<void> {
    let text = "";
    for await (const chunk of this.child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (text + chunk).split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        const parsed = JSON.parse(line) as Line;
        const told = parsed.repair ?? parsed.failure;
        if (told === undefined) this.#answers.push(parsed);
        else this.told.push(told);
      }
    }
  }
}

/** Waits until `condition` holds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!await condition()) {
    if (performance.now() > deadline) assert.fail(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
