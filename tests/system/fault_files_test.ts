/**
 * Files that are taken away, replaced or full while the program writes them.
 */
import assert from "node:assert/strict";
import { parseBlockedFile } from "../../src/response/blocked_set.ts";
import { Network, run, words } from "./network.ts";
import { Program, type ProgramOptions } from "./program.ts";

const PORTS = 'TCP_PORTS="1-1024"\n';
const SOURCE = 0x0b00_0000; // 11.0.0.0

/** A program, and the probes it has been sent: each from a source of its own. */
class Case implements AsyncDisposable {
  #sent = 0;

  private constructor(readonly network: Network, readonly program: Program) {}

  static async start(options: ProgramOptions): Promise<Case> {
    const network = await Network.create();
    try {
      return new Case(network, await Program.start({ ...options, namespace: network.watched }));
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Sends probes, and waits for their events; resolves to their sources. */
  async probe(packets = 1): Promise<string[]> {
    await this.network.flood({ packets, firstSource: SOURCE + this.#sent });
    const sources = Array.from({ length: packets }, (_, i) => sourceText(SOURCE + this.#sent + i));
    this.#sent += packets;
    const { program } = this;
    await program.until(() => program.eventLines().length >= this.#sent, "they are events");
    return sources;
  }

  /** Waits until a file has the lines of just these sources, each of them whole. */
  async untilHas(path: string, sources: string[]): Promise<void> {
    const expected = sources.toSorted().join();
    const found = () => sourcesIn(path).toSorted().join();
    await this.program.until(() => found() === expected, `${path} has all: ${found()}`);
  }

  /** Runs a command where the program's mounts are. */
  inside(command: string) {
    return run(["nsenter", `--target=${this.program.child.pid}`, "--mount", ...words(command)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.program[Symbol.asyncDispose]();
    await this.network[Symbol.asyncDispose]();
  }
}

function sourceText(address: number): string {
  return [24, 16, 8, 0].map((shift) => address >>> shift & 0xff).join(".");
}

/** The sources of a history's events; a line that is no event makes it none. */
function sourcesIn(path: string): string[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch {
    return [];
  }
  return text.split("\n").slice(0, -1).map((line) =>
    /^\d{4}-\S+ Scan from: \[([\d.]+)\] .* blocked: \[\w+\]$/.exec(line)?.[1] ?? `?${line}`
  );
}

/** Runs a program whose files are on a file system of their own, of so many bytes. */
function onDisk(disk: string, size: string): { permissions: string[]; wrapper: string[] } {
  const mount = `mount -t tmpfs -o size=${size} none ${disk} && exec "$@"`;
  return {
    permissions: [`--allow-read=${disk}`, `--allow-write=${disk}`],
    wrapper: ["unshare", "-m", "sh", "-c", mount, "sh"],
  };
}

Deno.test("a full disk: the history waits, is told once, and has every event when there is room", async () => {
  const disk = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  {
    await using test = await Case.start({
      config: `${PORTS}HISTORY_FILE="${disk}/history"`,
      ...onDisk(disk, "16k"),
    });
    const { program } = test;
    const sources = await test.probe(300);
    const full = () => program.stderr.includes("/history: No space left on device");
    await program.until(full, "the disk is full");
    sources.push(...await test.probe(20));
    await test.inside(`mount -o remount,size=1m ${disk}`);
    await program.until(() => program.stderr.includes("can be written again"), "it is told");
    await test.untilHas(`/proc/${program.child.pid}/root${disk}/history`, sources);
    assert.equal(program.stderr.split("Cannot write to").length, 2, program.stderr);
    assert.doesNotMatch(program.stderr, /were lost/);
    assert.equal(await program.stop(), 0);
  }
  Deno.removeSync(disk);
});

Deno.test("a history that is moved, deleted or replaced: no event goes where nobody sees it", async () => {
  await using test = await Case.start({ config: `${PORTS}HISTORY_FILE="FOLDER/log/history"` });
  const { program } = test;
  const folder = `${program.folder}/log`;
  const history = `${folder}/history`;
  const anew = () => program.stdout.split("was moved or deleted, and is opened anew").length - 1;

  await test.untilHas(history, await test.probe());
  Deno.removeSync(history);
  await test.untilHas(history, await test.probe()); // the very next one
  assert.equal(anew(), 1);
  assert.equal(Deno.statSync(history).mode! & 0o777, 0o640);

  Deno.renameSync(history, `${folder}/moved`);
  await test.untilHas(history, await test.probe(2));
  assert.equal(sourcesIn(`${folder}/moved`).length, 1);

  Deno.removeSync(folder, { recursive: true });
  await test.untilHas(history, await test.probe());

  // Somebody else's file, whose last line has no end.
  Deno.removeSync(history);
  Deno.writeTextFileSync(history, "mine");
  const [source] = await test.probe();
  await test.untilHas(history, ["?mine", source]);

  // A link is followed, as it is at the start.
  Deno.removeSync(history);
  Deno.writeTextFileSync(`${folder}/elsewhere`, "");
  Deno.symlinkSync(`${folder}/elsewhere`, history);
  await test.untilHas(`${folder}/elsewhere`, await test.probe());
  assert.equal(anew(), 5);
  assert.equal(program.stderr, "");

  // Nothing can be opened, and what is open has no name: events wait.
  Deno.removeSync(history);
  Deno.removeSync(`${folder}/elsewhere`);
  Deno.mkdirSync(history);
  const waiting = await test.probe(3);
  const told = () => program.stderr.includes("Cannot write to");
  await program.until(told, "it is told");
  assert.match(program.stderr, /^Cannot write to \S+\/history: Is a directory/);
  Deno.removeSync(history);
  await test.untilHas(history, waiting);

  // The same with a FIFO, which would hold up whoever opens it.
  Deno.removeSync(history);
  await run(["mkfifo", history]);
  const more = await test.probe(2);
  await program.until(() => program.stderr.includes("it is a FIFO"), "it is told");
  Deno.removeSync(history);
  await test.untilHas(history, more);

  // Moved, with something in its place that cannot be written: it is written where it is.
  Deno.renameSync(history, `${folder}/moved`);
  Deno.mkdirSync(history);
  await test.untilHas(`${folder}/moved`, [...more, ...await test.probe()]);
  assert.doesNotMatch(program.stderr, /were lost/);
  assert.equal(await program.stop(), 0);
});

Deno.test("a read-only file system: refused at the start, and no harm to what is open", async () => {
  const disk = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const config = `${PORTS}HISTORY_FILE="${disk}/history"`;
  const { permissions, wrapper } = onDisk(disk, "1m");
  {
    await using network = await Network.create();
    const readOnly = `mount -t tmpfs -o ro none ${disk} && exec "$@"`;
    await using refused = Program.spawn({
      config,
      permissions,
      namespace: network.watched,
      wrapper: ["unshare", "-m", "sh", "-c", readOnly, "sh"],
    });
    assert.equal(await refused.ended(), 1);
    assert.match(refused.stderr, /history: Cannot write the history file: Read-only file system/);
  }
  {
    await using test = await Case.start({ config, permissions, wrapper });
    const { program } = test;
    const sources = await test.probe();
    await test.inside(`mount --bind ${disk} ${disk}`);
    await test.inside(`mount -o remount,bind,ro ${disk}`);
    sources.push(...await test.probe());
    program.child.kill("SIGHUP");
    await program.until(() => program.stdout.includes("been read again"), "reloaded");
    sources.push(...await test.probe());
    await test.untilHas(`/proc/${program.child.pid}/root${disk}/history`, sources);
    assert.equal(program.stderr, "");
    assert.equal(await program.stop(), 0);
  }
  Deno.removeSync(disk);
});

Deno.test("a full disk: BLOCKED_FILE is never torn, and has every host when there is room", async () => {
  const disk = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  {
    const { permissions, wrapper } = onDisk(disk, "12k");
    await using test = await Case.start({
      config: `${PORTS}BLOCK_TCP="1"\nKILL_ROUTE="true $TARGET$"\nBLOCKED_FILE="${disk}/blocked"`,
      permissions: [...permissions, "--allow-run=/bin/sh"],
      wrapper,
    });
    const { program } = test;
    const blocked = `/proc/${program.child.pid}/root${disk}/blocked`;
    const sources = await test.probe(10);
    assert.equal(hostsIn(blocked).length, 10);
    await test.inside(`dd if=/dev/zero of=${disk}/filler bs=4096 count=2`);
    // What is left of the page that the file has takes 672 more.
    sources.push(...await test.probe(800));
    const told = /^Cannot add 11\.0\.\d+\.\d+ to \S+\/blocked: (n|N)o space left on device/m;
    assert.match(program.stderr, told);
    assert.equal(Deno.statSync(blocked).size % 6, 0);
    assert.ok(hostsIn(blocked).length < sources.length);
    await test.inside(`rm ${disk}/filler`);
    sources.push(...await test.probe());
    assert.deepEqual(hostsIn(blocked), sources.toSorted());

    // Somebody else's file in its place is left alone.
    await test.inside(`rm ${blocked}`);
    Deno.writeTextFileSync(blocked, "not ours\n");
    await test.probe();
    assert.match(program.stderr, /blocked: the record at byte 0 has the address family/);
    assert.equal(Deno.readTextFileSync(blocked), "not ours\n");
    Deno.removeSync(blocked);
    await test.probe();
    assert.equal(hostsIn(blocked).length, 2);
    assert.equal(await program.stop(), 0);
  }
  Deno.removeSync(disk);
});

/** The hosts of a blocked file, in order. */
function hostsIn(path: string): string[] {
  const bytes = Deno.readFileSync(path);
  const { hosts, wholeBytes } = parseBlockedFile(bytes);
  assert.equal(wholeBytes, bytes.length, "a record is cut short");
  return hosts.map((host) => host.join(".")).sort();
}
