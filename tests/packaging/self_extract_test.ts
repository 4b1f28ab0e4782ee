/**
 * How a self-extracting program starts, with everything somebody else could do about it. In the place
 * of Deno there is a script that tells how it was run: what is unpacked makes no difference here, and
 * the real thing is tested as dist/portsentry.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { run } from "../system/network.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SHELLS = [["dash"], ["bash"], ["busybox", "sh"]];
const TELL = "#!/bin/sh\necho $$ $0 $DENO_DIR $(umask)\nprintf '%s\\n' \"$@\"\n";
const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/** A self-extracting program of a small payload, with a cache of its own. */
class Packed implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  readonly file = `${this.folder}/portsentry`;
  readonly cache = `${this.folder}/cache`;
  readonly hash: string;

  private constructor() {
    Deno.chmodSync(this.folder, 0o755);
    Deno.writeTextFileSync(`${this.folder}/deno`, TELL, { mode: 0o755 });
    Deno.writeTextFileSync(`${this.folder}/program.js`, "x".repeat(10_000));
    const script =
      `. tools/pack.sh; pack ${this.folder}/deno ${this.folder}/program.js ${this.file}`;
    const { success } = new Deno.Command("sh", { args: ["-ec", script], cwd: ROOT }).outputSync();
    assert.ok(success);
    const text = new TextDecoder("latin1").decode(Deno.readFileSync(this.file));
    this.hash = /^packed_hash=([0-9a-f]{64})$/m.exec(text)![1];
  }

  static make(): Packed {
    return new Packed();
  }

  get unpacked(): string {
    return `${this.cache}/${this.hash}`;
  }

  /** What the program says, or the fault it ends with. */
  async start(
    { args = ["-V"], by = [], cache = this.cache, env = {} }: {
      args?: string[];
      by?: string[];
      cache?: string;
      env?: Record<string, string>;
    } = {},
  ): Promise<string> {
    const command = [...by, this.file, ...args];
    const { code, stdout, stderr } = await run(command, {
      mayFail: true,
      env: { PORTSENTRY_CACHE: cache, ...env },
    });
    assert.equal(code === 0, stderr === "", stderr);
    return stdout || stderr;
  }

  /** A start that has to work. */
  async works(): Promise<void> {
    assert.ok((await this.start()).includes(` ${this.unpacked}/portsentry `));
    assert.deepEqual(names(this.cache), [this.hash]);
    assert.deepEqual(names(this.unpacked), ["deno", "portsentry", "portsentry.js"]);
    assert.equal(Deno.readTextFileSync(`${this.unpacked}/portsentry.js`), "x".repeat(10_000));
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

for (const by of SHELLS) {
  Deno.test(`a self-extracting program unpacks once, keeps its process, and passes everything on: ${by.join(" ")}`, async () => {
    using packed = Packed.make();
    const child = new Deno.Command(by[0], {
      args: [...by.slice(1), packed.file, "-v", "a b", "", "*"],
      env: { PORTSENTRY_CACHE: packed.cache },
      stdout: "piped",
    }).spawn();
    const first = new TextDecoder().decode((await child.output()).stdout);
    const [how, ...args] = first.trimEnd().split("\n");
    const umask = (await run(["sh", "-c", "umask"])).stdout.trim();
    assert.equal(
      how,
      `${child.pid} ${packed.unpacked}/portsentry ${packed.unpacked}/deno ${umask}`,
    );
    assert.deepEqual(args.slice(-5), [`${packed.unpacked}/portsentry.js`, "-v", "a b", "", "*"]);
    assert.deepEqual(args.slice(0, 7), [
      ...["run", "--no-config", "--no-lock", "--no-remote", "--no-npm"],
      ...["--no-prompt", "--quiet"],
    ]);
    assert.deepEqual(args.slice(7, -5).map((flag) => flag.split("=")[0]), [
      ...["--allow-ffi", "--allow-run", "--allow-read", "--allow-write"],
    ]);
    const { ino } = Deno.statSync(`${packed.unpacked}/portsentry`);
    const second = await packed.start({ by, args: ["-v"] });
    assert.ok(second.includes(` ${packed.unpacked}/portsentry `), second);
    assert.equal(Deno.statSync(`${packed.unpacked}/portsentry`).ino, ino);
  });
}

Deno.test("a self-extracting program repairs what a crash has left", async (test) => {
  using packed = Packed.make();
  await packed.works();
  const left: Record<string, () => void> = {
    "a file cut short": () => Deno.truncateSync(`${packed.unpacked}/portsentry.js`, 100),
    "an empty file": () => Deno.truncateSync(`${packed.unpacked}/portsentry`, 0),
    "a file that is not there": () => Deno.removeSync(`${packed.unpacked}/portsentry`),
    "a folder that is not there": () => Deno.removeSync(`${packed.unpacked}/deno`),
    "half an unpacking": () => {
      Deno.removeSync(packed.unpacked, { recursive: true });
      Deno.mkdirSync(`${packed.cache}/.new.999999999.x`);
    },
    "an older version": () => {
      Deno.renameSync(packed.unpacked, `${packed.cache}/${"a".repeat(64)}`);
    },
  };
  for (const [what, leave] of Object.entries(left)) {
    await test.step(what, async () => {
      leave();
      await packed.works();
    });
  }
});

Deno.test("a self-extracting program leaves alone what it has not made", async () => {
  using packed = Packed.make();
  const others = ["a".repeat(64), "my files", ".new", "portsentry"];
  for (const name of others) Deno.mkdirSync(`${packed.cache}/${name}`, { recursive: true });
  await packed.start();
  assert.deepEqual(names(packed.cache), [...others, packed.hash].sort());
});

Deno.test("a self-extracting program runs nothing that others made or can change", async (test) => {
  const attacks: [what: string, attack: (packed: Packed) => unknown, fault: RegExp][] = [
    [
      "the folder is another user's",
      ({ unpacked }) => Deno.chownSync(unpacked, 1000, 1000),
      /[0-9a-f]{64} belongs to user 1000, who could change what runs/,
    ],
    [
      "a file is another user's",
      ({ unpacked }) => Deno.chownSync(`${unpacked}/portsentry.js`, 1000, 0),
      /portsentry\.js belongs to user 1000/,
    ],
    [
      "the cache is another user's",
      ({ cache }) => Deno.chownSync(cache, 1000, 0),
      /\/cache belongs to user 1000/,
    ],
    [
      "a folder above the cache is another user's",
      ({ folder }) => Deno.chownSync(folder, 1000, 0),
      /portsentry-test-\w+ belongs to user 1000/,
    ],
    [
      "a file is writable for its group",
      ({ unpacked }) => Deno.chmodSync(`${unpacked}/portsentry`, 0o775),
      /others may write to \S+\/portsentry:/,
    ],
    [
      "the folder of Deno's cache is writable for all",
      ({ unpacked }) => Deno.chmodSync(`${unpacked}/deno`, 0o1777),
      /others may write to \S+\/deno:/,
    ],
    [
      "the cache is writable for all",
      ({ cache }) => Deno.chmodSync(cache, 0o1777),
      /others may write to \S+\/cache:/,
    ],
    [
      "a folder above the cache is writable for its group",
      ({ folder }) => Deno.chmodSync(folder, 0o775),
      /others may write to \S+\/portsentry-test-\w+:/,
    ],
    ["the folder is a link", ({ cache, unpacked }) => {
      Deno.renameSync(unpacked, `${cache}/elsewhere`);
      Deno.symlinkSync("elsewhere", unpacked);
    }, /[0-9a-f]{64} is neither a file nor a folder/],
    ["a file is a link", ({ cache, unpacked }) => {
      Deno.renameSync(`${unpacked}/portsentry`, `${cache}/elsewhere`);
      Deno.symlinkSync("../elsewhere", `${unpacked}/portsentry`);
    }, /portsentry is neither a file nor a folder/],
    ["the folder is a link to nothing", ({ unpacked }) => {
      Deno.removeSync(unpacked, { recursive: true });
      Deno.symlinkSync("/nowhere", unpacked);
    }, /[0-9a-f]{64} is neither a file nor a folder/],
    ["the folder was there first, another user's and empty", ({ unpacked }) => {
      Deno.removeSync(unpacked, { recursive: true });
      Deno.mkdirSync(unpacked);
      Deno.chownSync(unpacked, 1000, 1000);
    }, /belongs to user 1000/],
  ];
  for (const [what, attack, fault] of attacks) {
    await test.step(what, async () => {
      using packed = Packed.make();
      await packed.works();
      attack(packed);
      for (const by of SHELLS) {
        const told = await packed.start({ by });
        assert.match(told, /^portsentry: .*\n$/, "one line");
        assert.match(told, fault);
      }
    });
  }
});

Deno.test("a self-extracting program tells what keeps it from unpacking", async (test) => {
  using packed = Packed.make();
  const mounted = (options: string) => [
    ...["unshare", "-m", "sh", "-c"],
    `mkdir -p ${packed.cache} && mount -t tmpfs -o mode=755,${options} none ${packed.cache} && exec "$@"`,
    "sh",
  ];
  const lacks: [what: string, options: Parameters<Packed["start"]>[0], fault: RegExp][] = [
    ["no space", { by: mounted("size=8k") }, /cannot unpack into \S+, where 100 MB are needed$/],
    ["nothing can be written", { by: mounted("ro") }, /cannot write to \S+cache$/],
    ["nothing runs from there", { by: mounted("noexec") }, /from which nothing runs \(noexec\)/],
    [
      "no HOME",
      { by: [...NOBODY, "env", "-u", "HOME"], cache: "" },
      /there is no HOME to unpack into/,
    ],
    ["a HOME that is not there", {
      by: NOBODY,
      cache: "",
      env: { HOME: "/nowhere", XDG_CACHE_HOME: "" },
    }, /cannot make \/nowhere\/\.cache\/portsentry: name another folder in PORTSENTRY_CACHE$/],
  ];
  for (const [what, options, fault] of lacks) {
    await test.step(what, async () => {
      const told = await packed.start(options);
      assert.match(told.trimEnd().split("\n").at(-1)!, fault);
    });
  }
});

Deno.test("a damaged self-extracting program runs nothing and leaves nothing", async () => {
  using packed = Packed.make();
  const good = Deno.readFileSync(packed.file);
  const damaged = good.slice();
  damaged[damaged.length - 40] ^= 1;
  for (const bytes of [damaged, good.subarray(0, -1), good.subarray(0, -200)]) {
    Deno.writeFileSync(packed.file, bytes);
    assert.match(
      await packed.start(),
      /portsentry is damaged: it does not have its hash any more\n$/,
    );
    assert.deepEqual(names(packed.cache), []);
  }
});

Deno.test("first starts at the same moment all work", async () => {
  using packed = Packed.make();
  const starts = await Promise.all(Array.from({ length: 12 }, () => packed.start()));
  for (const told of starts) assert.ok(told.includes(` ${packed.unpacked}/portsentry `), told);
  await packed.works();
});

Deno.test("another user unpacks for himself, or uses what root has unpacked", async () => {
  using packed = Packed.make();
  await packed.works();
  assert.ok((await packed.start({ by: NOBODY })).includes(packed.unpacked));
  const home = `${packed.folder}/home`;
  Deno.mkdirSync(home);
  Deno.chownSync(home, 65534, 65534);
  const told = await packed.start({
    by: NOBODY,
    cache: "",
    env: { HOME: home, XDG_CACHE_HOME: "" },
  });
  assert.ok(told.includes(` ${home}/.cache/portsentry/${packed.hash}/portsentry `), told);
  // Root runs nothing of his.
  assert.match(
    await packed.start({ cache: `${home}/.cache/portsentry` }),
    /belongs to user 65534, who could change what runs/,
  );
});
