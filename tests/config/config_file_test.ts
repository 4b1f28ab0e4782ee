import assert from "node:assert/strict";
import fc from "fast-check";
import type { Config } from "../../src/config/config.ts";
import { parseConfigFile } from "../../src/config/config_file.ts";
import { formatFault } from "../../src/config/fault.ts";

const FILE = "/etc/portsentry/portsentry.conf";

function config(text: string) {
  const parsed = parseConfigFile(text, FILE);
  assert.deepEqual(parsed.faults, []);
  assert.ok(parsed.config);
  return parsed.config;
}

function faults(text: string): string[] {
  return parseConfigFile(text, "portsentry.conf").faults.map(formatFault);
}

Deno.test("parseConfigFile() reads every key", () => {
  const read = config(`
TCP_PORTS="1,7,20-25"
UDP_PORTS="9,161-162"
IGNORE_FILE="/etc/portsentry/portsentry.ignore"
HISTORY_FILE="/var/log/portsentry.log"
HISTORY_FORMAT="json"
BLOCKED_FILE="/var/lib/portsentry/blocked"
RESOLVE_HOST="1"
BLOCK_TCP="1"
BLOCK_UDP="2"
KILL_ROUTE="/sbin/route add -host $TARGET$ reject"
KILL_HOSTS_DENY="ALL: $TARGET$"
KILL_RUN_CMD="/bin/echo $TARGET$ $PORT$ $MODE$"
KILL_RUN_CMD_FIRST="1"
FIREWALL="nftables"
FIREWALL_KEEP="0"
BLOCK_TIME="10m"
BLOCK_TIME_GROWTH="1.5"
BLOCK_TIME_MAX="2d12h"
BLOCK_PREFIX_IPV6="56"
BLOCK_MAX="1000"
LOCKOUT_GUARD="0"
STATE_FILE="/var/lib/portsentry/portsentry.db"
CONTROL_SOCKET="/run/portsentry/control.sock"
METRICS="[::1]:9187"
NOTIFY_URL="https://user:pass@hooks.example/T0/token https://ntfy.sh/scans"
NOTIFY_FORMAT="text"
NOTIFY_WINDOW="10m"
RUN_AS="nobody"
DRY_RUN="1"
DETECT="extended"
SCAN_TRIGGER="2"
SCAN_TRIGGER_PORTS="0"
SCAN_TRIGGER_WINDOW="90s"
SCAN_WINDOW="15m"
PORT_BANNER="Go away"
`);
  assert.equal(read.tcpPorts.toString(), "1,7,20-25");
  assert.equal(read.udpPorts.toString(), "9,161-162");
  assert.deepEqual({ ...read, tcpPorts: 0, udpPorts: 0 }, {
    file: FILE,
    tcpPorts: 0,
    udpPorts: 0,
    ignoreFile: "/etc/portsentry/portsentry.ignore",
    historyFile: "/var/log/portsentry.log",
    historyFormat: "json",
    blockedFile: "/var/lib/portsentry/blocked",
    resolveHost: true,
    blockTcp: 1,
    blockUdp: 2,
    killRoute: "/sbin/route add -host $TARGET$ reject",
    killHostsDeny: "ALL: $TARGET$",
    killRunCmd: "/bin/echo $TARGET$ $PORT$ $MODE$",
    killRunCmdFirst: true,
    firewall: "nftables",
    firewallKeep: false,
    blockTimeS: 600,
    blockTimeGrowth: 1.5,
    blockTimeMaxS: 216_000,
    blockPrefixIpv6: 56,
    blockMax: 1000,
    lockoutGuard: false,
    stateFile: "/var/lib/portsentry/portsentry.db",
    detect: "extended",
    controlSocket: "/run/portsentry/control.sock",
    metrics: { host: "::1", port: 9187 },
    notifyTargets: [
      {
        url: "https://hooks.example/T0/token",
        authorization: "Basic dXNlcjpwYXNz",
        host: "hooks.example",
        endpoint: "hooks.example:443",
        encrypted: true,
      },
      {
        url: "https://ntfy.sh/scans",
        host: "ntfy.sh",
        endpoint: "ntfy.sh:443",
        encrypted: true,
      },
    ],
    notifyFormat: "text",
    notifyWindowS: 600,
    runAs: "nobody",
    dryRun: true,
    scanTrigger: 2,
    scanTriggerPorts: 0,
    scanTriggerWindowS: 90,
    scanWindowS: 900,
    portBanner: "Go away",
  });
});

