/**
 * The whole of a terminal, for a while: it is given back as it was.
 *
 * @module
 */

// ECMA-48 and xterm's control sequences.
const ALTERNATE = "\x1b[?1049h";
const NORMAL = "\x1b[?1049l";
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

const CTRL_C = 3;
const CTRL_D = 4;
const QUIT = [CTRL_C, CTRL_D, ..."qQ"].map((key) =>
  typeof key === "string" ? key.charCodeAt(0) : key
);

/** Owns the terminal until it is disposed of. */
export class Screen implements Disposable {
  readonly #keys = Deno.stdin.isTerminal();
  readonly #onQuit: () => void;

  /** @param onQuit is called for q and Ctrl-C, and when the terminal is gone */
  constructor(onQuit: () => void) {
    this.#onQuit = onQuit;
    this.resume();
    if (this.#keys) this.#readKeys();
  }

  /** Takes the terminal again, which somebody else had meanwhile. */
  resume(): void {
    // Keys come one by one and are not shown. Ctrl-C is one of them: no signal can come between two
    // halves of a screen.
    if (this.#keys) Deno.stdin.setRaw(true);
    write(ALTERNATE + HIDE_CURSOR);
  }

  /** Shows lines, from the top; each is as wide as the terminal at most. */
  draw(lines: readonly string[]): void {
    const text = lines.map((line) => line + CLEAR_LINE).join("\r\n");
    write(HOME + text + CLEAR_BELOW);
  }

  [Symbol.dispose](): void {
    try {
      write(SHOW_CURSOR + NORMAL);
      if (this.#keys) Deno.stdin.setRaw(false);
    } catch {
      // The terminal is gone, and has nothing to be put right.
    }
  }

  async #readKeys(): Promise<void> {
    const keys = new Uint8Array(64);
    try {
      for (;;) {
        const length = await Deno.stdin.read(keys);
        if (length === null) break;
        if (keys.subarray(0, length).some((key) => QUIT.includes(key))) break;
      }
    } catch {
      // As at its end.
    }
    this.#onQuit();
  }
}

function write(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) sent += Deno.stdout.writeSync(bytes.subarray(sent));
}
