import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { LIBRARIES } from "../../ffi/libraries.ts";
import { parseConfigFile } from "../../src/config/config_file.ts";
import { formatEndpoint } from "../../src/config/endpoint.ts";
import { parseArguments } from "../../src/cli.ts";
import { SHELL } from "../../src/response/command.ts";
import { HOSTS_DENY, HOSTS_DENY_NEW } from "../../src/response/hosts_deny.ts";

const SCRIPT = fileURLToPath(new URL("../../tools/permissions.sh", import.meta.url));

/** What a launcher would run with these arguments, in `folder`, by this shell. */
function command(args: string[], { folder = "/", shell = ["sh"], env = {} } = {}): string[] {
  const script = `set -eu; . ${SCRIPT}; allow_named "$@"
                  with_permissions /usr/bin/printf '%s\\n' PROGRAM "$@"`;
  const [program, ...words] = shell;
  const { stdout, stderr } = new Deno.Command(program, {
    args: [...words, "-c", script, "sh", ...args],
    cwd: folder,
    env,
  }).outputSync();
  assert.equal(new TextDecoder().decode(stderr), "");
  return new TextDecoder().decode(stdout).split("\n").slice(0, -1);
}

function list(command: string[], kind: string): string[] {
  const flag = `--allow-${kind}=`;
  const [value] = command.filter((word) => word.startsWith(flag));
  return value.slice(flag.length).split(",");
}

/** What these arguments add to the lists: first to read, then to write. */
function added(args: string[], options: { folder?: string; shell?: string[] } = {}) {
  const [plain, named] = [command([]), command(args, options)];
  return ["read", "write"].map((kind) => {
    const before = new Set(list(plain, kind));
    return list(named, kind).filter((path) => !before.has(path));
  });
}

Deno.test("permissions.sh gives explicit lists, nothing unscoped, and no prompt", () => {
  const words = command(["-v", "--allow-all"]);
  const program = words.indexOf("PROGRAM");
  assert.deepEqual(words.slice(program + 1), ["-v", "--allow-all"]);
  const flags = words.slice(0, program);
  assert.ok(flags.includes("--no-prompt"));
  for (const flag of flags.filter((flag) => !["--no-prompt", "--quiet"].includes(flag))) {
    assert.match(flag, /^--allow-(ffi|read|write|run)=(\/[\w.\/-]+,)*\/[\w.\/-]+$/);
  }
  assert.equal(flags.length, 6);
});

Deno.test("permissions.sh allows the libraries and commands that the program names, and no others", () => {
  const words = command([]);
  const libraries = Object.values(LIBRARIES).flatMap(({ paths }) => paths);
  assert.deepEqual(list(words, "ffi").toSorted(), libraries.toSorted());
  assert.deepEqual(list(words, "run"), [SHELL]);
  const daemon = parseArguments(["-D"], "0.0.0");
  assert.ok("options" in daemon);
  for (const path of [HOSTS_DENY, HOSTS_DENY_NEW, daemon.options.pidFile!]) {
    assert.ok(list(words, "write").includes(path), path);
    assert.ok(list(words, "read").includes(path), path);
  }
  assert.ok(!list(words, "write").includes("/etc/portsentry"));
  assert.ok(list(words, "read").includes("/etc/portsentry"));
});

Deno.test("permissions.sh adds what PORTSENTRY_FILES names", () => {
  const words = command([], { env: { PORTSENTRY_FILES: "/srv/a,/srv/b c" } });
  for (const kind of ["read", "write"]) {
    assert.deepEqual(list(words, kind).slice(-2), ["/srv/a", "/srv/b c"]);
  }
});

