/**
 * A Debian of its own in a folder, with packages installed by its own apt, and the service in it run as
 * systemd would run it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Datagrams } from "../datagrams.ts";
import { type CommandResult, run } from "../system/network.ts";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** These take minutes and packages: make test-packages asks for them. */
export const ASKED = Deno.env.get("PORTSENTRY_PACKAGES") !== undefined;

/** One that debootstrap has made, and that all copies are of. */
const ORIGINAL = `${ROOT}/.tools/debian-root`;

/** Where systemd-analyze is: this host's, or the one that tools/setup.sh has unpacked. */
export async function systemdAnalyze(args: string[]): Promise<CommandResult> {
  const unpacked = `${ROOT}/.tools/debian/systemd/usr/bin/systemd-analyze`;
  const libraries =
    `${ROOT}/.tools/debian/libsystemd-shared/usr/lib/${Deno.build.arch}-linux-gnu/systemd`;
  const own = (await run(["sh", "-c", "command -v systemd-analyze"], { mayFail: true })).code === 0;
  return await run([own ? "systemd-analyze" : unpacked, ...args], {
    mayFail: true,
    env: own ? {} : { LD_LIBRARY_PATH: libraries },
  });
}

/** A Debian in a folder, removed after `await using`. */
export class Debian implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "portsentry-debian-" });

  static async create(): Promise<Debian> {
    const debian = new Debian();
    try {
      await debian.#build();
    } catch (error) {
      await debian[Symbol.asyncDispose]();
      throw error;
    }
    return debian;
  }

  async #build(): Promise<void> {
    const { folder } = this;
    const codename = /^VERSION_CODENAME=(\w+)$/m.exec(Deno.readTextFileSync("/etc/os-release"))![1];
    if ((await run(["test", "-d", ORIGINAL], { mayFail: true })).code !== 0) {
      await run(["rm", "-rf", `${ORIGINAL}.new`]);
      await run(["debootstrap", "--variant=minbase", codename, `${ORIGINAL}.new`]);
      await run(["mv", `${ORIGINAL}.new`, ORIGINAL]);
    }
    await run(["cp", "-a", "--reflink=auto", `${ORIGINAL}/.`, folder]);
    // Packages of Debian's own start nothing here, either.
    Deno.writeTextFileSync(`${folder}/usr/sbin/policy-rc.d`, "#!/bin/sh\nexit 101\n", {
      mode: 0o755,
    });
    await run(["cp", "/etc/resolv.conf", `${folder}/etc/resolv.conf`]);
  }

  /** The words that run a command in here, optionally in a network namespace. */
  command(words: string[], namespace?: string): string[] {
    const mounts = `mount -t proc proc ${this.folder}/proc
      for name in null zero random urandom; do
        [ -e ${this.folder}/dev/$name ] || touch ${this.folder}/dev/$name
        mount --bind /dev/$name ${this.folder}/dev/$name
      done
      exec chroot ${this.folder} "$@"`;
    return [
      ...(namespace ? ["ip", "netns", "exec", namespace] : []),
      ...["unshare", "-m", "sh", "-ec", mounts, "sh"],
      ...[
        "env",
        "-i",
        "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND=noninteractive",
      ],
      ...words,
    ];
  }

  /** Runs a shell command in here. */
  sh(script: string, { namespace, mayFail }: { namespace?: string; mayFail?: boolean } = {}) {
    return run(this.command(["sh", "-ec", script], namespace), { mayFail: mayFail ?? false });
  }

  /** Installs a package file with apt, dependencies included. */
  async install(file: string, options = "", namespace?: string): Promise<string> {
    await run(["cp", file, `${this.folder}/package.deb`]);
    const { stdout } = await this.sh(
      `apt-get install -y --no-install-recommends ${options} /package.deb </dev/null 2>&1`,
      namespace === undefined ? {} : { namespace },
    );
    Deno.removeSync(`${this.folder}/package.deb`);
    return stdout;
  }

  read(path: string): string {
    return Deno.readTextFileSync(this.folder + path);
  }

  /** Every path with the program's name in it. */
  async traces(): Promise<string[]> {
    const { stdout } = await run(["find", this.folder, "-xdev", "-iname", "*portsentry*"]);
    return stdout.trim().split("\n").filter((path) => path !== this.folder)
      .map((path) => path.slice(this.folder.length)).filter((path) => path !== "").sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run(["rm", "-rf", "--one-file-system", this.folder]);
  }
}

/** The settings of the unit, by key; a key that is set several times has several values. */
export function unitSettings(): Map<string, string[]> {
  const text = Deno.readTextFileSync(`${ROOT}/packaging/systemd/portsentry.service`);
  const settings = new Map<string, string[]>();
  for (const [, key, value] of text.matchAll(/^(\w+)=(.*)$/gm)) {
    settings.set(key, [...settings.get(key) ?? [], value]);
  }
  return settings;
}

