import assert from "node:assert/strict";
import { type Options, parseArguments } from "../src/cli.ts";
import { StartError } from "../src/config/fault.ts";

function options(...args: string[]): Options {
  const invocation = parseArguments(args, "1.2.3");
  assert.ok("options" in invocation);
  return invocation.options;
}

const DEFAULTS: Options = {
  mode: "stealth",
  method: "pcap",
  interfaces: [],
  logOutputs: ["stdout"],
  logFormat: "classic",
  configFile: "/etc/portsentry/portsentry.conf",
  daemon: false,
  pidFile: undefined,
  readyDescriptor: undefined,
  debug: false,
  verbose: false,
  disableLocalCheck: false,
  disableServiceCheck: false,
};

const CASES: [args: string[], changes: Partial<Options>][] = [
  [[], {}],
  [["--stealth"], {}],
  [["--connect"], { mode: "connect" }],
  [["-m", "raw"], { method: "raw" }],
  [["-mraw"], { method: "raw" }],
  [["--method=raw"], { method: "raw" }],
  [["--method", "pcap"], {}],
  [["-i", "eth0", "--interface", "eth1", "-ilo"], { interfaces: ["eth0", "eth1", "lo"] }],
  [["--interface=ALL"], { interfaces: ["ALL"] }],
  [["-l", "syslog"], { logOutputs: ["syslog"] }],
  [["-l", "stdout", "-lsyslog", "-l", "stdout"], { logOutputs: ["stdout", "syslog"] }],
  [["--log-format", "json"], { logFormat: "json" }],
  [["--log-format=classic"], {}],
  [["-c", "a", "--configfile=b"], { configFile: "b" }],
  [["-D"], { daemon: true, logOutputs: ["syslog"], pidFile: "/run/portsentry.pid" }],
  [["-D", "-p", "/x"], { daemon: true, logOutputs: ["syslog"], pidFile: "/x" }],
  [["--pidfile=/x"], { pidFile: "/x" }],
  [["-dvv"], { debug: true, verbose: true }],
  [["-L", "-S"], { disableLocalCheck: true, disableServiceCheck: true }],
  [
    ["--disable-local-check", "--disable-service-check", "--debug", "--verbose", "--daemon"],
    {
      disableLocalCheck: true,
      disableServiceCheck: true,
      debug: true,
      verbose: true,
      daemon: true,
      logOutputs: ["syslog"],
      pidFile: "/run/portsentry.pid",
    },
  ],
];

for (const [args, changes] of CASES) {
  Deno.test(`parseArguments() reads ${args.join(" ") || "nothing"}`, () => {
    assert.deepEqual(options(...args), { ...DEFAULTS, ...changes });
  });
}

const FAULTS: [args: string[], fault: RegExp][] = [
  [
    ["--stealth", "--connect"],
    /^portsentry: option '--stealth' cannot be used with option '--connect'$/,
  ],
  [["--foo"], /^portsentry: unknown option '--foo'$/],
  [["--verbos"], /^portsentry: unknown option '--verbos' \(Did you mean --verbose\?\)$/],
  [
    ["-m", "ebpf"],
    /'-m, --method <method>' argument 'ebpf' is invalid\. Allowed choices are pcap, raw/,
  ],
  [
    ["-l", "file"],
    /'-l, --logoutput <output>' argument 'file' is invalid\. Allowed choices are stdout, syslog/,
  ],
  [["--log-format", "xml"], /'xml' is invalid\. Allowed choices are classic, json/],
  [["-c"], /'-c, --configfile <path>' argument missing/],
  [
    ["-tcp"],
    /^portsentry: option '-tcp' is of portsentry 1: .*--connect to listen on TCP_PORTS.* -D puts/,
  ],
  [
    ["-stcp"],
    /^portsentry: option '-stcp' .*name the ports in TCP_PORTS: --stealth is the default/,
  ],
  [["-D", "-audp"], /^portsentry: option '-audp' .* write a range such as UDP_PORTS="1-1023"/],
  [["-atcp", "-sudp"], /^portsentry: option '-atcp' .*\nportsentry: option '-sudp' /],
  [["--ready-fd", "x"], /'--ready-fd <fd>' argument 'x' is invalid\. Write a descriptor's number/],
  [["--\x1b[31m"], /^portsentry: unknown option '--\\x1b\[31m'$/],
  [["start"], /there is no command "start": see portsentry --help/],
  [["status", "start"], /too many arguments.*start/],
  [["replay"], /missing required argument 'file'/],
  [["replay", "--to", "192.0.2.300", "x"], /'192.0.2.300' is invalid. Write an IPv4 or IPv6 addr/],
  [["report", "--since", "24"], /'--since <time>' argument '24' is invalid\. "24" lacks its unit/],
  [["report", "--json", "--html", "a"], /'--html <path>' cannot be used with option '--json'/],
  [["report", "--since=0"], /Write a time such as "10s" or "7d"\./],
];

for (const [args, fault] of FAULTS) {
  Deno.test(`parseArguments() refuses ${args.join(" ")}`, () => {
    assert.throws(() => parseArguments(args, "1.2.3"), (error) => {
      assert.ok(error instanceof StartError);
      assert.match(error.message, fault);
      return true;
    });
  });
}

Deno.test("parseArguments() reads what is to be replayed, and how", () => {
  const replay = (...args: string[]) => {
    const invocation = parseArguments(args, "1.2.3");
    assert.ok("command" in invocation);
    return invocation.command;
  };
  const plain = { name: "replay", to: [], disableLocalCheck: false, verbose: false };
  assert.deepEqual(replay("replay", "-"), {
    configFile: "/etc/portsentry/portsentry.conf",
    json: false,
    action: { ...plain, file: "-" },
  });
  const args = ["-vLc", "my.conf", "--json", "--to", "192.0.2.1", "--to=2001:db8::/32", "x.pcap"];
  const to = [
    { address: Uint8Array.of(192, 0, 2, 1), prefix: 32 },
    { address: Uint8Array.of(0x20, 1, 0x0d, 0xb8, ...Array(12).fill(0)), prefix: 32 },
  ];
  assert.deepEqual(replay("replay", ...args), {
    configFile: "my.conf",
    json: true,
    action: { name: "replay", file: "x.pcap", to, disableLocalCheck: true, verbose: true },
  });
  // Options that the program has as well may stand before the command.
  assert.deepEqual(replay("-v", "-c", "my.conf", "replay", "x.pcap"), {
    configFile: "my.conf",
    json: false,
    action: { ...plain, file: "x.pcap", verbose: true },
  });
});

Deno.test("parseArguments() reads how far back a report goes", () => {
  for (
    const [args, seconds] of [[["report"], 86_400], [["report", "--since", "7d"], 604_800]] as const
  ) {
    const invocation = parseArguments(args, "1.2.3");
    assert.ok("command" in invocation);
    assert.deepEqual(invocation.command.action, { name: "report", seconds });
  }
});

Deno.test("parseArguments() prints the version and help", () => {
  assert.deepEqual(parseArguments(["-V"], "1.2.3"), { print: "Portsentry 1.2.3\n" });
  const help = parseArguments(["-h"], "1.2.3");
  assert.ok("print" in help);
  for (
    const option of [
      "--stealth",
      "--connect",
      "-m,",
      "-i,",
      "-L,",
      "-S,",
      "-l,",
      "-c,",
      "-D,",
      "-d,",
      "-v,",
      "-h,",
      "-V,",
    ]
  ) {
    assert.ok(help.print.includes(option), option);
  }
  assert.ok(help.print.split("\n").every((line) => line.length <= 80));
});