/** Arguments, and the files that the program itself finds in them. */
const ARGUMENTS: string[][] = [
  ["-c", "my.conf"],
  ["-cmy.conf"],
  ["--configfile", "my.conf"],
  ["--configfile=my.conf"],
  ["-dvc", "my.conf"],
  ["-dvcmy.conf"],
  ["-c", "other.conf", "-cmy.conf"],
  ["-p", "my.pid", "-c", "my.conf"],
  ["-Dpmy.pid", "-cmy.conf"],
  ["--pidfile=my.pid", "-Dcmy.conf"],
  ["-D", "--pidfile", "my.pid", "-LSc", "my.conf"],
  ["-i", "-c", "-c", "my.conf"],
  ["-mraw", "-c", "my.conf"],
  ["-m", "raw", "-lsyslog", "-ilo", "-c", "my.conf"],
  ["--method=raw", "--interface", "-p", "-c", "my.conf"],
  ["--log-format", "json", "-c", "my.conf"],
];

/** Arguments, and the capture file that the program reads with them. */
const REPLAYS: [args: string[], file: string | undefined][] = [
  [["replay", "a b.pcap"], "a b.pcap"],
  [["replay", "-vL", "/srv/x.pcap", "-c", "none.conf"], "/srv/x.pcap"],
  [["-v", "replay", "--to", "192.0.2.1", "--json", "x.pcap"], "x.pcap"],
  [["--log-format", "json", "replay", "--to=192.0.2.1", "x.pcap"], "x.pcap"],
  [["replay", "--", "-x.pcap"], "-x.pcap"],
  [["replay", "-"], undefined],
  [["replay", "x,/etc"], undefined],
  [["block", "replay"], undefined],
  [["unblock", "192.0.2.1", "192.0.2.2"], undefined],
];

for (const shell of [["sh"], ["bash"], ["busybox", "sh"]]) {
  Deno.test(`permissions.sh allows the files that the command line names: ${shell.join(" ")}`, () => {
    const folder = Deno.makeTempDirSync();
    Deno.writeTextFileSync(`${folder}/my.conf`, 'TCP_PORTS="1"');
    for (const args of ARGUMENTS) {
      const invocation = parseArguments(args, "0.0.0");
      assert.ok("options" in invocation);
      const { configFile, pidFile } = invocation.options;
      const written = pidFile === "my.pid" ? ["my.pid"] : [];
      assert.deepEqual(
        added(args, { folder, shell }),
        [[configFile, ...written], written],
        args.join(" "),
      );
    }
    const missing = (args: string[]) => args.includes("none.conf") ? ["none.conf"] : [];
    for (const [args, file] of REPLAYS) {
      const expected = [...file === undefined ? [] : [file], ...missing(args)];
      assert.deepEqual(added(args, { folder, shell }), [expected, []], args.join(" "));
    }
    for (const html of [["--html", "page.html"], ["--html=page.html"]]) {
      const args = ["report", "--since", "-c", ...html, "-c", "my.conf"];
      const page = ["page.html", "page.html.new"];
      assert.deepEqual(added(args, { folder, shell }), [["my.conf", ...page], page]);
    }
    assert.deepEqual(added(["report", "--html", "-"], { folder, shell }), [[], []]);
    for (const args of [["--", "-c", "my.conf"], ["-c"], ["-c", "."]]) {
      assert.deepEqual(added(args, { folder, shell }), [[], []], args.join(" "));
    }
    // One that is not there may be looked for, so that the program can say so.
    assert.deepEqual(added(["-cnone.conf"], { folder, shell }), [["none.conf"], []]);
    Deno.removeSync(folder, { recursive: true });
  });
}

/** Lines of a configuration in the folder F, and what they add to read and to write. */
const SETTINGS: [line: string, read: string[], write: string[]][] = [
  ['HISTORY_FILE="/srv"', ["/srv"], ["/srv"]],
  ['HISTORY_FILE="F/history"', ["F/history"], ["F/history"]],
  ['HISTORY_FILE="F/a b\'s $(id)"', ["F/a b's $(id)"], ["F/a b's $(id)"]],
  // The missing folders are made, and so the first of them is needed.
  ['BLOCKED_FILE="F/new/deep/blocked"', ["F/new"], ["F/new"]],
  [' \tBLOCKED_FILE =\t "F/x"  \r', ["F/x"], ["F/x"]],
  ['IGNORE_FILE="my.ignore"', ["F/my.ignore"], []],
  ['HISTORY_FILE="a/b"', ["F/a"], ["F/a"]],
  ['#HISTORY_FILE="F/x"', [], []],
  ['MY_HISTORY_FILE="F/x"', [], []],
  ["HISTORY_FILE=F/x", [], []],
  ['HISTORY_FILE=""', [], []],
  // A comma would allow /etc, which nobody has named.
  ['HISTORY_FILE="F/x,/etc"', [], []],
  ['KILL_RUN_CMD="HISTORY_FILE=/x BLOCKED_FILE="/y""', [], []],
];

