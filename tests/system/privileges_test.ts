/** What the program holds after root has started it: of every thread, as the kernel tells it. */
import assert from "node:assert/strict";
import { makeBundle } from "./bundle.ts";
import { Network, run, SCANNER, WATCHED } from "./network.ts";
import { METHODS, Program, programCommand, type ProgramOptions } from "./program.ts";

const NOBODY = 65_534;

const bundle = await makeBundle();
globalThis.addEventListener("unload", () => bundle[Symbol.dispose]());

/** A line for each thread, all of them alike when all is well. */
function threads(pid: number): string[] {
  return [
    ...new Set([...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => {
      const status = Deno.readTextFileSync(`/proc/${pid}/task/${name}/status`);
      const value = (key: string) =>
        new RegExp(`^${key}:[ \\t]*(.*?)[ \\t]*$`, "m").exec(status)?.[1].replaceAll(/\s+/g, " ");
      const keys = ["Uid", "Gid", "Groups"];
      const sets = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
      return [
        ...keys.map((key) => `${key} ${value(key)}`),
        ...sets.map((key) => `${key} ${value(key)?.replace(/^0+(?=.)/, "")}`),
        `NoNewPrivs ${value("NoNewPrivs")}`,
      ].join(", ");
    })),
  ];
}

/** The line of a thread that is `id` with these capabilities and never any other. */
function reduced(id: number, capabilities: string): string {
  const ids = `${id} ${id} ${id} ${id}`;
  const set = capabilities;
  return `Uid ${ids}, Gid ${ids}, Groups , CapInh ${set}, CapPrm ${set}, CapEff ${set}, ` +
    `CapBnd 0, CapAmb ${set}, NoNewPrivs 1`;
}

const AS_NOBODY = 'RUN_AS="nobody"\nHISTORY_FILE="FOLDER/log/history"\n' +
  'CONTROL_SOCKET="FOLDER/run/control.sock"\n';
