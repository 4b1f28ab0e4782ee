import assert from "node:assert/strict";
import { ethernet, ipv4, tcp } from "../frames.ts";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { BUILT, eventLine, Program, type ProgramOptions } from "./program.ts";

const PORTS = 'TCP_PORTS="1-1024"\nUDP_PORTS="1-1024"\n';
const RUN = ["--allow-run=/bin/sh"];
const BLOCKED = ["false", "true", "false", "true"];
const NOT_BLOCKED = ["false", "true", "false", "false"];

/** Runs the rest of its command line, as a supervisor does that wants no zombies. */
const IGNORE_SIGCHLD = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); " +
  "os.execvp(sys.argv[1], sys.argv[1:])";

/** Runs the rest of its command line with a pipe as its output that is full and that nobody reads. */
const FULL_PIPE = `
import fcntl, os, sys
reader, writer = os.pipe()
os.set_inheritable(reader, True)
os.write(writer, b"x" * fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ))
os.dup2(writer, 1)
os.dup2(writer, 2)
os.execvp(sys.argv[1], sys.argv[1:])`;

function existing(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function start(network: Network, config: string, options: ProgramOptions = {}): Promise<Program> {
  return Program.start({
    config: PORTS + config,
    namespace: network.watched,
    permissions: RUN,
    ...options,
  });
}

const syn = (port: number, host: string = WATCHED.ipv4) => `-sS -p ${port} ${host}`;

Deno.test("KILL_ROUTE blocks a host for good: a real route, the alert, the event, the blocked file", async () => {
  await using network = await Network.create();
  await using program = await start(
    network,
    `BLOCK_TCP="1"
     KILL_ROUTE="ip route add blackhole $TARGET$"
     BLOCKED_FILE="FOLDER/state/blocked"`,
  );
  await network.nmap(syn(23));
  assert.deepEqual(await program.events(1), [
    eventLine({ source: SCANNER.ipv4, port: 23, flags: BLOCKED }),
  ]);
  assert.ok(
    program.stdout.includes(
      `attackalert: Host ${SCANNER.ipv4} has been blocked via dropped route using command: ` +
        `"ip route add blackhole ${SCANNER.ipv4}"\n`,
    ),
  );
  const { stdout } = await network.onWatched("ip route show type blackhole");
  assert.match(stdout, new RegExp(`blackhole ${SCANNER.ipv4}`));
  assert.deepEqual(
    [...Deno.readFileSync(`${program.folder}/state/blocked`)],
    [2, 0, 192, 0, 2, 9],
  );
  // The second time nothing is run: the route is there, so that adding it would fail.
  await network.nmap(syn(24));
  assert.deepEqual(
    (await program.events(2))[1],
    eventLine({ source: SCANNER.ipv4, port: 24, flags: BLOCKED }),
  );
  assert.ok(
    program.stdout.includes(
      `attackalert: Host: ${SCANNER.ipv4}/${SCANNER.ipv4} is already blocked Ignoring\n`,
    ),
  );
  assert.equal(program.stderr, "");
});

Deno.test("a blocked file of before is read, a torn record is repaired, and IPv6 hosts join it", async () => {
  await using network = await Network.create();
  const torn = new Uint8Array([2, 0, 192, 0, 2, 9, 10, 0, 0x20, 1]);
  await using program = await start(
    network,
    `BLOCK_TCP="1"
     KILL_ROUTE="true $TARGET$"
     BLOCKED_FILE="FOLDER/blocked"`,
    { files: { blocked: torn } },
  );
  assert.match(program.stderr, /blocked: the last record was cut short and has been removed\n/);
  await network.nmap(syn(23));
  await network.nmap(`-6 ${syn(23, WATCHED.ipv6)}`);
  await program.events(2);
  assert.match(program.stdout, /192\.0\.2\.9 is already blocked/);
  assert.equal(
    Deno.readFileSync(`${program.folder}/blocked`).toHex(),
    "0200c0000209" + "0a0020010db8000000000000000000000009",
  );
});

Deno.test("a file that is no blocked file ends the start and stays as it is", async () => {
  await using network = await Network.create();
  const text = new TextEncoder().encode("root:x:0:0\n");
  await using program = Program.spawn({
    config: `${PORTS}BLOCKED_FILE="FOLDER/blocked"`,
    namespace: network.watched,
    files: { blocked: text },
  });
  assert.equal(await program.ended(), 1);
  assert.match(program.stderr, /blocked: Cannot use it as BLOCKED_FILE: the record at byte 0 has/);
  assert.equal(program.file("blocked"), "root:x:0:0\n");
});

Deno.test("a start that fails does not repair the blocked file", async () => {
  await using network = await Network.create();
  const torn = new Uint8Array([2, 0, 192, 0, 2, 9, 10, 0, 0x20, 1]);
  await using program = Program.spawn({
    config: `${PORTS}BLOCKED_FILE="FOLDER/blocked"\nHISTORY_FILE="FOLDER"`,
    namespace: network.watched,
    files: { blocked: torn },
  });
  assert.equal(await program.ended(), 1);
  assert.match(program.stderr, /^\S+: Cannot write the history file: it is a directory\n$/);
  assert.deepEqual(Deno.readFileSync(`${program.folder}/blocked`), torn);
});

Deno.test("without BLOCKED_FILE every event acts again", async () => {
  await using network = await Network.create();
  await using program = await start(
    network,
    'BLOCK_TCP="1"\nKILL_ROUTE="echo $TARGET$ $PORT$ $MODE$ >> FOLDER/acts"',
  );
  for (const port of [23, 24]) {
    await network.nmap(syn(port));
    await program.events(port - 22);
  }
  assert.equal(program.file("acts"), "192.0.2.9 23 stealth\n192.0.2.9 24 stealth\n");
});

const ORDERS: [first: string, order: string][] = [["0", "route\nrun\n"], ["1", "run\nroute\n"]];
for (const [first, order] of ORDERS) {
  Deno.test(`KILL_RUN_CMD_FIRST="${first}" runs the command ${first === "1" ? "before" : "after"} the block`, async () => {
    await using network = await Network.create();
    await using program = await start(
      network,
      `BLOCK_TCP="1"
       KILL_ROUTE="echo route >> FOLDER/order # $TARGET$"
       KILL_RUN_CMD="echo run >> FOLDER/order"
       KILL_RUN_CMD_FIRST="${first}"`,
    );
    await network.nmap(syn(23));
    await program.events(1);
    assert.equal(program.file("order"), order);
    assert.ok(
      program.stdout.includes(
        `attackalert: External command run for host: ${SCANNER.ipv4} using command: ` +
          `"echo run >> ${program.folder}/order"\n`,
      ),
    );
  });
}

Deno.test("BLOCK_UDP 2 runs KILL_RUN_CMD only, and BLOCK_TCP 0 nothing", async () => {
  await using network = await Network.create();
  await using program = await start(
    network,
    `BLOCK_UDP="2"
     KILL_ROUTE="echo route $TARGET$ >> FOLDER/acts"
     KILL_RUN_CMD="echo run $PORT$ >> FOLDER/acts"`,
  );
  await network.nmap(`-sU -p 9 ${WATCHED.ipv4}`);
  await program.events(1);
  await network.nmap(syn(23));
  assert.deepEqual(await program.events(2), [
    eventLine({ source: SCANNER.ipv4, port: 9, protocol: "UDP", type: "UDP", flags: BLOCKED }),
    eventLine({ source: SCANNER.ipv4, port: 23 }),
  ]);
  assert.equal(program.file("acts"), "run 9\n");
});

Deno.test("a command that fails is told on stderr, and is no block", async () => {
  await using network = await Network.create();
  await using program = await start(
    network,
    `BLOCK_TCP="1"
     KILL_ROUTE="exit 3 # $TARGET$"
     BLOCKED_FILE="FOLDER/blocked"`,
  );
  await network.nmap(syn(23));
  assert.deepEqual(await program.events(1), [
    eventLine({ source: SCANNER.ipv4, port: 23, flags: NOT_BLOCKED }),
  ]);
  assert.match(
    program.stderr,
    /KILL_ROUTE for host 192\.0\.2\.9: the command "exit 3 # 192\.0\.2\.9" exited with status 3\n/,
  );
  assert.doesNotMatch(program.stdout, /has been blocked/);
  assert.throws(() => program.file("blocked"), Deno.errors.NotFound);
});

Deno.test("a command that only found a lock held is tried again", async () => {
  await using network = await Network.create();
  await using program = await start(
    network,
    `BLOCK_TCP="1"
     KILL_ROUTE="echo try $TARGET$ >> FOLDER/tries; [ $(wc -l < FOLDER/tries) -ge 3 ] || exit 4"`,
  );
  await network.nmap(syn(23));
  assert.deepEqual(await program.events(1), [
    eventLine({ source: SCANNER.ipv4, port: 23, flags: BLOCKED }),
  ]);
  assert.equal(program.file("tries").split("\n").length - 1, 3);
});

Deno.test("a command that hangs holds up no other source's event, and its own source is acted on once", async () => {
  await using network = await Network.create();
  await network.onScanner(`ip addr add 192.0.2.10/24 dev eth0`);
  await using program = await start(
    network,
    `BLOCK_TCP="1"
     KILL_ROUTE="echo $TARGET$ >> FOLDER/acts; [ $TARGET$ != 192.0.2.9 ] || sleep 2"`,
  );
  await network.nmap(`-S 192.0.2.9 -e eth0 -sS -p 1-20 ${WATCHED.ipv4}`);
  await network.nmap(`-S 192.0.2.10 -e eth0 -sS -p 30 ${WATCHED.ipv4}`);
  assert.deepEqual(await program.events(1), [
    eventLine({ source: "192.0.2.10", port: 30, flags: BLOCKED }),
  ]);
  assert.equal((await program.events(21)).length, 21);
  assert.equal(program.file("acts"), "192.0.2.9\n192.0.2.10\n");
});

Deno.test("commands work for a program that was started with SIGCHLD ignored", async () => {
  await using network = await Network.create();
  await using program = await start(network, 'BLOCK_TCP="2"\nKILL_RUN_CMD="exit 0"', {
    wrapper: ["python3", "-c", IGNORE_SIGCHLD],
  });
  await network.nmap(syn(23));
  assert.deepEqual(await program.events(1), [
    eventLine({ source: SCANNER.ipv4, port: 23, flags: BLOCKED }),
  ]);
});

Deno.test("at the end a response that hangs is not waited for, and its event is told as it is", async () => {
  await using network = await Network.create();
  await using program = await start(
    network,
    'BLOCK_TCP="1"\nKILL_ROUTE="sleep 20 # $TARGET$"\nHISTORY_FILE="FOLDER/history"',
  );
  await network.nmap(syn(23));
  const begin = performance.now();
  assert.equal(await program.stop(), 0);
  assert.ok(performance.now() - begin < 1000, `${performance.now() - begin} ms`);
  const line = eventLine({ source: SCANNER.ipv4, port: 23, flags: NOT_BLOCKED });
  assert.deepEqual(program.eventLines(), [line]);
  assert.ok(program.file("history").endsWith(`${line}\n`));
});

Deno.test("the end comes within a second when a response and the reader of all output hang", async () => {
  await using network = await Network.create();
  const wrapper = ["python3", "-c", FULL_PIPE];
  await using program = Program.spawn({
    config: `${PORTS}BLOCK_TCP="2"\nKILL_RUN_CMD="sleep 20"\nHISTORY_FILE="FOLDER/history"`,
    namespace: network.watched,
    permissions: RUN,
    wrapper,
  });
  const history = () => existing(`${program.folder}/history`);
  await program.until(history, "it is active");
  await new Promise((resolve) => setTimeout(resolve, 200));
  await network.nmap(syn(23));
  const begin = performance.now();
  assert.equal(await program.stop(), 0);
  assert.ok(performance.now() - begin < 1000, `${performance.now() - begin} ms`);
  assert.match(program.file("history"), /port: \[23\].*blocked: \[false\]\n$/);
});

Deno.test("a command gets a clean environment, no input and no descriptors of ours", async () => {
  await using network = await Network.create();
  await using program = await start(
    network,
    'BLOCK_TCP="2"\nKILL_RUN_CMD="(env; ls /proc/self/fd; cat) > FOLDER/seen 2>&1"',
    { env: { SECRET: "from outside" } },
  );
  await network.nmap(syn(23));
  await program.events(1);
  const seen = program.file("seen").trim().split("\n").filter((line) =>
    !/^(PWD|_|OLDPWD|SHLVL)=/.test(line)
  );
  // ls has the folder it lists open besides its three streams.
  assert.deepEqual(seen.toSorted(), [
    "0",
    "1",
    "2",
    "3",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  ]);
});

Deno.test("a config with commands does not start without the permission to run them", {
  ignore: BUILT !== undefined, // a built program has it
}, async () => {
  await using network = await Network.create();
  await using program = Program.spawn({
    config: `${PORTS}BLOCK_TCP="1"\nKILL_ROUTE="true $TARGET$"`,
    namespace: network.watched,
  });
  assert.equal(await program.ended(), 1);
  assert.match(
    program.stderr,
    /portsentry\.conf: KILL_ROUTE needs a Deno permission that this run lacks: --allow-run=\/bin\/sh\n$/,
  );
});

Deno.test("RESOLVE_HOST puts a real name into the event, and the address where there is none", async () => {
  await using network = await Network.create();
  await using hosts = await hostsFile("192.0.2.9 scanner.example.org\n");
  await using program = await start(network, 'RESOLVE_HOST="1"', { wrapper: hosts.wrapper });
  await network.nmap(syn(23));
  await network.nmap(`-6 ${syn(23, WATCHED.ipv6)}`);
  const lines = await program.events(2);
  assert.match(lines[0], /^Scan from: \[192\.0\.2\.9\] \(scanner\.example\.org\) protocol/);
  assert.match(lines[1], /^Scan from: \[2001:db8::9\] \(2001:db8::9\) protocol/);
});

Deno.test("a resolver that hangs holds up no event for long, and none at the end", async () => {
  await using network = await Network.create();
  await using etc = await etcFolder((path) => {
    Deno.writeTextFileSync(`${path}/nsswitch.conf`, "hosts: dns\n");
    Deno.writeTextFileSync(`${path}/resolv.conf`, "nameserver 192.0.2.200\n"); // nobody is there
  });
  const config = 'RESOLVE_HOST="1"\nHISTORY_FILE="FOLDER/history"';
  await using program = await start(network, config, { wrapper: etc.wrapper });
  await network.nmap(syn(23));
  await program.events(1);
  await network.onScanner("ip addr add 192.0.2.10/24 dev eth0");
  await network.nmap(`-S 192.0.2.10 -e eth0 ${syn(24)}`);
  const begin = performance.now();
  assert.equal(await program.stop(), 0);
  assert.ok(performance.now() - begin < 1000, `${performance.now() - begin} ms`);
  const lines = [
    eventLine({ source: SCANNER.ipv4, port: 23 }),
    eventLine({ source: "192.0.2.10", port: 24 }),
  ];
  assert.deepEqual(program.eventLines(), lines);
  assert.match(program.file("history"), /port: \[23\].*\n.*port: \[24\].*\n$/);
});

Deno.test("a hostile reverse-DNS name cannot forge a line", async () => {
  await using network = await Network.create();
  await using hosts = await hostsFile("192.0.2.9 x)_protocol:[TCP]\n");
  await using program = await start(network, 'RESOLVE_HOST="1"', { wrapper: hosts.wrapper });
  await network.nmap(syn(23));
  assert.match(
    (await program.events(1))[0],
    /^Scan from: \[192\.0\.2\.9\] \(x\?_protocol\?\?TCP\?\) protocol/,
  );
});

Deno.test("KILL_HOSTS_DENY adds a line once, and leaves what it must not write alone", async (test) => {
  await using network = await Network.create();
  const config = 'BLOCK_TCP="1"\nKILL_HOSTS_DENY="ALL: $TARGET$"';
  const permissions = [
    "--allow-read=/etc/hosts.deny,/etc/.hosts.deny.portsentry",
    "--allow-write=/etc/hosts.deny,/etc/.hosts.deny.portsentry",
  ];
  await test.step("a file of its owner and mode, without a last newline", async () => {
    await using etc = await etcFolder((path) => {
      Deno.writeTextFileSync(`${path}/hosts.deny`, "# mine\nsshd: ALL");
      Deno.chmodSync(`${path}/hosts.deny`, 0o640);
      Deno.chownSync(`${path}/hosts.deny`, 1, 1);
    });
    await using program = await start(network, config, { wrapper: etc.wrapper, permissions });
    for (const port of [23, 24]) await network.nmap(syn(port));
    const flags = BLOCKED;
    assert.deepEqual(
      await program.events(2),
      [23, 24].map((port) => eventLine({ source: SCANNER.ipv4, port, flags })),
    );
    const alert =
      `attackalert: Host 192.0.2.9 has been blocked via wrappers with string: "ALL: 192.0.2.9"\n`;
    assert.equal(program.stdout.split(alert).length, 3);
    const file = `${etc.path}/hosts.deny`;
    assert.equal(Deno.readTextFileSync(file), "# mine\nsshd: ALL\nALL: 192.0.2.9\n");
    const { mode, uid, gid } = Deno.statSync(file);
    assert.deepEqual([mode! & 0o7777, uid, gid], [0o640, 1, 1]);
  });
  await test.step("no file yet", async () => {
    await using etc = await etcFolder((path) => Deno.removeSync(`${path}/hosts.deny`));
    await using program = await start(network, config, { wrapper: etc.wrapper, permissions });
    await network.nmap(syn(23));
    await program.events(1);
    assert.equal(Deno.readTextFileSync(`${etc.path}/hosts.deny`), "ALL: 192.0.2.9\n");
  });
  await test.step("a full disk: the file stays whole, and nothing else is left", async () => {
    await using etc = await etcFolder(() => {});
    const wrapper = [...etc.wrapper, "sh", "-c", FULL_ETC, "sh"];
    await using program = await start(network, config, { wrapper, permissions });
    await network.nmap(syn(23));
    assert.deepEqual(await program.events(1), [
      eventLine({ source: SCANNER.ipv4, port: 23, flags: NOT_BLOCKED }),
    ]);
    assert.match(program.stderr, /KILL_HOSTS_DENY for host 192\.0\.2\.9: No space left on device/);
    const etcOf = `/proc/${program.child.pid}/root/etc`;
    assert.ok(Deno.statSync(`${etcOf}/hosts.deny`).size > 0);
    assert.throws(() => Deno.lstatSync(`${etcOf}/.hosts.deny.portsentry`), Deno.errors.NotFound);
  });
  const REFUSED: [name: string, prepare: (path: string) => void, told: RegExp][] = [
    ["a symbolic link", (path) => {
      Deno.removeSync(`${path}/hosts.deny`);
      Deno.writeTextFileSync(`${path}/victim`, "");
      Deno.symlinkSync(`${path}/victim`, `${path}/hosts.deny`);
    }, /is a symbolic link and is left alone/],
    [
      "a file that everyone may write",
      (path) => Deno.chmodSync(`${path}/hosts.deny`, 0o666),
      /can be written by everyone and is left alone/,
    ],
  ];
  for (const [name, prepare, told] of REFUSED) {
    await test.step(name, async () => {
      await using etc = await etcFolder(prepare);
      const before = Deno.readTextFileSync(`${etc.path}/hosts.deny`);
      await using program = await start(network, config, { wrapper: etc.wrapper, permissions });
      await network.nmap(syn(23));
      assert.deepEqual(await program.events(1), [
        eventLine({ source: SCANNER.ipv4, port: 23, flags: NOT_BLOCKED }),
      ]);
      assert.match(program.stderr, told);
      assert.equal(Deno.readTextFileSync(`${etc.path}/hosts.deny`), before);
    });
  }
});

/** Puts a small file system in place of /etc that hosts.deny has filled. */
const FULL_ETC =
  `mount -t tmpfs -o size=64k none /etc && head -c 40000 /dev/zero >/etc/hosts.deny &&
  exec "$@"`;

/** A private copy of /etc for a program, and the command that puts it in place. */
async function etcFolder(prepare: (path: string) => void) {
  const path = await Deno.makeTempDir({ prefix: "portsentry-etc-" });
  const copy = new Deno.Command("cp", { args: ["-a", "/etc/.", path] });
  assert.ok((await copy.output()).success);
  Deno.writeTextFileSync(`${path}/hosts.deny`, "");
  Deno.chmodSync(`${path}/hosts.deny`, 0o644);
  prepare(path);
  return {
    path,
    wrapper: ["unshare", "-m", "sh", "-c", `mount --bind ${path} /etc && exec "$@"`, "sh"],
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** A private /etc whose hosts file answers for the resolver, and no name server is asked. */
function hostsFile(text: string) {
  return etcFolder((path) => {
    Deno.writeTextFileSync(`${path}/hosts`, text);
    Deno.writeTextFileSync(`${path}/nsswitch.conf`, "hosts: files\n");
  });
}

Deno.test("twenty hosts' commands run at once, and a host's second event waits for its first", async () => {
  await using network = await Network.create();
  await using program = await start(
    network,
    'BLOCK_TCP="1"\nKILL_ROUTE="echo $TARGET$ >> FOLDER/acts; sleep 2"',
  );
  const sources = Array.from({ length: 20 }, (_, i) => [192, 0, 2, 100 + i]);
  const frames = sources.map((source) => ethernet(ipv4(tcp({ port: 23 }), { source })));
  const begin = performance.now();
  await network.inject([...frames, ...frames]);
  await program.until(() => linesOf(program, "acts") === 20, "all commands run");
  assert.ok(performance.now() - begin < 2000, "they ran one after the other");
  assert.equal((await program.events(40)).length, 40);
  assert.equal(linesOf(program, "acts"), 20);
});

function linesOf(program: Program, name: string): number {
  try {
    return program.file(name).split("\n").length - 1;
  } catch {
    return 0;
  }
}
