/**
 * Portsentry: detects port scans of this host and responds to them.
 *
 * @module
 */
import manifest from "./deno.json" with { type: "json" };
import { SystemError } from "./ffi/libc.ts";
import { LibraryError } from "./ffi/libraries.ts";
import { PcapError } from "./ffi/pcap.ts";
import { parseArguments } from "./src/cli.ts";
import { runCommand } from "./src/commands.ts";
import { formatFault, StartError } from "./src/config/fault.ts";
import { loadSettings, reason } from "./src/config/load.ts";
import { ControlFailure } from "./src/daemon/control_client.ts";
import { answerParent, daemonize } from "./src/daemon/daemonize.ts";
import { giveUpRoot } from "./src/privileged_run.ts";
import { escapeControls } from "./src/text.ts";
import { Watch } from "./src/watch.ts";

/**
 * Runs the program.
 *
 * @param args the command line, without the program's name
 * @param kind what this program was built to, which `-V` tells; undefined for a run from the sources
 * @returns the exit status
 */
export async function main(args: readonly string[], kind?: string): Promise<number> {
  let tellFaults = (text: string) => writeAll(Deno.stderr, text);
  try {
    const invocation = parseArguments(args, versionText(kind));
    if ("print" in invocation) {
      answer(invocation.print);
      return 0;
    }
    if ("command" in invocation) {
      const { text, status } = await runCommand(invocation.command);
      answer(text);
      return status;
    }
    const { options } = invocation;
    const { readyDescriptor } = options;
    if (options.daemon && readyDescriptor === undefined) return await startDaemon();
    if (readyDescriptor !== undefined) tellFaults = (text) => answerParent(readyDescriptor, text);

    const settings = loadSettings(options.configFile);
    // Started by root, the program starts anew here, as a user who is not.
    const kept = giveUpRoot(options, settings);

    // From here on a signal ends the program in order, also in the middle of the start.
    const signals = listenForSignals();
    const watch = await Watch.start(options, settings, kept, manifest.version);
    if (readyDescriptor !== undefined) answerParent(readyDescriptor, undefined);
    tellFaults = (text) => writeAll(Deno.stderr, text);
    signals.tell(watch);
    await watch.run();
    return 0;
  } catch (error) {
    tellFaults(faultLines(error));
    return 1;
  }
}

function versionText(kind: string | undefined): string {
  return manifest.version + (kind === undefined ? "" : ` (${kind}, Deno ${Deno.version.deno})`);
}

/** Signals go to the watch that is told; those that came before are kept for it. */
function listenForSignals(): { tell(watch: Watch): void } {
  const early = new Set<"stop" | "reload">();
  let watch: Watch | undefined;
  const listen = (signal: Deno.Signal, action: "stop" | "reload") =>
    Deno.addSignalListener(signal, () => watch ? watch[action]() : early.add(action));
  listen("SIGTERM", "stop");
  listen("SIGINT", "stop");
  listen("SIGHUP", "reload");
  return {
    tell(started) {
      watch = started;
      for (const action of early) started[action]();
    },
  };
}

async function startDaemon(): Promise<number> {
  const faults = await daemonize();
  if (faults === undefined) return 0;
  writeAll(Deno.stderr, faults);
  return 1;
}

/** One line a fault, and never a stack trace. */
function faultLines(error: unknown): string {
  if (error instanceof StartError) {
    return error.faults.map((one) => formatFault(one) + "\n").join("");
  }
  const known = error instanceof LibraryError || error instanceof PcapError ||
    error instanceof SystemError || error instanceof ControlFailure;
  const text = error instanceof Error ? error.message : String(error);
  return `portsentry: ${known ? "" : "internal error: "}${escapeControls(text)}\n`;
}

/** What was asked for; a reader that has seen enough, as in `portsentry report | head`, is no fault. */
function answer(text: string): void {
  try {
    writeAll(Deno.stdout, text);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    const message = `Cannot write to standard output: ${reason(error, "it")}`;
    throw new StartError([{ where: "portsentry", line: 0, message }]);
  }
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) sent += stream.writeSync(bytes.subarray(sent));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
