/** The commands of docs/locked-down.md, as they stand there. */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { HookProcess } from "./hook_process.ts";
import { Network, run, SCANNER, WATCHED } from "./network.ts";
import { Program } from "./program.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DOCUMENT = Deno.readTextFileSync(`${ROOT}docs/locked-down.md`);

/** A section with its configuration and the command for it. */
interface Kind {
  name: string;
  config: string;
  command: string;
}

const KINDS: Kind[] = DOCUMENT.split(/^## /m).slice(1).map((section) => ({
  name: section.split("\n")[0],
  config: /^```\n(.*?)^```$/ms.exec(section)![1],
  command: /^```sh\n(.*?)^```$/ms.exec(section)![1].replaceAll("x86_64", Deno.build.arch),
}));

/** What there is to see of each kind, besides the event; and when the program has ended. */
const EFFECTS: Record<string, (program: Program, network: Network) => unknown> = {
  "Log only, through libpcap": () => {},
  "Log only, without libpcap": () => {},
  "With metrics, notifications and reports": async (program, network) => {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(await HookProcess.start(network.watched, "127.0.0.1", "8080"));
    await network.nmap(`-sT -p 1,7,111 ${WATCHED.ipv4}`);
    await program.events(4);
    const { stdout } = await network.onWatched("curl -s http://127.0.0.1:9187/metrics");
    assert.match(stdout, /^portsentry_notifications_waiting 0$/m);
    assert.ok(fileOf(program, "/var/lib/portsentry/portsentry.db").startsWith("SQLite format 3"));
    const open = stack.move();
    // The scan is over when the program ends, at the latest.
    return async () => {
      await using _open = open;
      const told = () => server.received.some(({ path }) => path === "/scans");
      await server.until(told, "the server is told");
    };
  },
  "Connect mode": () => {},
  "Blocking in the kernel": async (program, network) => {
    await program.until(() => /blocked via nftables for 1h/.test(program.stdout), "blocked");
    const { stdout } = await network.onWatched("nft list table inet portsentry");
    assert.ok(stdout.includes(SCANNER.ipv4), stdout);
  },
  "Blocking by a command": async (program, network) => {
    await program.until(() => /via dropped route/.test(program.stdout), "blocked");
    const { stdout } = await network.onWatched("ip route");
    assert.match(stdout, /^blackhole 192\.0\.2\.9/m);
  },
  "Blocking by hosts.deny": async (program) => {
    await program.until(() => /via wrappers/.test(program.stdout), "blocked");
    assert.equal(fileOf(program, "/etc/hosts.deny"), "ALL: 192.0.2.9\n");
  },
};

/**
 * A host of its own for one program: a copy of /etc, and nothing in the folders for logs, state and
 * sockets. The configuration is the first argument.
 */
const HOST = `
  etc=$(mktemp -d); mount -t tmpfs none "$etc"; cp -a /etc/. "$etc"; mount --move "$etc" /etc
  rmdir "$etc"; mkdir -p /etc/portsentry; : >/etc/hosts.deny; : >/etc/portsentry/portsentry.ignore
  printf %s "$1" >/etc/portsentry/portsentry.conf; shift
  for folder in /var/log /var/lib /run; do mount -t tmpfs -o mode=755 none $folder; done
  exec "$@"`;

function fileOf(program: Program, path: string): string {
  return Deno.readTextFileSync(`/proc/${program.child.pid}/root${path}`);
}

Deno.test("docs/locked-down.md has a command for each kind of configuration, and nothing unscoped", () => {
  assert.deepEqual(KINDS.map(({ name }) => name), Object.keys(EFFECTS));
  for (const { name, command } of KINDS) {
    const words = command.replaceAll("\\\n", " ").trim().split(/\s+/);
    const flags = words.slice(2, words.indexOf("mod.ts"));
    assert.deepEqual(words.slice(0, 2), ["deno", "run"]);
    assert.ok(flags.includes("--no-prompt"), name);
    for (const flag of flags.filter((flag) => flag !== "--no-prompt")) {
      assert.match(
        flag,
        /^--allow-(?:(?:ffi|read|write|run)=\/[^,]+(?:,\/[^,]+)*|net=[\w.]+:\d+(?:,[\w.]+:\d+)*)$/,
        name,
      );
    }
  }
});

for (const { name, config, command } of KINDS) {
  Deno.test(`the command for ${name} watches, responds, and is asked for nothing more`, async () => {
    await using network = await Network.create();
    const tools = dirname(await Deno.realPath(Deno.execPath()));
    const inside = `cd ${ROOT}; PATH=${tools}:$PATH; exec ${command}`;
    await using program = await Program.start({
      namespace: network.watched,
      command: ["unshare", "-m", "sh", "-ec", HOST, "sh", config, "sh", "-ec", inside],
    });
    await network.nmap(`-sT -p 23 ${WATCHED.ipv4}`);
    await program.events(1);
    const whenEnded = await EFFECTS[name](program, network);
    await program.until(
      () => fileOf(program, "/var/log/portsentry.log").includes("port: [23]"),
      "the history is written",
    );
    // The socket is there, so its folder was made: `status` needs nothing that was not granted.
    const socket = Deno.lstatSync(`/proc/${program.child.pid}/root/run/portsentry/control.sock`);
    assert.ok(socket.isSocket);
    program.child.kill("SIGHUP");
    await program.until(() => /been read again/.test(program.stdout), "reloaded");
    assert.equal(await program.stop(), 0);
    assert.equal(program.stderr, "");
    if (typeof whenEnded === "function") await whenEnded();
  });
}

Deno.test("a command that lacks one of its grants does not start, and says which", async () => {
  await using network = await Network.create();
  const { config, command } = KINDS.find(({ name }) => name === "Blocking by a command")!;
  const tools = dirname(await Deno.realPath(Deno.execPath()));
  const without = command.replace("--allow-run=/bin/sh", "");
  const inside = `cd ${ROOT}; PATH=${tools}:$PATH; exec ${without}`;
  const { code, stderr } = await run([
    ...["ip", "netns", "exec", network.watched],
    ...["unshare", "-m", "sh", "-ec", HOST, "sh", config, "sh", "-ec", inside],
  ], { mayFail: true });
  assert.equal(code, 1);
  assert.match(
    stderr,
    /portsentry\.conf: KILL_ROUTE needs a Deno permission that this run lacks: --allow-run=\/bin\/sh\n$/,
  );
});
