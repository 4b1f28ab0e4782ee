import assert from "node:assert/strict";
import { Network, run, WATCHED } from "./network.ts";
import { Program, programCommand, type ProgramOptions } from "./program.ts";

/** Runs `-D` to its end, which is the parent's. */
async function daemon(network: Network, folder: string, config: string, args: string[] = []) {
  Deno.writeTextFileSync(`${folder}/portsentry.conf`, config);
  const [command, ...rest] = [
    ...["ip", "netns", "exec", network.watched],
    ...programCommand(folder),
    ...["-c", `${folder}/portsentry.conf`, "-D", "-p", `${folder}/pid`, ...args],
  ];
  const { code, stdout, stderr } = await new Deno.Command(command, { args: rest, stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, `waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("-D returns when the daemon watches, keeps a locked pidfile, and ends on SIGTERM", async () => {
  await using network = await Network.create();
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const config = `TCP_PORTS="1-1024"\nHISTORY_FILE="${folder}/history"`;
  const first = await daemon(network, folder, config);
  assert.deepEqual(first, { code: 0, stdout: "", stderr: "" });
  const pid = Number(Deno.readTextFileSync(`${folder}/pid`));
  try {
    // The very next packet is seen: capture was up when the parent returned.
    await network.nmap(`-sS -p 7 ${WATCHED.ipv4}`);
    await until(() => Deno.readTextFileSync(`${folder}/history`).includes("port: [7]"), "an event");
    // A session of its own, and nothing of ours open.
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^\d+ \(.*\) /, "").split(" ");
    assert.equal(Number(stat[3]), pid); // the session's id, proc(5)
    for (const fd of [0, 1, 2]) {
      assert.equal(Deno.readLinkSync(`/proc/${pid}/fd/${fd}`), "/dev/null");
    }

    const second = await daemon(network, folder, config, ["--"]);
    assert.equal(second.code, 1);
    assert.equal(
      second.stderr,
      `${folder}/pid: another running portsentry, process ${pid}, holds this file\n`,
    );
    assert.ok(isRunning(pid));
  } finally {
    Deno.kill(pid, "SIGTERM");
    await until(() => !isRunning(pid), "the daemon has ended");
  }
  assert.throws(() => Deno.statSync(`${folder}/pid`), Deno.errors.NotFound);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("-D tells the daemon's faults, and returns 1", async () => {
  await using network = await Network.create();
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const bad = await daemon(network, folder, 'TCP_PORTS="x"\nFOO="1"');
  assert.equal(bad.code, 1);
  assert.match(
    bad.stderr,
    /^\S+portsentry\.conf:1: .*\n\S+portsentry\.conf:2: Unknown key "FOO"\n$/,
  );
  const gone = await daemon(network, folder, 'TCP_PORTS="1"', ["-i", "eth9"]);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /there is no interface "eth9"/);
  assert.throws(() => Deno.statSync(`${folder}/pid`), Deno.errors.NotFound);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("a pidfile that a crash has left behind is in nobody's way", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    namespace: network.watched,
    files: { pid: new TextEncoder().encode("1\n") },
    args: ["-p", "FOLDER/pid"],
  });
  assert.equal(program.file("pid"), `${program.child.pid}\n`);
});

const RELOAD: ProgramOptions = {
  config: 'TCP_PORTS="1-99"\nHISTORY_FILE="FOLDER/history"\nSCAN_TRIGGER="0"',
  ignore: "198.51.100.0/24\n",
};

for (const args of [[], ["-m", "raw"], ["--connect"]]) {
  Deno.test(`SIGHUP reloads config and ignore file, and reopens the history: ${args.join(" ") || "pcap"}`, async () => {
    await using network = await Network.create();
    await using program = await Program.start({ ...RELOAD, args, namespace: network.watched });
    const scan = (port: number) => network.nmap(`-sT -p ${port} ${WATCHED.ipv4}`);
    await scan(7);
    await program.events(1);

    const file = `${program.folder}/portsentry.conf`;
    const config = Deno.readTextFileSync(file);
    Deno.renameSync(`${program.folder}/history`, `${program.folder}/history.1`);
    Deno.writeTextFileSync(file, config.replace("1-99", "50-149"));
    Deno.writeTextFileSync(`${program.folder}/portsentry.ignore`, "192.0.2.9\n");
    program.child.kill("SIGHUP");
    await program.until(() => /configuration has been read again/.test(program.stdout), "reloaded");
    for (const port of [7, 60, 100]) await scan(port);
    const lines = (await program.events(3)).slice(1);
    assert.deepEqual(
      lines.map((line) => /port: \[(\d+)\].*ignored: \[(\w+)\]/.exec(line)?.slice(1)),
      [["60", "true"], ["100", "true"]],
    );
    assert.equal(program.file("history.1").split("\n").length, 2);
    assert.equal(program.file("history").split("\n").length, 3);

    Deno.writeTextFileSync(file, 'TCP_PORTS="x"\n');
    program.child.kill("SIGHUP");
    await program.until(() => /the old one stays in force/.test(program.stderr), "refused");
    assert.match(program.stderr, /portsentry\.conf:1: TCP_PORTS: Cannot parse port "x"/);
    await scan(61);
    assert.match((await program.events(4))[3], /port: \[61\]/);
    assert.equal(await program.stop(), 0);
  });
}

/** A program whose history is on a disk of 8 KiB of its own, of which the test sees the second path. */
async function onSmallDisk({ watched }: Network) {
  const disk = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const program = await Program.start({
    config: `TCP_PORTS="1-1024"\nHISTORY_FILE="${disk}/history"`,
    namespace: watched,
    permissions: [`--allow-read=${disk}`, `--allow-write=${disk}`],
    wrapper: [
      ...["unshare", "-m", "sh", "-c"],
      `mount -t tmpfs -o size=8k none ${disk} && exec "$@"`,
      "sh",
    ],
  });
  return {
    program,
    disk,
    history: `/proc/${program.child.pid}/root${disk}/history`,
    [Symbol.asyncDispose]: async () => {
      await program[Symbol.asyncDispose]();
      Deno.removeSync(disk);
    },
  };
}

Deno.test("a full disk when the history is rotated: the new one has every event that the old one has not", async () => {
  await using network = await Network.create();
  await using small = await onSmallDisk(network);
  const { program, history } = small;
  await network.nmap(`-sS -p 1-60 ${WATCHED.ipv4}`);
  await program.until(() => program.stderr.includes("No space left"), "the disk is full");
  Deno.renameSync(history, `${history}.1`);
  program.child.kill("SIGHUP");
  await program.until(() => program.stdout.includes("read again"), "it is rotated");
  await network.nmap(`-sS -p 61-65 ${WATCHED.ipv4}`);
  await program.events(65);
  const old = Deno.readTextFileSync(`${history}.1`);
  assert.ok(!old.endsWith("\n"), "its last line is cut short");
  Deno.removeSync(`${history}.1`);
  await program.until(() => program.stderr.includes("can be written again"), "there is room");
  const ports = () =>
    `${old.replace(/[^\n]*$/, "")}${Deno.readTextFileSync(history)}`.split("\n").slice(0, -1)
      .map((line) => Number(/^\d{4}-\S+ Scan from: .* port: \[(\d+)\]/.exec(line)?.[1]));
  await program.until(() => ports().length === 65, "all events are there");
  const expected = Array.from({ length: 65 }, (_, i) => i + 1);
  assert.deepEqual(ports().toSorted((a, b) => a - b), expected);
  assert.doesNotMatch(program.stderr, /lost/);
  assert.equal(await program.stop(), 0);
});

Deno.test("events that a full disk took no more when another history is opened are told", async () => {
  await using network = await Network.create();
  await using small = await onSmallDisk(network);
  const { program, disk, history } = small;
  await network.nmap(`-sS -p 1-100 ${WATCHED.ipv4}`);
  await program.until(() => program.stderr.includes("No space left"), "the disk is full");
  const file = `${program.folder}/portsentry.conf`;
  Deno.writeTextFileSync(file, `TCP_PORTS="1-1024"\nHISTORY_FILE="${disk}/other"`);
  program.child.kill("SIGHUP");
  await program.until(() => program.stderr.includes("were lost"), "the losses are told");
  const whole = Deno.readTextFileSync(history).split("\n").length - 1;
  const lost = `\n${100 - whole} lines for ${disk}/history were lost\n`;
  assert.ok(program.stderr.includes(lost), `${whole} are there\n${program.stderr}`);
  assert.equal(await program.stop(), 0);
});

for (const key of ["HISTORY_FILE", "IGNORE_FILE", "BLOCKED_FILE"]) {
  Deno.test(`a FIFO as ${key} is refused, and stops nothing`, async () => {
    await using network = await Network.create();
    const config = 'TCP_PORTS="1-99"';
    await using program = await Program.start({ config, namespace: network.watched });
    await run(["mkfifo", `${program.folder}/fifo`]);
    const file = `${program.folder}/portsentry.conf`;
    Deno.writeTextFileSync(file, `${config}\n${key}="${program.folder}/fifo"`);
    program.child.kill("SIGHUP");
    await program.until(() => /the old one stays in force/.test(program.stderr), "refused");
    assert.match(program.stderr, /\/fifo: .*: it is a FIFO: name a file\n/);
    await network.nmap(`-sS -p 7 ${WATCHED.ipv4}`);
    await program.events(1);
    assert.equal(await program.stop(), 0);
  });
}

Deno.test("a reload whose filter the kernel refuses leaves the old ports watched", async () => {
  await using network = await Network.create();
  await using program = await Program.start({
    config: 'TCP_PORTS="7"',
    args: ["-m", "raw", "-v"],
    namespace: network.watched,
  });
  // No memory for more than the filter that is there: net.core.optmem_max is the bound.
  const bound = "sysctl -w net.core.optmem_max=4096";
  if ((await network.onWatched(bound, { mayFail: true })).code !== 0) return; // before Linux 6.8
  const ports = Array.from({ length: 60 }, (_, i) => 7 + 2 * i).join();
  Deno.writeTextFileSync(`${program.folder}/portsentry.conf`, `TCP_PORTS="${ports}"`);
  program.child.kill("SIGHUP");
  await program.until(() => /the old one stays in force/.test(program.stderr), "refused");
  assert.match(program.stderr, /portsentry\.conf: Cannot watch these ports: .*cannot allocate/i);
  await network.nmap(`-sS -p 7 ${WATCHED.ipv4}`);
  await program.events(1);
  // Nor for that filter anew, which is tried again until there is.
  await program.until(() => /cannot be watched: .*allocate/i.test(program.stderr), "it is told");
  await network.onWatched("sysctl -w net.core.optmem_max=131072");
  await program.until(
    () => /Watching all interfaces.*\n.*Watching/s.test(program.stdout),
    "mended",
  );
  await network.nmap(`-sS -p 7 ${WATCHED.ipv4}`);
  await program.events(2);
  assert.equal(await program.stop(), 0);
});