Deno.test("parseConfigFile() has log-only defaults", () => {
  const read = config('UDP_PORTS="9"');
  assert.equal(read.tcpPorts.size, 0);
  assert.equal(read.blockTcp, 0);
  assert.equal(read.blockUdp, 0);
  assert.equal(read.scanTrigger, 0);
  assert.equal(read.historyFormat, "classic");
  assert.equal(read.resolveHost, false);
  assert.equal(read.killRunCmdFirst, false);
  assert.equal(read.firewall, undefined);
  assert.equal(read.firewallKeep, true);
  assert.equal(read.blockTimeS, 3600);
  assert.equal(read.blockTimeGrowth, 2);
  assert.equal(read.blockTimeMaxS, 604_800);
  assert.equal(read.blockPrefixIpv6, 64);
  assert.equal(read.blockMax, 65_536);
  assert.equal(read.lockoutGuard, true);
  assert.equal(read.stateFile, undefined);
  assert.equal(read.controlSocket, undefined);
  assert.equal(read.runAs, undefined);
  assert.equal(read.notifyTargets, undefined);
  assert.equal(read.notifyFormat, undefined);
  assert.equal(read.notifyWindowS, 3600);
  assert.equal(read.dryRun, false);
  assert.equal(read.scanWindowS, 600);
  assert.equal(read.scanTriggerPorts, 0);
  assert.equal(read.scanTriggerWindowS, undefined);
});

const GOOD: [line: string, key: keyof Config, value: unknown][] = [
  ['BLOCK_TIME="0"', "blockTimeS", 0],
  ['BLOCK_TIME="3650d"', "blockTimeS", 315_360_000],
  ['BLOCK_TIME="8d"', "blockTimeMaxS", 691_200],
  ['BLOCK_TIME="1h"', "blockTimeMaxS", 604_800],
  ['BLOCK_TIME_GROWTH="1"', "blockTimeGrowth", 1],
  ['BLOCK_TIME_GROWTH="100"', "blockTimeGrowth", 100],
  ['BLOCK_TIME_MAX="1h"', "blockTimeMaxS", 3600],
  ['BLOCK_PREFIX_IPV6="32"', "blockPrefixIpv6", 32],
  ['BLOCK_PREFIX_IPV6="128"', "blockPrefixIpv6", 128],
  ['BLOCK_MAX="1"', "blockMax", 1],
  ['BLOCK_MAX="1048576"', "blockMax", 1_048_576],
  ['STATE_FILE="state.db"', "stateFile", "/etc/portsentry/state.db"],
  [`CONTROL_SOCKET="/${"x".repeat(106)}"`, "controlSocket", `/${"x".repeat(106)}`],
  ['DETECT="classic"', "detect", "classic"],
  ['SCAN_TRIGGER_PORTS="64"', "scanTriggerPorts", 64],
  ['SCAN_TRIGGER_WINDOW="5m"\nSCAN_TRIGGER_WINDOW="0"', "scanTriggerWindowS", undefined],
  ['SCAN_WINDOW="1s"', "scanWindowS", 1],
];

for (const [line, key, value] of GOOD) {
  Deno.test(`parseConfigFile() reads ${line}`, () => {
    assert.equal(config(`TCP_PORTS="1"\nFIREWALL="nftables"\n${line}`)[key], value);
  });
}