/** A copy of /etc in its place, for one program. */
const PRIVATE_ETC = `folder=$(mktemp -d); mount -t tmpfs none "$folder"; cp -a /etc/. "$folder"
mount --move "$folder" /etc; rmdir "$folder"; exec "$@"`;
const HOSTS_DENY = "/etc/hosts.deny,/etc/.hosts.deny.portsentry";
const KINDS: [name: string, options: ProgramOptions, state: string, told: RegExp | undefined][] = [
  ...METHODS.map(([name, options]): [string, ProgramOptions, string, undefined] => [
    `log only, ${name}`,
    { ...options, config: `TCP_PORTS="1-1024"\n${AS_NOBODY}` },
    reduced(NOBODY, "2000"),
    undefined,
  ]),
  [
    'DETECT="extended"',
    { config: `TCP_PORTS="1-1024"\n${AS_NOBODY}DETECT="extended"` },
    reduced(NOBODY, "2000"),
    undefined,
  ],
  [
    "DRY_RUN",
    {
      config: `TCP_PORTS="1-1024"\n${AS_NOBODY}BLOCK_TCP="1"\nFIREWALL="nftables"\n` +
        'KILL_ROUTE="true $TARGET$"\nDRY_RUN="1"\nSTATE_FILE="FOLDER/state/portsentry.db"',
    },
    reduced(NOBODY, "2000"),
    undefined,
  ],
  [
    "STATE_FILE for reports alone",
    { config: `TCP_PORTS="1-1024"\n${AS_NOBODY}STATE_FILE="FOLDER/state/portsentry.db"` },
    reduced(NOBODY, "2000"),
    undefined,
  ],
  [
    "METRICS below port 1024",
    {
      config: `TCP_PORTS="1-1024"\n${AS_NOBODY}METRICS="127.0.0.1:918"`,
      permissions: ["--allow-net=127.0.0.1:918"],
    },
    reduced(NOBODY, "2400"),
    undefined,
  ],
  [
    "NOTIFY_URL",
    {
      config: `TCP_PORTS="1-1024"\n${AS_NOBODY}NOTIFY_URL="https://192.0.2.53/x"`,
      permissions: ["--allow-net=192.0.2.53:443"],
    },
    reduced(NOBODY, "2000"),
    undefined,
  ],
  [
    "--connect below port 1024",
    { config: `TCP_PORTS="1-1024"\nUDP_PORTS="69"\n${AS_NOBODY}`, args: ["--connect"] },
    reduced(NOBODY, "400"),
    undefined,
  ],
  [
    "--connect above",
    { config: `TCP_PORTS="2000-2100"\n${AS_NOBODY}`, args: ["--connect"] },
    reduced(NOBODY, "0"),
    undefined,
  ],
  [
    "FIREWALL",
    {
      config: `TCP_PORTS="1-1024"\n${AS_NOBODY}BLOCK_TCP="1"\nFIREWALL="nftables"\n` +
        'LOCKOUT_GUARD="0"\nSTATE_FILE="FOLDER/lib/state.db"\nBLOCKED_FILE="FOLDER/lib/blocked"',
    },
    reduced(NOBODY, "3000"),
    undefined,
  ],
  [
    "KILL_HOSTS_DENY",
    {
      config: `TCP_PORTS="1-1024"\n${AS_NOBODY}BLOCK_TCP="1"\nKILL_HOSTS_DENY="ALL: $TARGET$"`,
      permissions: [`--allow-read=${HOSTS_DENY}`, `--allow-write=${HOSTS_DENY}`],
      wrapper: ["unshare", "-m", "sh", "-ec", PRIVATE_ETC, "sh"],
    },
    reduced(0, "200b"),
    /^Root is kept, with CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_NET_RAW alone: KILL_HOSTS_/m,
  ],
  [
    "KILL_ROUTE",
    {
      config: `TCP_PORTS="1-1024"\n${AS_NOBODY}BLOCK_TCP="1"\nKILL_ROUTE="true $TARGET$"`,
      permissions: ["--allow-run=/bin/sh"],
    },
    "as started",
    /^Root is kept: KILL_ROUTE and KILL_RUN_CMD run commands that may need anything$/m,
  ],
  [
    "KILL_RUN_CMD",
    {
      config: `TCP_PORTS="1-1024"\n${AS_NOBODY}BLOCK_TCP="2"\nKILL_RUN_CMD="true"`,
      permissions: ["--allow-run=/bin/sh"],
    },
    "as started",
    /^Root is kept: KILL_ROUTE and KILL_RUN_CMD run commands that may need anything$/m,
  ],
  [
    'RUN_AS="root"',
    { config: 'TCP_PORTS="1-1024"\nRUN_AS="root"\nHISTORY_FILE="FOLDER/log/history"' },
    "as started",
    undefined,
  ],
];

/** What this process itself is, as the program is when root has started it and nothing was given up. */
const [AS_STARTED] = threads(Deno.pid);

Deno.test("started by root, the program holds in every thread what its configuration needs", async (test) => {
  await using network = await Network.create();
  for (const [name, options, state, told] of KINDS) {
    await test.step(name, async () => {
      await using program = await Program.start({ ...options, bundle, namespace: network.watched });
      const { pid } = program.child;
      assert.deepEqual(threads(pid), [state === "as started" ? AS_STARTED : state]);
      if (told) assert.match(program.stdout, told);
      else assert.doesNotMatch(program.stdout + program.stderr, /Root is kept/);

      const port = name === "--connect above" ? 2010 : 23;
      await network.nmap(`-sT -p ${port} ${WATCHED.ipv4}`);
      await program.events(1);
      await program.until(() => program.file("log/history").includes(`port: [${port}]`), "written");

      Deno.renameSync(`${program.folder}/log/history`, `${program.folder}/log/history.1`);
      program.child.kill("SIGHUP");
      await program.until(() => /been read again/.test(program.stdout), "reloaded");
      if (name === "FIREWALL") await network.onWatched("nft flush table inet portsentry");
      await network.nmap(`-sT -p ${port + 1} ${WATCHED.ipv4}`);
      await program.until(
        () => program.file("log/history").includes(`port: [${port + 1}]`),
        "the new history is written",
      );
      // What came up meanwhile, such as threads for answers, is no more.
      assert.deepEqual(threads(pid), [state === "as started" ? AS_STARTED : state]);
      assert.equal(await program.stop(), 0);
      assert.equal(program.stderr, "");
    });
  }
});

