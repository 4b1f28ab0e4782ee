/**
 * The real program as a child process, with a folder of its own for its files: that of the sources,
 * or the built one that PORTSENTRY_PROGRAM names.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { LIBRARIES } from "../../ffi/libraries.ts";

const MOD = fileURLToPath(new URL("../../mod.ts", import.meta.url));
const START_MS = 30_000;
const WAIT_MS = 20_000;

/** How to start the program. */
export interface ProgramOptions {
  /** Lines of portsentry.conf; `FOLDER` in them is the program's own folder. */
  config?: string;
  /** Lines of an ignore file, which the config then names. */
  ignore?: string;
  /** Further arguments. */
  args?: string[];
  /** Network namespace to run in; none for this one. */
  namespace?: string;
  env?: Record<string, string>;
  /** Further Deno permissions, such as `--allow-run=/bin/sh`. */
  permissions?: string[];
  /** Files to put into the program's folder before it starts. */
  files?: Record<string, Uint8Array>;
  /** A command that runs the program's, such as one that changes what it sees of the host. */
  wrapper?: string[];
  /** The program and its Deno, in a folder that every user may read: see bundle.ts. */
  bundle?: Bundle;
  /** A whole command line in the place of the program's own; nothing is added to it. */
  command?: string[];
  /** As on a host that has no libpcap. */
  withoutLibpcap?: boolean;
}

/** A program in one file, and the Deno that runs it. */
export interface Bundle {
  deno: string;
  script: string;
}

/** The ways stealth mode captures, as options. */
export const METHODS: [name: string, options: ProgramOptions & { args: string[] }][] = [
  ["-m pcap", { args: [] }],
  ["-m raw", { args: ["-m", "raw"] }],
  ["-m raw without libpcap", { args: ["-m", "raw"], withoutLibpcap: true }],
];

/** The built program that is tested; undefined for that of the sources. */
export const BUILT: string | undefined = Deno.env.get("PORTSENTRY_PROGRAM");

/** The command that runs the program with the Deno permissions it needs and no others. */
export function programCommand(folder: string, options: ProgramOptions = {}): string[] {
  return BUILT === undefined || options.bundle
    ? sourceCommand(folder, options)
    : builtCommand(BUILT, folder, options);
}

/** The command that runs the program from its sources. */
export function sourceCommand(
  folder: string,
  { permissions = [], withoutLibpcap = false, bundle }: ProgramOptions = {},
): string[] {
  const { libpcap, ...others } = LIBRARIES;
  const allowed = Object.values(withoutLibpcap ? others : { libpcap, ...others });
  const libraries = allowed.flatMap(({ paths }) => paths).join(",");
  return [
    bundle?.deno ?? Deno.execPath(),
    "run",
    "--no-prompt",
    "--cached-only",
    `--allow-ffi=${libraries}`,
    `--allow-read=${folder}`,
    `--allow-write=${folder}`,
    ...permissions,
    bundle?.script ?? MOD,
  ];
}

/** A built program has its own list of permissions, to which only files can be added. */
function builtCommand(
  program: string,
  folder: string,
  { permissions = [], withoutLibpcap = false }: ProgramOptions,
): string[] {
  const files = permissions.filter((flag) => /^--allow-(read|write)=/.test(flag))
    .map((flag) => flag.slice(flag.indexOf("=") + 1));
  const hidden = LIBRARIES.libpcap.paths.map((path) =>
    `if [ -e ${path} ]; then mount --bind /dev/null ${path}; fi`
  );
  return [
    ...(withoutLibpcap
      ? ["unshare", "-m", "sh", "-ec", `${hidden.join("\n")}\nexec "$@"`, "sh"]
      : []),
    "/usr/bin/env",
    `PORTSENTRY_FILES=${[folder, ...files].join(",")}`,
    program,
  ];
}

/** A running program. It is ended, and its folder removed, after `await using`. */
export class Program implements AsyncDisposable {
  stdout = "";
  stderr = "";
  readonly #streams: Promise<unknown>;