Deno.test("parseConfigFile() takes FIREWALL for a means of blocking", () => {
  assert.equal(config('TCP_PORTS="1"\nBLOCK_TCP="1"\nFIREWALL="nftables"').blockTcp, 1);
});

const LAYOUTS: [name: string, text: string][] = [
  ["blanks and tabs", ' \tTCP_PORTS \t=\t "23" \t\n'],
  ["CRLF", '# comment\r\nTCP_PORTS="23"\r\n\r\n'],
  ["no newline at the end", 'TCP_PORTS="23"'],
  ["an indented comment", '   # TCP_PORTS="x"\nTCP_PORTS="23"\n'],
  ["a byte order mark", '\ufeffTCP_PORTS="23"\n'],
];

for (const [name, text] of LAYOUTS) {
  Deno.test(`parseConfigFile() accepts ${name}`, () => {
    assert.equal(config(text).tcpPorts.toString(), "23");
  });
}

Deno.test("parseConfigFile() keeps quotes, equal signs and hashes inside a value", () => {
  const command = `logger -t x "a=b" '#1' $TARGET$`;
  assert.equal(config(`TCP_PORTS="1"\nKILL_RUN_CMD="${command}"`).killRunCmd, command);
});

Deno.test("parseConfigFile() starts relative paths at its own folder", () => {
  assert.equal(
    config('TCP_PORTS="1"\nHISTORY_FILE="log/history"').historyFile,
    "/etc/portsentry/log/history",
  );
});

Deno.test("parseConfigFile() lets the last of two settings count, and warns", () => {
  const { config, warnings } = parseConfigFile('TCP_PORTS="1"\nTCP_PORTS="2"', "c");
  assert.equal(config?.tcpPorts.toString(), "2");
  assert.deepEqual(warnings.map(formatFault), [
    "c:2: TCP_PORTS is set again: its value from line 1 does not count",
  ]);
});

const DOUBTFUL: [line: string, warning: RegExp][] = [
  [
    'KILL_ROUTE="/sbin/route add $TARGET$ 333.444.555.666"',
    /^c:2: KILL_ROUTE: 333\.444\.555\.666 is an example and no address: /,
  ],
  ['KILL_ROUTE="/sbin/ipchains -s $TARGET$"', /^c:2: KILL_ROUTE: ipchains is gone from Linux: /],
  ['KILL_HOSTS_DENY="ALL: $TARGET$: twist echo \\%h"', /^c:2: KILL_HOSTS_DENY: .* write "%"/],
  ['HISTORY_FORMAT="json"', /^c:2: HISTORY_FORMAT has no effect without HISTORY_FILE$/],
  ['FIREWALL_KEEP="1"', /^c:2: FIREWALL_KEEP has no effect without FIREWALL$/],
  ['BLOCK_TIME="1h"', /^c:2: BLOCK_TIME has no effect without FIREWALL$/],
  ['BLOCK_TIME_GROWTH="2"', /^c:2: BLOCK_TIME_GROWTH has no effect without FIREWALL$/],
  ['BLOCK_TIME_MAX="7d"', /^c:2: BLOCK_TIME_MAX has no effect without FIREWALL$/],
  ['BLOCK_PREFIX_IPV6="64"', /^c:2: BLOCK_PREFIX_IPV6 has no effect without FIREWALL$/],
  ['BLOCK_MAX="1"', /^c:2: BLOCK_MAX has no effect without FIREWALL$/],
  [
    'BLOCK_TIME_GROWTH="2"\nFIREWALL="nftables"\nBLOCK_TIME="0"',
    /^c:2: BLOCK_TIME_GROWTH has no effect with BLOCK_TIME="0": the blocks have no end$/,
  ],
  [
    'BLOCK_TIME_MAX="7d"\nFIREWALL="nftables"\nBLOCK_TIME="0"',
    /^c:2: BLOCK_TIME_MAX has no effect with BLOCK_TIME="0": the blocks have no end$/,
  ],
  [
    'SCAN_TRIGGER_WINDOW="10m"\nSCAN_TRIGGER="1"',
    /^c:2: SCAN_TRIGGER_WINDOW has no effect without SCAN_TRIGGER or SCAN_TRIGGER_PORTS above 1: /,
  ],
  [
    'METRICS="0.0.0.0:9187"',
    /^c:2: METRICS="0\.0\.0\.0:9187" answers whoever can reach that address: write "127\.0\.0\.1:9187"/,
  ],
  ['NOTIFY_FORMAT="json"', /^c:2: NOTIFY_FORMAT has no effect without NOTIFY_URL$/],
  ['NOTIFY_WINDOW="1d"', /^c:2: NOTIFY_WINDOW has no effect without NOTIFY_URL$/],
  [
    'NOTIFY_URL="http://hooks.example/x"',
    /^c:2: NOTIFY_URL: everybody on the way to hooks\.example:80 can read .*: write https:\/\//,
  ],
  ['SCAN_TRIGGER_WINDOW="10m"\nSCAN_TRIGGER_PORTS="1"', /^c:2: SCAN_TRIGGER_WINDOW has no effect/],
];