Deno.test("FIREWALL blocks as another user, and finds its blocks again", async () => {
  await using network = await Network.create();
  const config = `TCP_PORTS="1-1024"\n${AS_NOBODY}BLOCK_TCP="1"\nFIREWALL="nftables"\n` +
    'LOCKOUT_GUARD="0"\nSTATE_FILE="FOLDER/lib/state.db"';
  await using program = await Program.start({ config, bundle, namespace: network.watched });
  await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
  await program.until(() => /blocked via nftables/.test(program.stdout), "blocked");
  const set = await network.onWatched("nft list table inet portsentry");
  assert.match(set.stdout, new RegExp(SCANNER.ipv4.replaceAll(".", "\\.")));
  const own = await program.command("blocked", "--json");
  assert.match(own.stdout, /"192\.0\.2\.9"/);
  const state = Deno.statSync(`${program.folder}/lib/state.db`);
  assert.equal(state.uid, NOBODY);
  const lifted = await program.command("unblock", SCANNER.ipv4);
  assert.match(lifted.stdout, /is not blocked any more/);
  assert.equal(await program.stop(), 0);
  assert.equal(program.stderr, "");
});

Deno.test("`status` shows what is held, and `check` what would be", async () => {
  await using network = await Network.create();
  const config = `TCP_PORTS="1-1024"\n${AS_NOBODY}`;
  await using program = await Program.start({
    config,
    bundle,
    namespace: network.watched,
    permissions: ["--allow-run=/bin/sh,/bin/true", "--allow-net", "--allow-env", "--allow-sys"],
  });
  const { stdout } = await program.command("status", "--json");
  assert.deepEqual(JSON.parse(stdout).privileges, {
    user: NOBODY,
    group: NOBODY,
    groups: [],
    capabilities: ["CAP_NET_RAW"],
    boundingSet: [],
    noNewPrivileges: true,
    deno: { read: [program.folder], write: [program.folder], net: [], run: [], ffi: [] },
  });
  const text = (await program.command("status")).stdout;
  assert.match(text, /^runs as +user 65534, group 65534$/m);
  assert.match(text, /^capabilities +CAP_NET_RAW, and never any other$/m);
  assert.match(text, /^Deno may load +nothing$/m);
  const check = (await program.command("check")).stdout;
  assert.match(check, /^runs as +user nobody, with CAP_NET_RAW of root's rights$/m);
  const files = ["history", "control.sock"].map((name) =>
    `${program.folder}/${name === "history" ? "log" : "run"}/${name}`
  );
  assert.deepEqual(JSON.parse((await program.command("check", "--json")).stdout).Deno_keeps, [
    `to read: ${[`${program.folder}/portsentry.conf`, ...files].join(", ")}`,
    `to write: ${files.join(", ")}`,
  ]);
});

Deno.test("nothing of root's environment goes on", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: `TCP_PORTS="1-1024"\n${AS_NOBODY}`,
    bundle,
    namespace: network.watched,
    env: { SECRET: "of root", TZ: "UTC", NOTIFY_SOCKET: "/nowhere" },
  });
  const { pid } = program.child;
  const environment = Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0").filter(Boolean);
  const names = environment.map((entry) => entry.replace(/=.*/, ""));
  for (const name of names) {
    assert.match(
      name,
      /^(LANG|LC_\w+|TZ|NO_COLOR|DENO_DIR|DENO_LOG|DENO_TLS_CA_STORE|DENO_CERT|SSL_CERT_(FILE|DIR)|NOTIFY_SOCKET)$/,
    );
  }
  assert.ok(environment.includes("TZ=UTC") && environment.includes("NOTIFY_SOCKET=/nowhere"));
});