  private constructor(
    readonly folder: string,
    readonly child: Deno.ChildProcess,
    readonly bundle: Bundle | undefined,
  ) {
    this.#streams = Promise.all([
      collect(child.stdout, (text) => this.stdout += text),
      collect(child.stderr, (text) => this.stderr += text),
    ]);
  }

  /** Starts the program and returns at once. */
  static spawn(options: ProgramOptions = {}): Program {
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
    if (options.bundle) Deno.chmodSync(folder, 0o755);
    let config = (options.config ?? 'TCP_PORTS="1-1024"').replaceAll("FOLDER", folder);
    if (options.ignore !== undefined) {
      Deno.writeTextFileSync(`${folder}/portsentry.ignore`, options.ignore);
      config += `\nIGNORE_FILE="${folder}/portsentry.ignore"\n`;
    }
    Deno.writeTextFileSync(`${folder}/portsentry.conf`, config);
    for (const [name, bytes] of Object.entries(options.files ?? {})) {
      Deno.writeFileSync(`${folder}/${name}`, bytes);
    }
    const [command, ...args] = [
      ...(options.namespace ? ["ip", "netns", "exec", options.namespace] : []),
      ...(options.wrapper ?? []),
      ...(options.command ?? [
        ...programCommand(folder, options),
        "-c",
        `${folder}/portsentry.conf`,
      ]),
      ...(options.args ?? []).map((argument) => argument.replaceAll("FOLDER", folder)),
    ];
    const child = new Deno.Command(command, {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", ...options.env },
    }).spawn();
    return new Program(folder, child, options.bundle);
  }

  /** Starts the program and waits until it watches. */
  static async start(options: ProgramOptions = {}): Promise<Program> {
    const program = Program.spawn(options);
    try {
      await program.until(() => program.stdout.includes("now active"), "it is active", START_MS);
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
    return program;
  }

  /** Waits until `condition` holds, and fails with all the program said when it does not. */
  async until(condition: () => boolean, what: string, limitMs = WAIT_MS): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!condition()) {
      if (performance.now() > deadline) {
        assert.fail(
          `waited in vain until ${what}\n--- stdout\n${this.stdout}--- stderr\n${this.stderr}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Waits for `count` events, and a moment more for events that should not be there. */
  async events(count: number): Promise<string[]> {
    await this.until(() => this.eventLines().length >= count, `there are ${count} events`);
    await new Promise((resolve) => setTimeout(resolve, 200));
    return this.eventLines();
  }

  /** The event lines so far. */
  eventLines(): string[] {
    return this.stdout.split("\n").filter((line) => line.startsWith("Scan from:"));
  }

  /** The text of a file in the program's folder. */
  file(name: string): string {
    return Deno.readTextFileSync(`${this.folder}/${name}`);
  }

  /** Runs a command of the program, such as `status`, against this one. */
  async command(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const [name, ...rest] = args;
    const [command, ...before] = programCommand(
      this.folder,
      this.bundle && { bundle: this.bundle },
    );
    const { code, stdout, stderr } = await new Deno.Command(command, {
      args: [...before, name, "-c", `${this.folder}/portsentry.conf`, ...rest],
      env: { NO_COLOR: "1" },
    }).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Waits for the program to end by itself. */
  async ended(): Promise<number> {
    const { code } = await this.child.status;
    await this.#streams;
    return code;
  }

  /** Asks the program to end. */
  stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.child.kill(signal);
    return this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.ended();
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function collect(
  stream: ReadableStream<Uint8Array>,
  take: (text: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}

/** The event line of a log-only probe. */
export function eventLine(
  {
    source,
    port,
    protocol = "TCP",
    type = "TCP SYN/Normal scan",
    options = "not set",
    flags = ["false", "true", "true", "false"],
  }: {
    source: string;
    port: number;
    protocol?: string;
    type?: string;
    options?: string;
    flags?: string[];
  },
): string {
  const [ignored, triggered, noblock, blocked] = flags;
  return `Scan from: [${source}] (${source}) protocol: [${protocol}] port: [${port}] type: [${type}] ` +
    `IP opts: [${options}] ignored: [${ignored}] triggered: [${triggered}] noblock: [${noblock}] ` +
    `blocked: [${blocked}]`;
}
