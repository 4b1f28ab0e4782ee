/**
 * Portsentry: detects port scans of this host and responds to them.
 *
 * @module
 */
import manifest from "./deno.json" with { type: "json" };
import { Poller } from "./ffi/epoll.ts";
import { SystemError } from "./ffi/libc.ts";
import { LibraryError } from "./ffi/libraries.ts";
import { PcapError } from "./ffi/pcap.ts";
import { type Options, parseArguments } from "./src/cli.ts";
import { type Fault, formatFault, StartError } from "./src/config/fault.ts";
import { loadSettings, reason, type Settings } from "./src/config/load.ts";
import { Detector } from "./src/detector/detector.ts";
import { SourceTable } from "./src/detector/source_table.ts";
import { History } from "./src/log/history.ts";
import { LineOutput } from "./src/log/line_output.ts";
import { Logger } from "./src/log/logger.ts";
import { LossReport } from "./src/log/loss_report.ts";
import { LAST_DRAIN_MS, LOSS_REPORT_MS, SOURCE_TABLE_ENTRIES } from "./src/limits.ts";
import { Pipeline } from "./src/pipeline.ts";
import { listInterfaces, selectInterfaces, type Target } from "./src/sentry/interfaces.ts";
import { PcapSentry } from "./src/sentry/pcap_sentry.ts";

/**
 * Runs the program.
 *
 * @param args the command line, without the program's name
 * @returns the exit status
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const invocation = parseArguments(args, manifest.version);
    if ("print" in invocation) {
      writeAll(Deno.stdout, invocation.print);
      return 0;
    }
    const { options } = invocation;
    const settings = loadSettings(options.configFile);
    refuseUnavailable(options, settings);
    return await watch(options, settings);
  } catch (error) {
    writeAll(Deno.stderr, faultLines(error));
    return 1;
  }
}

/** Watches until a signal ends it. Nothing on disk changes before everything else has worked. */
async function watch(options: Options, { config, ignore, warnings }: Settings): Promise<number> {
  const stdout = new LineOutput("stdout", Deno.stdout);
  const stderr = new LineOutput("stderr", Deno.stderr);
  const log = new Logger({ ...options, output: stdout, errors: stderr });
  for (const warning of warnings) log.error(formatFault(warning));

  const poller = new Poller();
  let status = 0;
  const sentry = new PcapSentry({
    targets: findTargets(options, log),
    tcpPorts: config.tcpPorts,
    udpPorts: config.udpPorts,
    poller,
    onPacket: (packet) => pipeline.take(packet),
    onVerbose: (text) => log.verbose(text),
    onFailure: (text) => log.error(text),
    onBlind: () => {
      log.error("No interface is left to watch");
      status = 1;
      poller.stop();
    },
  });
  const history = openHistory(config.historyFile);
  const sources = new SourceTable(SOURCE_TABLE_ENTRIES);
  const pipeline = new Pipeline({
    detector: new Detector(config, ignore, sources, options),
    ignoreFile: config.ignoreFile ?? "",
    output: stdout,
    history,
    log,
  });

  const outputs = history ? [stdout, stderr, history.output] : [stdout, stderr];
  const losses = new LossReport(log, outputs, () => sentry.losses());
  const timer = setInterval(() => losses.tell(), LOSS_REPORT_MS);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => poller.stop());
  }
  log.notice("Portsentry is now active and listening.");
  await poller.run();

  clearInterval(timer);
  sentry.drain(LAST_DRAIN_MS);
  log.verbose(summary(sentry, pipeline));
  log.notice("Portsentry is shutting down");
  losses.tell();
  sentry.close();
  poller.close();
  await Promise.all([stdout.close(), history?.close()]);
  losses.tell();
  await stderr.close();
  return status;
}

/** The interfaces `-i` asks for. */
function findTargets(options: Options, log: Logger): Target[] {
  const { targets, faults, skipped } = selectInterfaces(options.interfaces, listInterfaces());
  const where = "portsentry: option '-i, --interface <name>'";
  for (const text of skipped) log.verbose(`Not watching: ${text}`);
  if (faults.length === 0 && targets.length === 0) {
    faults.push(`nothing to watch: ${skipped.join(", ") || "this host has no such interface"}`);
  }
  if (faults.length > 0) {
    throw new StartError(faults.map((message) => ({ where, line: 0, message })));
  }
  return targets;
}

function openHistory(path: string | undefined): History | undefined {
  if (path === undefined) return undefined;
  try {
    return new History(path);
  } catch (error) {
    const message = `Cannot write the history file: ${reason(error, path)}`;
    throw new StartError([{ where: path, line: 0, message }]);
  }
}

/** What `-v` says at the end. */
function summary(sentry: PcapSentry, pipeline: Pipeline): string {
  const { packets, events } = pipeline.counters;
  const rejects = [...sentry.rejects].map(([name, count]) => `, ${count} ${name}`).join("");
  return `${packets} packets, ${events} events${rejects}`;
}

/** What cannot be done yet is refused at the start, rather than left undone in silence. */
function refuseUnavailable(options: Options, { config }: Settings): void {
  const faults: Fault[] = [];
  const refuse = (asked: boolean, where: string, what: string) => {
    if (asked) faults.push({ where, line: 0, message: `${what} is not available in this version` });
  };
  refuse(options.mode === "connect", "portsentry", "option '--connect'");
  refuse(options.method === "raw", "portsentry", "option '--method raw'");
  refuse(options.logOutputs.includes("syslog"), "portsentry", "logging to syslog");
  refuse(options.daemon, "portsentry", "option '--daemon'");
  refuse(config.blockTcp !== 0, config.file, 'BLOCK_TCP other than "0"');
  refuse(config.blockUdp !== 0, config.file, 'BLOCK_UDP other than "0"');
  refuse(config.resolveHost, config.file, 'RESOLVE_HOST="1"');
  if (faults.length > 0) throw new StartError(faults);
}

/** One line a fault, and never a stack trace. */
function faultLines(error: unknown): string {
  if (error instanceof StartError) {
    return error.faults.map((one) => formatFault(one) + "\n").join("");
  }
  const known = error instanceof LibraryError || error instanceof PcapError ||
    error instanceof SystemError;
  const text = error instanceof Error ? error.message : String(error);
  return `portsentry: ${known ? "" : "internal error: "}${text}\n`;
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let sent = 0; sent < bytes.length;) sent += stream.writeSync(bytes.subarray(sent));
}

if (import.meta.main) Deno.exit(await main(Deno.args));