Deno.test("permissions.sh allows the files that the configuration names", () => {
  const folder = Deno.makeTempDirSync();
  const fill = (text: string) => text.replaceAll(/\bF\b/g, folder);
  for (const [line, read, write] of SETTINGS) {
    Deno.writeTextFileSync(`${folder}/my.conf`, `TCP_PORTS="1"\n${fill(line)}`);
    const [reading, writing] = added(["-c", `${folder}/my.conf`]);
    assert.deepEqual(reading.filter((path) => path !== `${folder}/my.conf`), read.map(fill), line);
    assert.deepEqual(writing, write.map(fill), line);
  }
  Deno.removeSync(folder, { recursive: true });
});

/** Lines, and what they add to the network. */
const NETWORKS: [lines: string, network: string | undefined][] = [
  ['METRICS="127.0.0.1:9187"', "127.0.0.1:9187"],
  ['METRICS="[::1]:9187"', "[::1]:9187"],
  ['METRICS=""', undefined],
  ['#NOTIFY_URL="https://a.example/"', undefined],
  ['NOTIFY_URL="https://a.example/x?y=b:1#z"', "a.example:443"],
  ['NOTIFY_URL="HTTP://A.example"', "A.example:80"],
  ['NOTIFY_URL="https://tk:pw@a.example:8443/x@y"', "a.example:8443"],
  ['NOTIFY_URL="http://[2001:db8::1]/ \thttps://[::1]:81?x"', "[2001:db8::1]:80,[::1]:81"],
  ['METRICS="127.0.0.1:9187"\nNOTIFY_URL="https://a/"', "127.0.0.1:9187,a:443"],
  // None of these may allow what nobody has named, or all of the network.
  ['NOTIFY_URL="https://a.example,/"', undefined],
  ['NOTIFY_URL="https://,*:443/"', undefined],
  ['NOTIFY_URL="ftp://a.example/ a.example *"', undefined],
  ['NOTIFY_URL="https:///x"', undefined],
  ['NOTIFY_URL="https://a.example:/x"', undefined],
];

for (const shell of [["sh"], ["bash"], ["busybox", "sh"]]) {
  Deno.test(`permissions.sh allows the network that the configuration names: ${shell.join(" ")}`, () => {
    const folder = Deno.makeTempDirSync();
    for (const [lines, network] of NETWORKS) {
      Deno.writeTextFileSync(`${folder}/my.conf`, `TCP_PORTS="1"\n${lines}`);
      const words = command(["-c", `${folder}/my.conf`], { shell });
      const flags = words.filter((word) => word.startsWith("--allow-net"));
      assert.deepEqual(flags, network === undefined ? [] : [`--allow-net=${network}`], lines);
      // What the program asks for is what it is given.
      const { config } = parseConfigFile(`TCP_PORTS="1"\n${lines}`, "c");
      const asked = [
        ...(config?.metrics ? [formatEndpoint(config.metrics)] : []),
        ...(config?.notifyTargets ?? []).map(({ endpoint }) => endpoint),
      ];
      if (config) assert.deepEqual(asked.join(), network?.toLowerCase() ?? "", lines);
    }
    Deno.removeSync(folder, { recursive: true });
  });
}

Deno.test("permissions.sh does not wait for a FIFO in the place of the configuration", () => {
  const folder = Deno.makeTempDirSync();
  new Deno.Command("mkfifo", { args: [`${folder}/fifo`] }).outputSync();
  assert.deepEqual(added(["-c", `${folder}/fifo`]), [[], []]);
  Deno.removeSync(folder, { recursive: true });
});