Deno.test("parseConfigFile() says nothing of keys that work together", () => {
  for (const trigger of ['SCAN_TRIGGER="2"', 'SCAN_TRIGGER="1"\nSCAN_TRIGGER_PORTS="2"']) {
    const text = `TCP_PORTS="1"\n${trigger}\nSCAN_TRIGGER_WINDOW="10m"\nFIREWALL="nftables"\n` +
      'BLOCK_TIME="0"\nBLOCK_MAX="10"';
    assert.deepEqual(parseConfigFile(text, "c").warnings, []);
  }
});

for (const [line, warning] of DOUBTFUL) {
  Deno.test(`parseConfigFile() takes ${line}, and warns`, () => {
    const { config, warnings } = parseConfigFile(`TCP_PORTS="1"\n${line}`, "c");
    assert.ok(config);
    assert.equal(warnings.length, 1);
    assert.match(formatFault(warnings[0]), warning);
  });
}

const FAULTS: [text: string, fault: RegExp][] = [
  ['TCP_PORT="1"', /^portsentry\.conf:2: Unknown key "TCP_PORT": did you mean TCP_PORTS\?$/],
  ['tcp_ports="1"', /:2: Unknown key "tcp_ports": did you mean TCP_PORTS\?$/],
  ['FOO="1"', /:2: Unknown key "FOO"$/],
  [
    'ADVANCED_PORTS_TCP="1024"',
    /:2: ADVANCED_PORTS_TCP is a key of portsentry 1 .* TCP_PORTS="1-1023"/,
  ],
  [
    'ADVANCED_PORTS_UDP="200"',
    /:2: ADVANCED_PORTS_UDP .* leave the line out, or, .* -audp did, write UDP_PORTS="1-199"$/,
  ],
  ['ADVANCED_PORTS_TCP="x"', / write TCP_PORTS="1-1023"$/],
  ['ADVANCED_EXCLUDE_TCP="113,139"', /:2: ADVANCED_EXCLUDE_TCP .* leave the line out: TCP_PORTS/],
  ['TCP_MODE="tcp"', /:2: TCP_MODE .* leave the line out, and start with --connect/],
  ['UDP_MODE="audp"', /:2: UDP_MODE .* and write a range such as UDP_PORTS="1-1023"/],
  ['UDP_MODE=""', /:2: UDP_MODE .* and name the ports in UDP_PORTS$/],
  ["hello", /:2: Cannot parse "hello": write KEY="VALUE"$/],
  ['="1"', /:2: Cannot parse .*: the key before "=" is missing$/],
  ["TCP_PORTS=23", /:2: Cannot parse the value "23" of "TCP_PORTS": write it in double quotes$/],
  ["TCP_PORTS='23'", /:2: Cannot parse the value/],
  ['TCP_PORTS="23', /:2: The value of "TCP_PORTS" lacks its closing double quote$/],
  ['TCP_PORTS="', /:2: Cannot parse the value/],
  ['TCP_PORTS="23" # telnet', /:2: Unexpected "# telnet" after the value of "TCP_PORTS"/],
  ['TCP_PORTS="80-x"', /:2: TCP_PORTS: Cannot parse port range "80-x": the end must be a number$/],
  ['BLOCK_TCP="3"', /:2: BLOCK_TCP: Cannot use "3": write "0", "1" or "2"$/],
  ['BLOCK_UDP="yes"', /:2: BLOCK_UDP: Cannot use "yes"/],
  ['RESOLVE_HOST="2"', /:2: RESOLVE_HOST: Cannot use "2": write "0" or "1"$/],
  ['KILL_RUN_CMD_FIRST=""', /:2: KILL_RUN_CMD_FIRST: Cannot use ""/],
  ['SCAN_TRIGGER="-1"', /:2: SCAN_TRIGGER: Cannot use "-1": write a number from 0 to/],
  ['SCAN_TRIGGER="1.5"', /:2: SCAN_TRIGGER: Cannot use "1\.5"/],
  ['HISTORY_FORMAT="xml"', /:2: HISTORY_FORMAT: Cannot use "xml": write "classic" or "json"$/],
  ['DETECT="all"', /:2: DETECT: Cannot use "all": write "classic" or "extended"$/],
  ['HISTORY_FILE=""', /:2: HISTORY_FILE: The path is empty/],
  [
    'KILL_ROUTE="/sbin/route"',
    /:2: KILL_ROUTE: "\/sbin\/route" does not name the host: put \$TARGET\$/,
  ],
  ['KILL_HOSTS_DENY="ALL: ALL"', /:2: KILL_HOSTS_DENY: .* does not name the host/],
  ['KILL_RUN_CMD=""', /:2: KILL_RUN_CMD: The value is empty/],
  [
    'BLOCK_TCP="1"',
    /:2: BLOCK_TCP="1" needs a means of blocking: set FIREWALL, KILL_ROUTE or KILL_HOSTS_DENY$/,
  ],
  ['FIREWALL=""', /:2: FIREWALL: Cannot use "": write "nftables", or leave the line out$/],
  ['FIREWALL="nft"', /:2: FIREWALL: Cannot use "nft": write "nftables", or leave the line out$/],
  ...["ipset", "iptables", "pf", "ufw", "firewalld"].map((tool): [string, RegExp] => [
    `FIREWALL="${tool}"`,
    new RegExp(
      `:2: FIREWALL: Cannot use "${tool}": write "nftables", or leave the line out and set ` +
        'KILL_ROUTE="/.*\\$TARGET\\$.*"$',
    ),
  ]),
  ['FIREWALL_KEEP="2"', /:2: FIREWALL_KEEP: Cannot use "2": write "0" or "1"$/],
  [
    'BLOCK_TIME="90"',
    /:2: BLOCK_TIME: "90" lacks its unit: write "90s", "90m", "90h" or "90d"$/,
  ],
  [
    'BLOCK_TIME="1 hour"',
    /:2: BLOCK_TIME: Cannot use "1 hour": write a time such as "30s", "10m", "1h" or "7d"$/,
  ],
  ['BLOCK_TIME="3651d"', /:2: BLOCK_TIME: "3651d" is too long: write "3650d" at most$/],
  ['BLOCK_TIME_GROWTH="0.9"', /:2: BLOCK_TIME_GROWTH: Cannot use "0\.9": write a number from 1 to/],
  ['BLOCK_TIME_GROWTH="100.1"', /:2: BLOCK_TIME_GROWTH: Cannot use "100\.1"/],
  ['BLOCK_TIME_GROWTH="2x"', /:2: BLOCK_TIME_GROWTH: Cannot use "2x"/],
  ['BLOCK_TIME_MAX="0"', /:2: BLOCK_TIME_MAX: Cannot use "0": write a time above 0, such as "7d"$/],
  [
    'BLOCK_TIME_MAX="30m"',
    /:2: BLOCK_TIME_MAX="30m" is shorter than BLOCK_TIME="1h": write "1h" at least$/,
  ],
  // One mistake is told once.
  ['BLOCK_TIME_MAX="30m"\nBLOCK_TIME="x"', /:3: BLOCK_TIME: Cannot use "x"/],
  ['BLOCK_PREFIX_IPV6="31"', /:2: BLOCK_PREFIX_IPV6: .* write a number from 32 to 128$/],
  ['BLOCK_PREFIX_IPV6="129"', /:2: BLOCK_PREFIX_IPV6: Cannot use "129"/],
  ['BLOCK_MAX="0"', /:2: BLOCK_MAX: Cannot use "0": write a number from 1 to 1048576$/],
  ['BLOCK_MAX="1048577"', /:2: BLOCK_MAX: Cannot use "1048577"/],
  ['LOCKOUT_GUARD="yes"', /:2: LOCKOUT_GUARD: Cannot use "yes": write "0" or "1"$/],
  ['STATE_FILE=""', /:2: STATE_FILE: The path is empty/],
  [
    `CONTROL_SOCKET="/${"x".repeat(107)}"`,
    /:2: CONTROL_SOCKET: .* is 108 bytes long: write a path of 107 at most$/,
  ],
  [
    'METRICS="localhost:9187"',
    /:2: METRICS: Cannot use "localhost:9187": write an address and a port, such as "127\.0\.0\.1:9187"/,
  ],
  ['METRICS=""', /:2: METRICS: Cannot use ""/],
  ['NOTIFY_URL=" "', /:2: NOTIFY_URL: There is no URL: write one, such as "https:\/\//],
  [
    'NOTIFY_URL="http://a/ http://b/ http://c/ http://d/ http://e/"',
    /:2: NOTIFY_URL: There are 5 URLs: write 4 at most$/,
  ],
  ...[
    "hooks.example/token",
    "ftp://hooks.example/token",
    "https:hooks.example/token",
    "https://a@b@hooks.example/token",
    "https://hooks.example,token/",
    "https:///token",
    "https://hooks.example:123456/token",
  ].map((url): [string, RegExp] => [
    `NOTIFY_URL="${url}"`,
    /:2: NOTIFY_URL: Cannot read this URL \(it is not shown, .*\): write a scheme, a host and a path/,
  ]),
  ['NOTIFY_URL="http://a/ token"', /:2: NOTIFY_URL: URL number 2: Cannot read this URL/],
  [
    'NOTIFY_URL="http://a:0/token"',
    /:2: NOTIFY_URL: Cannot use port 0: write one from 1 to 65535$/,
  ],
  ['NOTIFY_URL="http://0x7f.1/x"', /:2: NOTIFY_URL: .* "0x7f\.1": .*, such as "127\.0\.0\.1"$/],
  ['NOTIFY_URL="http://[0:0::1]/x"', /:2: NOTIFY_URL: .* "\[0:0::1\]": .*, such as "\[::1\]"$/],
  ['NOTIFY_URL="http://a.example./x"', /:2: NOTIFY_URL: .*, such as "a\.example"$/],
  ['NOTIFY_URL="http://1.2.3.400/x"', /:2: NOTIFY_URL: Cannot use the host "1\.2\.3\.400"/],
  ['NOTIFY_FORMAT="xml"', /:2: NOTIFY_FORMAT: .* write "json" or "text" or "slack" or "ntfy"$/],
  ['NOTIFY_WINDOW="0"', /:2: NOTIFY_WINDOW: Cannot use "0": write a time above 0/],
  ['RUN_AS=""', /:2: RUN_AS: Cannot use "": write the name of a user, such as "portsentry"$/],
  ['RUN_AS="-x"', /:2: RUN_AS: Cannot use "-x"/],
  ['RUN_AS="a b"', /:2: RUN_AS: Cannot use "a b"/],
  ['DRY_RUN=""', /:2: DRY_RUN: Cannot use "": write "0" or "1"$/],
  ['SCAN_TRIGGER_PORTS="65"', /:2: SCAN_TRIGGER_PORTS: .* write a number from 0 to 64$/],
  ['SCAN_TRIGGER_PORTS="-1"', /:2: SCAN_TRIGGER_PORTS: Cannot use "-1"/],
  ['SCAN_TRIGGER_WINDOW="10"', /:2: SCAN_TRIGGER_WINDOW: "10" lacks its unit/],
  ['SCAN_WINDOW="0"', /:2: SCAN_WINDOW: Cannot use "0": write a time above 0/],
  ['SCAN_WINDOW="600"', /:2: SCAN_WINDOW: "600" lacks its unit/],
  [
    'SCAN_TRIGGER_PORTS="3"\nSCAN_TRIGGER="2"',
    /:2: SCAN_TRIGGER_PORTS counts ports, and SCAN_TRIGGER counts events: keep one, /,
  ],
  ['BLOCK_UDP="2"', /:2: BLOCK_UDP="2" needs a command to run: set KILL_RUN_CMD$/],
];

for (const [line, fault] of FAULTS) {
  Deno.test(`parseConfigFile() refuses ${line}`, () => {
    const told = faults(`UDP_PORTS="9"\n${line}\n`);
    assert.equal(told.length, 1, told.join("\n"));
    assert.match(told[0], fault);
  });
}

Deno.test("parseConfigFile() quotes nothing of a NOTIFY_URL, whatever is wrong with its line", () => {
  for (
    const line of [
      "NOTIFY_URL=https://hooks.example/hush",
      'NOTIFY_URL "https://hooks.example/hush"',
      'NOTIFY_URL="https://hooks.example/" hush',
      'notify_url="https://hooks.example/hush"',
      'NOTIFY_URL="https://hush@hooks.example:0/hush"',
      'NOTIFY_URL="hush"',
      'NOTIFY_URLS="hush"',
      '="NOTIFY_URL=hush"',
    ]
  ) {
    const told = faults(`UDP_PORTS="9"\n${line}\n`);
    assert.equal(told.length, 1, line);
    assert.doesNotMatch(told[0], /hush/);
  }
});

Deno.test("parseConfigFile() warns of no URL that is encrypted, or goes to this host itself", () => {
  const urls = "https://a.example/ http://127.0.0.2/ http://[::1]/ http://localhost:8080/x";
  const { warnings } = parseConfigFile(`TCP_PORTS="1"\nNOTIFY_URL="${urls}"`, "c");
  assert.deepEqual(warnings, []);
});

Deno.test("parseConfigFile() needs ports", () => {
  assert.match(faults("# nothing\n")[0], /^portsentry\.conf: No ports to watch: set TCP_PORTS/);
});

Deno.test("parseConfigFile() tells all faults in the order of their lines, and no config", () => {
  const parsed = parseConfigFile('FOO="1"\nTCP_PORTS="0,x"\nBLOCK_TCP="1"\n', "c");
  assert.equal(parsed.config, undefined);
  assert.deepEqual(parsed.faults.map(({ line }) => line), [1, 2, 2, 3]);
});

Deno.test("parseConfigFile() survives any text, and escapes what it quotes", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", maxLength: 200 }),
    fc.array(fc.constantFrom("TCP_PORTS", "=", '"', "\n", "1", "-", ",", " ", "#", "\r", "\x1b[2J"))
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(text, (text) => {
      const { config, faults } = parseConfigFile(text, "c");
      assert.equal(config === undefined, faults.length > 0);
      // deno-lint-ignore no-control-regex -- these are what must not be there
      for (const fault of faults) assert.doesNotMatch(formatFault(fault), /[\x00-\x1f]/);
    }),
    { numRuns: 2000 },
  );
});
