/**
 * A real server that is notified, in a network namespace.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Received } from "../notify/hook.ts";
import { words } from "./network.ts";

const HOOK = new URL("../notify/hook.ts", import.meta.url).pathname;
const WAIT_MS = 15_000;

/** A process of tests/notify/hook.ts, until `await using` ends it. */
export class HookProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #text = "";

  private constructor(namespace: string, args: string[]) {
    this.#child = new Deno.Command("ip", {
      args: [
        ...words(`netns exec ${namespace} ${Deno.execPath()} run -A --no-prompt ${HOOK}`),
        ...args,
      ],
      stdout: "piped",
    }).spawn();
    this.#reading = this.#read();
  }

  /** Starts it at an address and a port, with the paths of a certificate and its key for TLS. */
  static async start(namespace: string, ...args: string[]): Promise<HookProcess> {
    const server = new HookProcess(namespace, args);
    await server.until(() => server.#text.includes("listening\n"), "it listens");
    return server;
  }

  /** The requests that have come. */
  get received(): Received[] {
    return this.#text.split("\n").slice(0, -1).filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (!condition()) {
      assert.ok(performance.now() < deadline, `waited in vain until ${what}: ${this.#text}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.#child.stdout) this.#text += decoder.decode(bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#reading;
  }
}
