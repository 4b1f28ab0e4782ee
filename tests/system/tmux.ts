/**
 * A terminal as a person has it: tmux shows what is on its screen, and types.
 *
 * @module
 */
import assert from "node:assert/strict";
import { run } from "./network.ts";

const WAIT_MS = 20_000;
let terminals = 0;

/** A terminal with a shell in it; it is gone after `await using`. */
export class Terminal implements AsyncDisposable {
  readonly #name = `portsentry-test-${Deno.pid}-${++terminals}`;

  static async open(columns: number, rows: number): Promise<Terminal> {
    const terminal = new Terminal();
    const size = ["-x", String(columns), "-y", String(rows)];
    // NO_COLOR is that of the tests.
    const shell = "env -u NO_COLOR PS1=ready: sh";
    await terminal.#tmux("-f", "/dev/null", "new-session", "-d", ...size, shell);
    await terminal.until((text) => text.includes("ready:"), "there is a shell");
    return terminal;
  }

  /** Types text, and keys by their names in tmux(1). */
  async type(text: string, ...keys: string[]): Promise<void> {
    if (text !== "") await this.#tmux("send-keys", "-l", text);
    if (keys.length > 0) await this.#tmux("send-keys", ...keys);
  }

  /** What is on the screen, without what only looks. */
  screen(): Promise<string> {
    return this.#tmux("capture-pane", "-p");
  }

  /** The same with its colours. */
  colours(): Promise<string> {
    return this.#tmux("capture-pane", "-p", "-e");
  }

  resize(columns: number, rows: number): Promise<string> {
    return this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** A variable of tmux(1), such as `alternate_on`. */
  async flag(name: string): Promise<string> {
    return (await this.#tmux("display-message", "-p", `#{${name}}`)).trim();
  }

  /** Waits until the screen is as it should be, and gives it. */
  async until(condition: (screen: string) => boolean, what: string): Promise<string> {
    const deadline = performance.now() + WAIT_MS;
    for (;;) {
      const screen = await this.screen();
      if (condition(screen)) return screen;
      if (performance.now() > deadline) assert.fail(`waited in vain until ${what}\n${screen}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #tmux(...args: string[]): Promise<string> {
    const env = { TERM: "xterm-256color", LC_ALL: "C.UTF-8" };
    return (await run(["tmux", "-L", this.#name, ...args], { env })).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server");
  }
}
