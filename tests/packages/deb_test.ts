import assert from "node:assert/strict";
import { Network, run, SCANNER, WATCHED } from "../system/network.ts";
import { eventLine } from "../system/program.ts";
import { ASKED, Debian, ROOT, Service } from "./debian.ts";

const HISTORY = "/var/log/portsentry/portsentry.log";
const CONFIG = "/etc/portsentry/portsentry.conf";
const PROGRAM = "/usr/lib/portsentry/portsentry";

/** Makes the package, quickly, and returns its file. */
async function makeDeb(): Promise<string> {
  const { stdout } = await run([`${ROOT}/tools/deb.sh`], { env: { COMPRESSION: "gzip -z1" } });
  return `${ROOT}/${stdout.split(":")[0]}`;
}

/** The same package, as a later version would be. */
async function laterDeb(file: string, folder: string): Promise<string> {
  const tree = `${folder}/later`;
  await run(["dpkg-deb", "-R", file, tree]);
  const control = Deno.readTextFileSync(`${tree}/DEBIAN/control`);
  Deno.writeTextFileSync(`${tree}/DEBIAN/control`, control.replace(/^(Version: .*)$/m, "$1+later"));
  Deno.writeTextFileSync(`${tree}${CONFIG}`, "# A line of the later version.\n", { append: true });
  await run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, `${folder}/later.deb`]);
  await run(["rm", "-rf", tree]);
  return `${folder}/later.deb`;
}

/** Processes of the installed program. */
function processes({ folder }: Debian): number[] {
  const { ino, dev } = Deno.statSync(folder + PROGRAM);
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      const exe = Deno.statSync(`/proc/${pid}/exe`);
      return pid > 0 && exe.ino === ino && exe.dev === dev;
    } catch {
      return false;
    }
  });
}

