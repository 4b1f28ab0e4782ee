import assert from "node:assert/strict";
import { Network, run } from "./network.ts";
import { BUILT, Program, programCommand, type ProgramOptions, sourceCommand } from "./program.ts";

/** Runs a start that must fail, and returns what it said. */
async function failedStart(options: ProgramOptions): Promise<string[]> {
  await using program = Program.spawn(options);
  const before = [...Deno.readDirSync(program.folder)].map(({ name }) => name).sort();
  assert.equal(await program.ended(), 1, program.stdout);
  assert.equal(program.stdout, "");
  assert.doesNotMatch(program.stderr, /^\s+at |Uncaught/m);
  assert.deepEqual([...Deno.readDirSync(program.folder)].map(({ name }) => name).sort(), before);
  return program.stderr.trimEnd().split("\n");
}

const GOOD = 'TCP_PORTS="23"\nHISTORY_FILE="FOLDER/history"';

const FAULTS: [name: string, options: ProgramOptions, faults: RegExp[]][] = [
  ["an unknown option", { args: ["--foo"] }, [/^portsentry: unknown option '--foo'$/]],
  ["a bad value", { args: ["-m", "x"] }, [
    /^portsentry: option '-m, --method <method>' argument 'x'/,
  ]],
  ["two modes", { args: ["--stealth", "--connect"] }, [
    /'--stealth' cannot be used with option '--connect'/,
  ]],
  ["config and ignore faults, all in one go", {
    config: 'TCP_PORTS="80-x"\n\nFOO="1"',
    ignore: "192.0.2.0/24\nnonsense\n",
  }, [
    /portsentry\.conf:1: TCP_PORTS: Cannot parse port range "80-x": the end must be a number$/,
    /portsentry\.conf:3: Unknown key "FOO"$/,
    /portsentry\.ignore:2: Cannot parse "nonsense"/,
  ]],
  ["an ignore file that is not there", { config: `${GOOD}\nIGNORE_FILE="FOLDER/none"` }, [
    /\/none: Cannot read the file: there is no such file$/,
  ]],
  ["an ignore file that is a folder", { config: `${GOOD}\nIGNORE_FILE="FOLDER"` }, [
    /Cannot read the file: it is a directory$/,
  ]],
  ["an interface that is not there", { config: GOOD, args: ["-i", "eth7", "-i", "eth8"] }, [
    /^portsentry: option '-i, --interface <name>': there is no interface "eth7": this host has lo, eth0$/,
    /there is no interface "eth8"/,
  ]],
  ["an alias mixed with a name", { config: GOOD, args: ["-i", "ALL", "-i", "eth0"] }, [
    /'-i, --interface <name>': ALL stands for several interfaces and cannot be mixed/,
  ]],
  ["a history file that is a folder", { config: 'TCP_PORTS="23"\nHISTORY_FILE="FOLDER"' }, [
    /Cannot write the history file: it is a directory$/,
  ]],
  ["a history file the run may not write", { config: 'TCP_PORTS="23"\nHISTORY_FILE="/proc/x"' }, [
    /^\/proc\/x: Cannot write the history file: this run lacks the Deno permission/,
  ]],
];

Deno.test("a fault ends the start with status 1, its lines, and nothing changed on disk", async (test) => {
  await using network = await Network.create();
  for (const [name, options, faults] of FAULTS) {
    await test.step(name, async () => {
      const told = await failedStart({ namespace: network.watched, ...options });
      assert.equal(told.length, faults.length, told.join("\n"));
      faults.forEach((fault, i) => assert.match(told[i], fault));
    });
  }
});

Deno.test("SIGTERM in the middle of the start ends the program in order", async () => {
  await using network = await Network.create();
  await using program = Program.spawn({
    // Many ports: the start takes a moment.
    config: 'TCP_PORTS="1-15000"',
    namespace: network.watched,
    args: ["--connect", "-p", "FOLDER/pid"],
  });
  const { pid } = program.child;
  const sockets = () => [...Deno.readDirSync(`/proc/${pid}/fd`)].length > 1000;
  await program.until(sockets, "it opens its sockets");
  assert.equal(program.stdout, "");
  assert.equal(await program.stop(), 0);
  assert.match(program.stdout, /Portsentry is shutting down\n$/);
  assert.throws(() => program.file("pid"), Deno.errors.NotFound);
});

Deno.test("a config file that is not there is told", async () => {
  const folder = Deno.makeTempDirSync();
  const [command, ...args] = [...programCommand(folder), "-c", `${folder}/none.conf`];
  const { code, stderr } = await new Deno.Command(command, { args }).output();
  assert.equal(code, 1);
  assert.equal(
    new TextDecoder().decode(stderr),
    `${folder}/none.conf: Cannot read the file: there is no such file\n`,
  );
  Deno.removeSync(folder);
});

Deno.test("an answer that cannot be written is told, and a reader that goes away is not", () => {
  const folder = Deno.makeTempDirSync();
  const program = programCommand(folder);
  const shell = (command: string) => {
    const args = ["-c", command, "sh", ...program];
    const { code, stderr } = new Deno.Command("sh", { args }).outputSync();
    return [code, new TextDecoder().decode(stderr)];
  };
  assert.deepEqual(shell('"$@" -h >/dev/full'), [
    1,
    "portsentry: Cannot write to standard output: No space left on device (os error 28)\n",
  ]);
  assert.deepEqual(shell('{ sleep 1; "$@" -h; } | true'), [0, ""]);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("-V and -h print to stdout and end with status 0, without any permission", {
  ignore: BUILT !== undefined,
}, async () => {
  for (
    const [option, text] of [["-V", /^Portsentry \d+\.\d+\.\d+\n$/], [
      "-h",
      /^Usage: portsentry/,
    ]] as const
  ) {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--cached-only",
        new URL("../../mod.ts", import.meta.url).href,
        option,
      ],
    }).output();
    assert.equal(code, 0);
    assert.match(new TextDecoder().decode(stdout), text);
    assert.equal(new TextDecoder().decode(stderr), "");
  }
});

Deno.test("-V of a built program says what it is, and which Deno is inside", {
  ignore: BUILT === undefined,
}, async () => {
  const { stdout } = await run([BUILT!, "-V"]);
  assert.match(
    stdout,
    /^Portsentry \d+\.\d+\.\d+ \((compiled|self-extracting|packaged), Deno \d+\.\d+\.\d+\)\n$/,
  );
  assert.ok(stdout.includes(`, Deno ${Deno.version.deno})`), stdout);
});

Deno.test("a start without the permission for libpcap says which to give", {
  ignore: BUILT !== undefined,
}, async () => {
  const folder = Deno.makeTempDirSync();
  Deno.writeTextFileSync(`${folder}/c.conf`, 'TCP_PORTS="23"');
  const args = sourceCommand(folder).slice(1).map((argument) =>
    argument.startsWith("--allow-ffi=")
      ? `--allow-ffi=${
        argument.slice(12).split(",").filter((path) => path.includes("libc.")).join(",")
      }`
      : argument
  );
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, "-c", `${folder}/c.conf`, "-i", "lo"],
  }).output();
  assert.equal(code, 1);
  assert.match(
    new TextDecoder().decode(stderr),
    /^portsentry: this run may not open libpcap: allow it with --allow-ffi=\/usr\/lib\S+\n$/,
  );
  Deno.removeSync(folder, { recursive: true });
});
