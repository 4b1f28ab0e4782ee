/**
 * The command line: argv to {@link Options}, or to a command. Only this module and that of the
 * commands know the library that parses it.
 *
 * @module
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { addCommands, type CommandRequest } from "./cli_commands.ts";
import { StartError } from "./config/fault.ts";
import { droppedOptions } from "./config/version1.ts";
import { escapeControls, quote } from "./text.ts";

/** What the command line asks for. */
export interface Options {
  mode: "stealth" | "connect";
  /** `-m`: how stealth mode captures. */
  method: "pcap" | "raw";
  /** `-i`: aliases or interface names; empty for the default. */
  interfaces: string[];
  /** `-l`: where the log goes, each place once. */
  logOutputs: LogOutput[];
  /** `--log-format`: how events and messages are written there. */
  logFormat: "classic" | "json";
  /** `-c` */
  configFile: string;
  /** `-D` */
  daemon: boolean;
  /** `-p`: where the process id is kept; `-D` has a default. */
  pidFile: string | undefined;
  /** Set in the process that `-D` has started in the background: where to say that it watches. */
  readyDescriptor: number | undefined;
  /** `-d` */
  debug: boolean;
  /** `-v` */
  verbose: boolean;
  /** `-L` */
  disableLocalCheck: boolean;
  /** `-S` */
  disableServiceCheck: boolean;
}

/** A value of `-l`. */
export type LogOutput = "stdout" | "syslog";

/** What to do: run with options, do a command, or print a text (help or version) and end. */
export type Invocation = { options: Options } | { command: CommandRequest } | { print: string };

const DEFAULT_PID_FILE = "/run/portsentry.pid";
const DEFAULT_CONFIG_FILE = "/etc/portsentry/portsentry.conf";

/**
 * Reads the command line, in getopt_long's ways: `-dv`, `-mraw`, `-m raw`, `--method=raw`.
 *
 * @param args without the program's name
 * @throws {StartError} naming the option that is wrong
 */
export function parseArguments(args: readonly string[], version: string): Invocation {
  const dropped = droppedOptions(args);
  if (dropped.length > 0) {
    throw new StartError(
      dropped.map((message) => ({ where: "portsentry", line: 0, message })),
    );
  }
  let printed = "";
  let request: CommandRequest | undefined;
  const program = buildCommand(version, (chosen) => request = chosen);
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => printed += text,
      writeErr: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: () => 80,
      getErrHelpWidth: () => 80,
    });
  }
  try {
    program.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { print: printed };
    throw new StartError([{ where: "portsentry", line: 0, message: faultText(error) }]);
  }
  return request ? { command: request } : { options: toOptions(program.opts()) };
}

/**
 * The command line as a tree of commands and options, for whoever needs to know all of it.
 *
 * @param choose is told the command that was asked for
 */
export function buildCommand(
  version: string,
  choose: (request: CommandRequest) => void = () => {},
): Command {
  const program = buildProgram(version);
  addCommands(program, DEFAULT_CONFIG_FILE, choose);
  return program;
}

function buildProgram(version: string): Command {
  return new Command("portsentry")
    // Options behind a command are the command's own.
    .enablePositionalOptions()
    // Without a command it watches.
    .action(() => {})
    .description("Detect and respond to port scans against this host in real time.")
    .addOption(
      new Option("--stealth", "watch quietly, by capturing packets (default)").conflicts("connect"),
    )
    .addOption(new Option("--connect", "watch by listening on the ports (legacy)"))
    .addOption(
      new Option("-m, --method <method>", "how stealth mode captures").choices(["pcap", "raw"])
        .default("pcap"),
    )
    .addOption(
      new Option(
        "-i, --interface <name>",
        "interface to watch, may be repeated; or ALL, ALL_NLO (all but loopback), any",
      ).argParser(collect).default([], "ALL_NLO"),
    )
    .option("-L, --disable-local-check", "act on packets from this host to itself, too")
    .option("-S, --disable-service-check", "report probes of ports that have a service, too")
    .addOption(
      new Option("-l, --logoutput <output>", "where the log goes, may be repeated")
        .choices(["stdout", "syslog"]).argParser(collectOutput).default([], "stdout"),
    )
    .addOption(
      new Option("--log-format <format>", "classic lines, or one JSON object a line")
        .choices(["classic", "json"]).default("classic"),
    )
    .option("-c, --configfile <path>", "the configuration file", DEFAULT_CONFIG_FILE)
    .option("-D, --daemon", "run in the background and log to syslog")
    .option("-p, --pidfile <path>", `keep the process id here (with -D: ${DEFAULT_PID_FILE})`)
    .addOption(new Option("--ready-fd <fd>").argParser(descriptor).hideHelp())
    .option("-d, --debug", "say very much")
    .option("-v, --verbose", "say more")
    .version(`Portsentry ${version}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help");
}

function descriptor(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError("Write a descriptor's number.");
  return Number(value);
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function collectOutput(value: string, before: LogOutput[]): LogOutput[] {
  if (value !== "stdout" && value !== "syslog") {
    throw new InvalidArgumentError("Allowed choices are stdout, syslog.");
  }
  return before.includes(value) ? before : [...before, value];
}

/** Commander's message on one line, without its `error: `. */
function faultText(error: CommanderError): string {
  // Behind no command an operand can only have been meant as one.
  const [, word] = /too many arguments\. Expected 0 .*?: (.*?)\.?$/s.exec(error.message) ?? [];
  if (word !== undefined) return `there is no command ${quote(word)}: see portsentry --help`;
  return escapeControls(error.message.replace(/^error: /, "").trim().replaceAll(/\s*\n\s*/g, " "));
}

function toOptions(values: Record<string, unknown>): Options {
  const daemon = values.daemon === true;
  const logOutputs = values.logoutput as LogOutput[];
  return {
    mode: values.connect === true ? "connect" : "stealth",
    method: values.method as Options["method"],
    interfaces: values.interface as string[],
    logOutputs: daemon ? ["syslog"] : logOutputs.length > 0 ? logOutputs : ["stdout"],
    logFormat: values.logFormat as Options["logFormat"],
    configFile: values.configfile as string,
    daemon,
    pidFile: values.pidfile as string | undefined ?? (daemon ? DEFAULT_PID_FILE : undefined),
    readyDescriptor: values.readyFd as number | undefined,
    debug: values.debug === true,
    verbose: values.verbose === true,
    disableLocalCheck: values.disableLocalCheck === true,
    disableServiceCheck: values.disableServiceCheck === true,
  };
}