Deno.test("a reload that needs what was given up is refused, and the old configuration goes on", async (test) => {
  await using network = await Network.create();
  const config = `TCP_PORTS="1-1024"\n${AS_NOBODY}`;
  await using program = await Program.start({
    config,
    bundle,
    namespace: network.watched,
    permissions: ["--allow-run=/bin/sh"],
  });
  const file = `${program.folder}/portsentry.conf`;
  const before = Deno.readTextFileSync(file);
  const MORE: [lines: string, told: RegExp][] = [
    ['BLOCK_TCP="1"\nFIREWALL="nftables"', /FIREWALL changes .*: what that needs was given up/],
    ['METRICS="127.0.0.1:9187"', /METRICS are served: what that needs was given up/],
    ['NOTIFY_URL="https://192.0.2.53/x"', /NOTIFY_URL is told .*: what that needs was given up/],
    ['STATE_FILE="state.db"', /STATE_FILE is kept: what that needs was given up/],
    ['BLOCK_TCP="2"\nKILL_RUN_CMD="true"', /run commands that may need anything: what that needs/],
    ['BLOCK_TCP="1"\nKILL_HOSTS_DENY="$TARGET$"', /KILL_HOSTS_DENY writes .*: what that needs/],
    ['RUN_AS="daemon"', /RUN_AS has another value now: restart portsentry/],
  ];
  for (const [lines, told] of MORE) {
    await test.step(lines.replace("\n", ", "), async () => {
      program.stderr = "";
      Deno.writeTextFileSync(file, `${before}\n${lines}\n`);
      const { code, stdout } = await program.command("reload");
      assert.equal(code, 1);
      assert.match(stdout, told);
      await program.until(() => /the old one stays in force/.test(program.stderr), "refused");
      assert.match(program.stderr, told);
    });
  }
  Deno.writeTextFileSync(file, before.replace("1-1024", "1-2048"));
  assert.equal((await program.command("reload")).code, 0);
  await network.nmap(`-sS -p 2000 ${WATCHED.ipv4}`);
  await program.events(1);
});

Deno.test("root is kept, and said why, where the user could not go on", async (test) => {
  await using network = await Network.create();
  const FOREIGN = { "x.txt": new Uint8Array() };
  const CASES: [name: string, options: ProgramOptions & { mode?: number }, told: RegExp][] = [
    [
      "a configuration of root's alone",
      { mode: 0o600 },
      /nobody cannot read \S+portsentry\.conf$/m,
    ],
    [
      "a history with something else in it",
      {
        config: 'TCP_PORTS="7"\nRUN_AS="nobody"\nHISTORY_FILE="FOLDER/x.txt"',
        files: { "x.txt": new TextEncoder().encode("root:x:0:0\n") },
      },
      /^Root is kept: \S+x\.txt holds something else already$/m,
    ],
    [
      "a folder with other files in it",
      { config: 'TCP_PORTS="7"\nRUN_AS="nobody"\nBLOCKED_FILE="FOLDER/blocked"', files: FOREIGN },
      /^Root is kept: \S+ belongs to root and holds other files, such as \S+: name a folder of its/m,
    ],
  ];
  for (const [name, { mode = 0o644, ...options }, told] of CASES) {
    await test.step(name, async () => {
      const wrapper = ["sh", "-c", 'for last; do :; done; chmod "$0" "$last"; exec "$@"', mode];
      await using program = await Program.start({
        config: 'TCP_PORTS="7"\nRUN_AS="nobody"',
        ...options,
        bundle,
        namespace: network.watched,
        wrapper: wrapper.map((word) => typeof word === "number" ? word.toString(8) : word),
      });
      assert.match(program.stderr, told);
      assert.deepEqual(threads(program.child.pid), [AS_STARTED]);
      const reason = /^Root is kept: (.*)$/m.exec(program.stderr)![1];
      const { stdout } = await program.command("check");
      assert.equal(/^runs as +root, with all capabilities: (.*)$/m.exec(stdout)?.[1], reason);
      await network.nmap(`-sS -p 7 ${WATCHED.ipv4}`);
      await program.events(1);
    });
  }
});

Deno.test("root is not kept for what the user has done to its own files: the start fails as that user", async () => {
  await using network = await Network.create();
  const done = 'for last; do :; done; log=${last%/*}/log; mkdir "$log"; : >"$log/history"; ' +
    'chown -R nobody "$log"; chmod 000 "$log/history"; exec "$@"';
  await using program = Program.spawn({
    config: `TCP_PORTS="7"\n${AS_NOBODY}`,
    bundle,
    namespace: network.watched,
    wrapper: ["sh", "-c", done, "sh"],
  });
  assert.equal(await program.ended(), 1);
  assert.match(
    program.stderr,
    /^\S+log\/history: Cannot write the history file: permission denied[^\n]*\n$/i,
  );
  assert.equal(program.stdout, "");
});

