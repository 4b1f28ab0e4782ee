/**
 * The commands of the command line: `portsentry status`, `portsentry block ADDR` and so on.
 *
 * @module
 */
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "./config/duration.ts";
import { type Network, parseNetwork } from "./config/network.ts";
import { TOP_INTERVAL_S } from "./limits.ts";

/** What a command asks for, and how its answer is printed. */
export interface CommandRequest {
  /** `-c` */
  configFile: string;
  /** `--json` */
  json: boolean;
  action: CommandAction;
}

/** A command with its arguments. */
export type CommandAction =
  | { name: "status" | "blocked" | "reload" }
  | { name: "check" }
  | { name: "top"; seconds: number }
  | { name: "report"; seconds: number; html?: string }
  | { name: "block"; host: string; seconds?: number; why?: string }
  /** `networks` are CIDRs; "all" lifts every block. */
  | { name: "unblock"; networks: string[] | "all" }
  | {
    name: "replay";
    /** A capture file, or `-` for standard input. */
    file: string;
    /** Destinations whose packets count; all, if there are none. */
    to: Network[];
    disableLocalCheck: boolean;
    verbose: boolean;
  };

/**
 * Adds the commands to the program's own.
 *
 * @param choose is told the command that the user has asked for
 */
export function addCommands(
  program: Command,
  defaultConfigFile: string,
  choose: (request: CommandRequest) => void,
): void {
  const add = (usage: string, description: string, json = "print the answer as JSON") => {
    const command = program.command(usage).description(description)
      .addOption(
        new Option("-c, --configfile <path>", "the configuration file").default(defaultConfigFile),
      )
      .option("--json", json)
      .helpOption("-h, --help", "print this help");
    return command;
  };
  const chosen = (action: CommandAction, command: Command) => {
    const own = command.getOptionValueSource("configfile") === "cli" ? command : undefined;
    const { configfile } = (own ?? program).opts();
    choose({ configFile: configfile, json: command.opts().json === true, action });
  };

  add("status", "what the running portsentry watches, and what it has counted")
    .action((_options, command) => chosen({ name: "status" }, command));
  add("blocked", "the hosts that its firewall blocks, and until when")
    .action((_options, command) => chosen({ name: "blocked" }, command));
  add("block", "block a host")
    .addArgument(new Argument("<address>", "IPv4 or IPv6 address").argParser(host))
    .addOption(
      new Option("--for <time>", "how long: 30s, 10m, 1h, 7d, or 0 until it is unblocked")
        .argParser(seconds),
    )
    .option("--why <text>", "the reason, for people")
    .action((host: string, { for: seconds, why }, command) =>
      chosen({
        name: "block",
        host,
        ...(seconds !== undefined && { seconds }),
        ...(why !== undefined && { why }),
      }, command)
    );
  add("unblock", "lift blocks")
    .argument("[addresses...]", "addresses or CIDRs: all blocks in them are lifted", networks)
    .option("--all", "lift every block")
    .action((addresses: string[] | undefined = [], { all }, command: Command) => {
      if ((all === true) === addresses.length > 0) {
        command.error("error: name the addresses to unblock, or --all");
      }
      chosen({ name: "unblock", networks: all ? "all" : addresses }, command);
    });
  add("reload", "have the running portsentry read its configuration again")
    .action((_options, command) => chosen({ name: "reload" }, command));
  add("check", "check the configuration, and say what would be watched and done")
    .action((_options, command) => chosen({ name: "check" }, command));
  add("report", "who has scanned this host, what for and with which tool")
    .addOption(
      new Option("--since <time>", "how far back: 12h, 7d").argParser(span).default(DAY_S, "24h"),
    )
    .addOption(
      new Option("--html <path>", 'write a page with charts there; "-" is the standard output')
        .conflicts("json"),
    )
    .action(({ since, html }, command) =>
      chosen({ name: "report", seconds: since, ...(html !== undefined && { html }) }, command)
    );
  add("top", "a live screen of the running portsentry: sources, ports, rates, blocks")
    .addOption(
      new Option("--interval <time>", "how often to look: 1s, 10s").argParser(span)
        .default(TOP_INTERVAL_S, "1s"),
    )
    .action(({ interval }, command) => chosen({ name: "top", seconds: interval }, command));
  const what = "the events and scans in a capture file; nothing is done about them";
  add("replay", what, "print one JSON object a line")
    .argument("<file>", "pcap or pcapng, plain or gzip'd; - for standard input")
    .addOption(
      new Option("--to <network>", "only packets to this address or CIDR, may be repeated")
        .argParser(destinations).default([], "every destination"),
    )
    .option("-L, --disable-local-check", "act on packets from an address to itself, too")
    .option("-v, --verbose", "say more")
    .action((file: string, { to }, command: Command) => {
      const { disableLocalCheck, verbose } = command.optsWithGlobals();
      chosen({
        name: "replay",
        file,
        to,
        disableLocalCheck: disableLocalCheck === true,
        verbose: verbose === true,
      }, command);
    });
}

function destinations(text: string, before: Network[]): Network[] {
  const network = parseNetwork(text);
  if (!network) throw new InvalidArgumentError("Write an IPv4 or IPv6 address or CIDR.");
  return [...before, network];
}

const DAY_S = 86_400;

function host(text: string): string {
  if (text.includes("/") || !parseNetwork(text)) {
    throw new InvalidArgumentError("Write an IPv4 or IPv6 address.");
  }
  return text;
}

function networks(text: string, before: string[] | undefined): string[] {
  if (!parseNetwork(text)) {
    throw new InvalidArgumentError("Write an IPv4 or IPv6 address or CIDR, or --all.");
  }
  return [...before ?? [], text];
}

function seconds(text: string): number {
  const parsed = parseDuration(text);
  if ("fault" in parsed) throw new InvalidArgumentError(parsed.fault);
  return parsed.seconds;
}

function span(text: string): number {
  const parsed = seconds(text);
  if (parsed === 0) throw new InvalidArgumentError('Write a time such as "10s" or "7d".');
  return parsed;
}