Deno.test("the .deb: installed, watching as its user, upgraded, removed, purged", {
  ignore: !ASKED,
}, async (test) => {
  await using network = await Network.create();
  await using debian = await Debian.create();
  const { watched } = network;
  const file = await makeDeb();

  await test.step("lintian finds no error", async () => {
    const { code, stdout } = await run(["lintian", "--allow-root", "--fail-on", "error", file], {
      mayFail: true,
    });
    assert.equal(code, 0, stdout);
  });

  await test.step("apt installs it with its dependencies, and nothing starts", async () => {
    const told = await debian.install(file);
    assert.match(told, /^Portsentry only logs until you choose otherwise/m);
    assert.deepEqual(processes(debian), []);
    const { stdout } = await debian.sh("portsentry -V; dpkg -V portsentry; id -un portsentry");
    assert.match(stdout, /^Portsentry \S+ \(packaged, Deno \S+\)\nportsentry\n$/);
    assert.ok(!(await debian.traces()).some((path) => path.startsWith("/etc/systemd")));
    // The completions and pages that it brings are where their programs look.
    for (
      const path of [
        "/usr/share/man/man8/portsentry.8.gz",
        "/usr/share/bash-completion/completions/portsentry",
        "/usr/share/zsh/vendor-completions/_portsentry",
        "/usr/share/fish/vendor_completions.d/portsentry.fish",
        "/etc/fail2ban/filter.d/portsentry.local",
        "/etc/logrotate.d/portsentry",
      ]
    ) assert.ok(Deno.statSync(debian.folder + path).isFile, path);
  });

  await test.step("as the unit runs it, it sees a real scan and can do no more than it must", async () => {
    await using service = await Service.start(debian, watched);
    const status = Deno.readTextFileSync(`/proc/${service.child.pid}/status`);
    const uid = (await debian.sh("id -u portsentry")).stdout.trim();
    assert.match(status, new RegExp(`^Uid:\t${uid}\t${uid}\t${uid}\t${uid}$`, "m"));
    for (const set of ["Prm", "Eff", "Bnd", "Amb"]) {
      assert.match(status, new RegExp(`^Cap${set}:\t0000000000003000$`, "m")); // NET_ADMIN, NET_RAW
    }
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
    await network.nmap(`-6 -sS -p 23 ${WATCHED.ipv6}`);
    const deadline = performance.now() + 10_000;
    while (debian.read(HISTORY).split("\n").length < 3 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const lines = debian.read(HISTORY).trimEnd().split("\n").map((line) => line.slice(29));
    assert.deepEqual(
      lines,
      [SCANNER.ipv4, SCANNER.ipv6].map((source) =>
        eventLine({
          source,
          port: 23,
          ...(source === SCANNER.ipv6 ? { options: "unknown" } : {}),
        })
      ),
    );
    // Scripts look for it where it always was.
    assert.equal((await debian.sh("cat /var/log/portsentry.log")).stdout, debian.read(HISTORY));
    service.child.kill("SIGHUP");
    await service.manager.until(/^RELOADING=1/);
    assert.equal(await service.stop(), 0);
    await service.manager.until(/^STOPPING=1/);
  });

  const edited = debian.read(CONFIG).replace(/^TCP_PORTS=.*$/m, 'TCP_PORTS="23"');
  await test.step("an upgrade keeps an edited configuration", async () => {
    Deno.writeTextFileSync(debian.folder + CONFIG, edited);
    const later = await laterDeb(file, debian.folder);
    await debian.install(later, "-o Dpkg::Options::=--force-confold");
    assert.match((await debian.sh("dpkg -s portsentry")).stdout, /^Version: .*\+later$/m);
    assert.equal(debian.read(CONFIG), edited);
    assert.match(debian.read(`${CONFIG}.dpkg-dist`), /later version/);
    Deno.removeSync(`${debian.folder}${later.slice(debian.folder.length)}`);
  });

  await test.step("a removal ends what runs and takes the table away, and keeps the settings", async () => {
    // In the background, as by hand.
    await debian.sh("portsentry -D -p /run/portsentry.pid", { namespace: watched });
    assert.equal(processes(debian).length, 1);
    await network.onWatched("nft add table inet portsentry");
    await network.onWatched("nft add table inet others");
    await debian.sh("apt-get remove -y portsentry", { namespace: watched });
    const tables = (await network.onWatched("nft list tables")).stdout;
    assert.equal(tables, "table inet others\n");
    const left = [...Deno.readDirSync("/proc")].filter(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/${name}/exe`).startsWith(debian.folder);
      } catch {
        return false;
      }
    });
    assert.deepEqual(left, []);
    assert.equal(debian.read(CONFIG), edited);
    assert.ok(debian.read(HISTORY).includes("port: [23]"));
  });

  await test.step("a purge leaves no file", async () => {
    await debian.sh("apt-get purge -y portsentry");
    assert.deepEqual(
      (await debian.traces()).filter((path) => !path.startsWith("/var/lib/dpkg/triggers")),
      [],
    );
    assert.equal((await debian.sh("id -un portsentry")).stdout, "portsentry\n");
  });
});

Deno.test("the .deb takes the place of portsentry 1.2 and keeps its configuration", {
  ignore: !ASKED,
}, async () => {
  await using debian = await Debian.create();
  await debian.sh("apt-get update -qq && apt-get install -y --no-install-recommends portsentry");
  const config = debian.read(CONFIG).replace(/^TCP_PORTS=.*$/m, 'TCP_PORTS="23,79"');
  Deno.writeTextFileSync(debian.folder + CONFIG, config);
  await debian.install(await makeDeb(), "-o Dpkg::Options::=--force-confold");
  assert.match((await debian.sh("portsentry -V")).stdout, /packaged/);
  assert.equal(debian.read(CONFIG), config);
  const scripts = (await debian.traces()).filter((path) =>
    /^\/etc\/(init\.d|ppp|rc\d\.d)\//.test(path)
  );
  assert.deepEqual(scripts, []);
  await debian.sh("apt-get purge -y portsentry && apt-get clean");
  assert.deepEqual((await debian.traces()).filter((path) => !path.startsWith("/var/lib/dpkg")), []);
});