Deno.test("from its sources it becomes the user as well, or says that their modules are root's", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: `TCP_PORTS="7"\n${AS_NOBODY}`,
    namespace: network.watched,
  });
  const kept = /^Root is kept: user nobody cannot read \S/m.test(program.stderr);
  assert.deepEqual(threads(program.child.pid), [kept ? AS_STARTED : reduced(NOBODY, "2000")]);
});

Deno.test("RUN_AS of a user that is not there is a fault, and nothing on disk has changed", async () => {
  await using program = Program.spawn({
    config: 'TCP_PORTS="7"\nRUN_AS="no-such"\nHISTORY_FILE="FOLDER/log/history"',
    args: ["--connect"],
  });
  assert.equal(await program.ended(), 1);
  assert.match(program.stderr, /^\S+portsentry\.conf: RUN_AS: there is no user "no-such"\n$/);
  assert.deepEqual([...Deno.readDirSync(program.folder)].map(({ name }) => name), [
    "portsentry.conf",
  ]);
});

Deno.test("-D goes into the background as another user, and ends on SIGTERM", async () => {
  await using network = await Network.create();
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  Deno.chmodSync(folder, 0o755);
  Deno.writeTextFileSync(
    `${folder}/portsentry.conf`,
    `TCP_PORTS="1-1024"\n${AS_NOBODY.replaceAll("FOLDER", folder)}`,
  );
  const start = (...more: string[]) => {
    const inside = ["ip", "netns", "exec", network.watched];
    const args = ["-c", `${folder}/portsentry.conf`, "-D", "-p", `${folder}/pid`, ...more];
    return run([...inside, ...programCommand(folder, { bundle }), ...args], { mayFail: true });
  };
  assert.deepEqual(await start(), { code: 0, stdout: "", stderr: "" });
  const pid = Number(Deno.readTextFileSync(`${folder}/pid`));
  try {
    assert.deepEqual(threads(pid), [reduced(NOBODY, "2000")]);
    await network.nmap(`-sS -p 7 ${WATCHED.ipv4}`);
    await until(() => Deno.readTextFileSync(`${folder}/log/history`).includes("port: [7]"));
    const second = await start();
    assert.equal(second.code, 1);
    assert.match(
      second.stderr,
      new RegExp(`another running portsentry, process ${pid}, holds this file\n$`),
    );
  } finally {
    Deno.kill(pid, "SIGTERM");
    await until(() => !isThere(`/proc/${pid}/exe`));
  }
  // The folder is root's: the file cannot be removed, and names nobody any more.
  assert.equal(Deno.readTextFileSync(`${folder}/pid`), "");
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("a history in a folder of root's is handed over, and again when it was rotated", async () => {
  await using network = await Network.create();
  const config = 'TCP_PORTS="1-1024"\nRUN_AS="nobody"\nHISTORY_FILE="FOLDER/history"';
  await using program = await Program.start({
    config,
    bundle,
    namespace: network.watched,
    files: {
      history: new TextEncoder().encode(`2026-11-22T18:21:14.160+0000 Scan from: [192.0.2.9]\n`),
    },
  });
  const history = `${program.folder}/history`;
  assert.equal(Deno.statSync(history).uid, NOBODY);
  Deno.renameSync(history, `${history}.1`);
  program.child.kill("SIGHUP");
  await program.until(() => /the old one stays in force/.test(program.stderr), "refused");
  assert.match(program.stderr, /history: Cannot write the history file: permission denied/);
  // As logrotate's `create` does it: of the owner and mode that the old file had.
  Deno.writeTextFileSync(history, "", { mode: 0o640 });
  Deno.chownSync(history, NOBODY, NOBODY);
  program.child.kill("SIGHUP");
  await program.until(() => /been read again/.test(program.stdout), "reloaded");
  await network.nmap(`-sS -p 7 ${WATCHED.ipv4}`);
  await program.events(1);
  assert.match(program.file("history"), /port: \[7\]/);
  assert.equal(await program.stop(), 0);
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `waited in vain until ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function isThere(path: string): boolean {
  try {
    Deno.readLinkSync(path);
    return true;
  } catch {
    return false;
  }
}
