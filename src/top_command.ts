/**
 * `portsentry top`: a running program as it goes, on the terminal; in a pipe, or where a screen
 * cannot be drawn, a look at it.
 *
 * @module
 */
import type { CommandResult } from "./commands.ts";
import { ask, ControlFailure, understood } from "./daemon/control_client.ts";
import { TOP_HISTORY } from "./limits.ts";
import { type Top, topLines } from "./report/top_text.ts";
import { Screen } from "./terminal/screen.ts";
import { obeys, outputStyle, terminalSize } from "./terminal/style.ts";
import { jsonText } from "./text.ts";

/** What to look at, and how often. */
export interface TopRequest {
  /** Path of the control socket. */
  socket: string;
  json: boolean;
  /** Between two looks. */
  seconds: number;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/**
 * Shows the program until the user has seen enough.
 *
 * @throws {ControlFailure} when nobody is running; one that ends meanwhile is told, and waited for
 */
export async function top({ socket, json, seconds }: TopRequest): Promise<CommandResult> {
  const first = look(socket);
  if (json) return { text: `${jsonText(first)}\n`, status: 0 };
  if (!obeys()) {
    const view = { style: outputStyle(), rows: Infinity, rates: [] };
    const lines = understood(() => topLines(first, view));
    return { text: lines.map((line) => `${line}\n`).join(""), status: 0 };
  }
  await show(socket, first, seconds * 1000);
  return { text: "", status: 0 };
}

/** Signals do nothing but wake the loop, which then draws all of a screen or puts it away. */
async function show(socket: string, first: Top, intervalMs: number): Promise<void> {
  let wake = () => {};
  let stopped = false;
  let taken = false;
  const stop = () => {
    stopped = true;
    wake();
  };
  const resized = () => wake();
  const continued = () => {
    taken = true;
    wake();
  };
  for (const signal of SIGNALS) Deno.addSignalListener(signal, stop);
  Deno.addSignalListener("SIGWINCH", resized);
  Deno.addSignalListener("SIGCONT", continued);
  using screen = new Screen(stop);
  let shown = first;
  let failure: string | undefined;
  const rates = [first.rate];
  let nextMs = performance.now() + intervalMs;
  while (!stopped) {
    if (taken) screen.resume();
    taken = false;
    // The last line stays free: what is written to its end would move all of them.
    const rows = terminalSize().rows - 1;
    const view = { style: outputStyle(), rows, rates, failure };
    screen.draw(understood(() => topLines(shown, view)));
    const leftMs = nextMs - performance.now();
    if (leftMs > 0) await pause(leftMs, (resolve) => wake = resolve);
    if (stopped || performance.now() < nextMs) continue;
    nextMs = performance.now() + intervalMs;
    try {
      shown = look(socket);
      failure = undefined;
    } catch (error) {
      if (!(error instanceof ControlFailure)) throw error;
      failure = error.message;
    }
    rates.push(failure === undefined ? shown.rate : 0);
    if (rates.length > TOP_HISTORY) rates.shift();
  }
}

function look(socket: string): Top {
  return ask(socket, { command: "top" }) as unknown as Top;
}

async function pause(limitMs: number, wakeBy: (wake: () => void) => void): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  await new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
    wakeBy(resolve);
  });
  clearTimeout(timer);
}
