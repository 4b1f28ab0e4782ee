/**
 * What the program may do, stage by stage: the one table from which everything about privileges is
 * made, from what is given up after the start to what `portsentry check` and the documents say.
 *
 * @module
 */
import { Capability } from "../../ffi/credentials.ts";

/** Whose rights: those of RUN_AS, or root's. */
export type Identity = "RUN_AS" | "root";

/** What of a configuration decides about privileges. */
export interface Facts {
  mode: "stealth" | "connect";
  /** Whether a port below 1024 is listened on. */
  lowPorts: boolean;
  /** Whether a state file is kept: for blocks, for reports or for both. */
  state: boolean;
  /** Whether FIREWALL blocks. */
  firewall: boolean;
  /** Whether METRICS are served. */
  metrics: boolean;
  /** Whether that is below port 1024. */
  lowMetrics: boolean;
  /** Whether NOTIFY_URL is told of anything. */
  notify: boolean;
  /** Whether KILL_HOSTS_DENY is written. */
  hostsDeny: boolean;
  /** Whether KILL_ROUTE or KILL_RUN_CMD is run. */
  commands: boolean;
}

/** Files of a run, by what they are for. */
export type FileKind =
  | "configuration"
  | "ignore file"
  | "history"
  | "blocked file"
  | "state file"
  | "control socket"
  | "pidfile"
  | "hosts.deny";

/** A stage of the program, and what it adds to what all of them hold. */
export interface Stage {
  name: string;
  applies: (facts: Facts) => boolean;
  identity: Identity;
  capabilities: readonly Capability[] | "all";
  /** Files that Deno may be asked to open, or to make and remove. */
  read: readonly FileKind[];
  write: readonly FileKind[];
  /** Whether it calls a library that is loaded at the start alone. */
  library?: boolean;
  /** What Deno may be asked to listen at, or to connect to. */
  net?: string;
  /** Whether Deno may be asked to run the shell. */
  run: boolean;
  /** Why, as the end of a sentence about root or a capability. */
  why: string;
}

const OWN: readonly FileKind[] = [
  "history",
  "blocked file",
  "control socket",
  "pidfile",
];

/**
 * The stages after the start. Those that apply add up: the highest identity holds, and all of the
 * capabilities and files. At the start itself the program is what it was started as, with the
 * permissions on its command line, and opens libc, libpcap and libnftables, as far as it needs them.
 */
export const STAGES: readonly Stage[] = [
  {
    name: "every watch",
    applies: () => true,
    identity: "RUN_AS",
    capabilities: [],
    read: ["configuration", "ignore file", ...OWN],
    write: OWN,
    run: false,
    why: "files are written, and read again upon SIGHUP",
  },
  {
    name: "stealth mode",
    applies: ({ mode }) => mode === "stealth",
    identity: "RUN_AS",
    capabilities: ["CAP_NET_RAW"],
    read: [],
    write: [],
    run: false,
    why: "packets are captured, on interfaces that come later, too",
  },
  {
    name: "`--connect` below port 1024",
    applies: ({ mode, lowPorts }) => mode === "connect" && lowPorts,
    identity: "RUN_AS",
    capabilities: ["CAP_NET_BIND_SERVICE"],
    read: [],
    write: [],
    run: false,
    why: "these ports are listened on",
  },
  {
    name: "`STATE_FILE`",
    applies: ({ state }) => state,
    identity: "RUN_AS",
    capabilities: [],
    read: ["state file"],
    write: ["state file"],
    run: false,
    why: "STATE_FILE is kept",
  },
  {
    name: "`FIREWALL`",
    applies: ({ firewall }) => firewall,
    identity: "RUN_AS",
    capabilities: ["CAP_NET_ADMIN"],
    read: [],
    write: [],
    library: true,
    run: false,
    why: "FIREWALL changes the kernel's firewall",
  },
  {
    name: "`METRICS`",
    applies: ({ metrics }) => metrics,
    identity: "RUN_AS",
    capabilities: [],
    read: [],
    write: [],
    net: "its address",
    run: false,
    why: "METRICS are served",
  },
  {
    name: "`METRICS` below port 1024",
    applies: ({ metrics, lowMetrics }) => metrics && lowMetrics,
    identity: "RUN_AS",
    capabilities: ["CAP_NET_BIND_SERVICE"],
    read: [],
    write: [],
    run: false,
    why: "METRICS are served below port 1024",
  },
  {
    name: "`NOTIFY_URL`",
    applies: ({ notify }) => notify,
    identity: "RUN_AS",
    capabilities: [],
    read: [],
    write: [],
    net: "its hosts",
    run: false,
    why: "NOTIFY_URL is told of scans",
  },
  {
    name: "`KILL_HOSTS_DENY`",
    applies: ({ hostsDeny }) => hostsDeny,
    identity: "root",
    capabilities: ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"],
    read: ["hosts.deny"],
    write: ["hosts.deny"],
    run: false,
    why: "KILL_HOSTS_DENY writes /etc/hosts.deny",
  },
  {
    name: "`KILL_ROUTE`, `KILL_RUN_CMD`",
    applies: ({ commands }) => commands,
    identity: "root",
    capabilities: "all",
    read: [],
    write: [],
    run: true,
    why: "KILL_ROUTE and KILL_RUN_CMD run commands that may need anything",
  },
];

/** What a configuration needs while it is in force. */
export interface Privileges {
  identity: Identity;
  capabilities: Capability[] | "all";
  read: Set<FileKind>;
  write: Set<FileKind>;
  net: boolean;
  run: boolean;
  /** Why root is kept; undefined when it is not. */
  rootFor: string | undefined;
}

/** Adds up the stages that a configuration has. */
export function privilegesFor(facts: Facts): Privileges {
  const stages = STAGES.filter(({ applies }) => applies(facts));
  const root = stages.filter(({ identity }) => identity === "root");
  const all = stages.some(({ capabilities }) => capabilities === "all");
  const names = stages.flatMap(({ capabilities }) => capabilities === "all" ? [] : capabilities);
  return {
    identity: root.length > 0 ? "root" : "RUN_AS",
    capabilities: all
      ? "all"
      : [...new Set(names)].toSorted((a, b) => Capability[a] - Capability[b]),
    read: new Set(stages.flatMap(({ read }) => read)),
    write: new Set(stages.flatMap(({ write }) => write)),
    net: stages.some(({ net }) => net !== undefined),
    run: stages.some(({ run }) => run),
    rootFor: root.at(-1)?.why,
  };
}

/** The table as it stands in docs/security.md. */
export function privilegeTable(): string {
  const rows = STAGES.map(({ name, identity, capabilities, read, write, net, run }) => [
    name,
    identity === "root" ? "root" : "`RUN_AS`",
    listed(capabilities === "all" ? ["all"] : capabilities),
    listed(read),
    listed(write),
    net ?? "–",
    run ? "/bin/sh" : "–",
  ]);
  const start = [
    "start",
    "as started",
    "as started",
    "as given",
    "as given",
    "as given",
    "as given",
  ];
  const head = [
    "stage",
    "user",
    "capabilities",
    "Deno: read",
    "Deno: write",
    "Deno: net",
    "Deno: run",
  ];
  return [head, head.map(() => "---"), start, ...rows]
    .map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function listed(words: readonly string[]): string {
  return words.length === 0 ? "–" : words.join(", ");
}