/** The system calls that the unit's filter allows, by name. */
async function allowedCalls(): Promise<string[]> {
  const expand = async (name: string): Promise<string[]> => {
    if (!name.startsWith("@")) return [name];
    const { stdout } = await systemdAnalyze(["--no-pager", "syscall-filter", name]);
    const names = stdout.split("\n").slice(1).map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#"));
    return (await Promise.all(names.map(expand))).flat();
  };
  const [allowed, denied] = unitSettings().get("SystemCallFilter")!;
  assert.ok(denied.startsWith("~"));
  const taken = (await Promise.all(denied.slice(1).split(" ").map(expand))).flat();
  // What systemd itself always allows.
  const names = [...await expand("@default"), ...await expand(allowed)];
  return names.filter((name) => !taken.includes(name));
}

/** The service, with what the unit gives it and takes from it. */
export class Service implements AsyncDisposable {
  private constructor(
    readonly debian: Debian,
    readonly child: Deno.ChildProcess,
    readonly manager: Datagrams,
  ) {}

  /**
   * Starts what ExecStart says as the unit's user, with its capabilities and its system calls, on a
   * file system of which only the unit's folders can be written to.
   */
  static async start(debian: Debian, namespace: string): Promise<Service> {
    const settings = unitSettings();
    const one = (key: string) => settings.get(key)![0];
    const root = debian.folder;
    const user = one("User");
    const capabilities = one("AmbientCapabilities").toLowerCase().split(" ")
      .map((name) => `+${name.slice("cap_".length)}`).join();
    Deno.writeTextFileSync(
      `${root}/seccomp.js`,
      SECCOMP.replace("CALLS", JSON.stringify(await allowedCalls())),
    );
    const writable = [
      ...["State", "lib", "Logs", "log"].flatMap((key, i, all) =>
        i % 2 === 0 ? [`/var/${all[i + 1]}/${one(`${key}Directory`)}`] : []
      ),
    ];
    const run = `/run/${one("RuntimeDirectory")}`;
    const mounts = `mount --bind ${root} ${root}
      cd ${root}
      mkdir -p ${root}${run}
      mount -t tmpfs -o mode=755 none ${root}${run}
      chroot ${root} chown ${user} ${run}
      ${writable.map((path) => `mount --bind ${root}${path} ${root}${path}`).join("\n")}
      mount -o remount,bind,ro ${root}
      mount -t proc -o subset=pid,hidepid=invisible proc ${root}/proc
      for name in null zero random urandom; do mount --bind /dev/$name ${root}/dev/$name; done
      exec chroot ${root} "$@"`;
    for (const name of ["null", "zero", "random", "urandom"]) {
      Deno.writeTextFileSync(`${root}/dev/${name}`, "", { append: true });
    }
    // Outside of the unit's folders, as systemd's own is.
    const manager = new Datagrams(`${root}/notify`);
    Deno.chmodSync(`${root}/notify`, 0o777);
    const child = new Deno.Command("ip", {
      args: [
        ...["netns", "exec", namespace, "unshare", "-m", "sh", "-ec", mounts, "sh"],
        ...["setpriv", `--reuid=${user}`, `--regid=${one("Group")}`, "--init-groups"],
        ...[`--inh-caps=-all,${capabilities}`, `--ambient-caps=-all,${capabilities}`],
        ...[`--bounding-set=-all,${capabilities}`, "--no-new-privs"],
        ...["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET=/notify"],
        ...[`WATCHDOG_USEC=${Number(one("WatchdogSec")) * 1e6}`, "DENO_DIR=/dev/null"],
        ...["/usr/lib/portsentry/portsentry", "run", "--quiet", "--no-config", "-A", "/seccomp.js"],
        ...one("ExecStart").split(" "),
      ],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
    const service = new Service(debian, child, manager);
    try {
      await manager.until(/^READY=1\nSTATUS=Watching \d+ TCP/);
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
    return service;
  }

  /** As systemd ends it. */
  async stop(): Promise<number> {
    this.child.kill("SIGTERM");
    return (await this.child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.child.status;
    this.manager[Symbol.dispose]();
  }
}

/** Takes all system calls but CALLS from this thread, and becomes the command in the arguments. */
const SECCOMP = `
const path = \`/usr/lib/\${Deno.build.arch}-linux-gnu/libseccomp.so.2\`;
const { symbols: seccomp } = Deno.dlopen(path, {
  seccomp_init: { parameters: ["u32"], result: "usize" },
  seccomp_syscall_resolve_name: { parameters: ["buffer"], result: "i32" },
  seccomp_rule_add: { parameters: ["usize", "u32", "i32", "u32"], result: "i32" },
  seccomp_load: { parameters: ["usize"], result: "i32" },
});
const { symbols: libc } = Deno.dlopen(\`/lib/\${Deno.build.arch}-linux-gnu/libc.so.6\`, {
  execv: { parameters: ["buffer", "buffer"], result: "i32" },
});
const cString = (text) => new TextEncoder().encode(text + "\\0");
const pointer = (bytes) => Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
const words = Deno.args.map(cString);
const list = new BigUint64Array([...words.map(pointer), 0n]);
const EPERM = 0x00050001, ALLOW = 0x7fff0000; // <seccomp.h>
const filter = seccomp.seccomp_init(EPERM);
for (const name of CALLS) {
  const number = seccomp.seccomp_syscall_resolve_name(cString(name));
  if (number >= 0) seccomp.seccomp_rule_add(filter, ALLOW, number, 0);
}
if (seccomp.seccomp_load(filter) !== 0) throw new Error("no filter");
libc.execv(words[0], list);
throw new Error("not run");
`;
