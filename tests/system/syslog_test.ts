import assert from "node:assert/strict";
import { syslogDatagram, SyslogOutput } from "../../src/log/syslog.ts";
import { Network, SCANNER, WATCHED } from "./network.ts";
import { eventLine, Program } from "./program.ts";

Deno.test("syslogDatagram() writes priority, local time, tag and process id as syslog(3) does", () => {
  const time = new Date(2026, 10, 2, 8, 21, 4).getTime();
  const text = (level: "error" | "notice" | "verbose" | "debug") =>
    new TextDecoder().decode(syslogDatagram("hello", level, 7, time));
  assert.equal(text("notice"), "<29>Nov  2 08:21:04 portsentry[7]: hello");
  assert.match(text("error"), /^<27>/);
  assert.match(text("verbose"), /^<30>/);
  assert.match(text("debug"), /^<31>/);
});

Deno.test("SyslogOutput keeps lines while there is no logger, and sends them when there is", async () => {
  const folder = Deno.makeTempDirSync();
  const output = new SyslogOutput(`${folder}/log`);
  output.line("early", "notice");
  assert.match(output.state.failure ?? "", /No such file/);
  await using logger = await Logger.start(folder);
  await logger.until(/portsentry\[\d+\]: early$/m);
  assert.equal(output.state.failure, undefined);
  await output.close();
  assert.equal(output.state.lost, 0);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("-l syslog and both outputs, with a real rsyslogd that is restarted in between", async (test) => {
  await using network = await Network.create();
  for (const args of [["-l", "syslog"], ["-l", "stdout", "-l", "syslog"]]) {
    await test.step(args.join(" "), async () => {
      const folder = Deno.makeTempDirSync();
      let logger = await Logger.start(folder);
      await using program = Program.spawn({
        config: 'TCP_PORTS="1-1024"',
        namespace: network.watched,
        args,
        wrapper: privateDevLog(folder),
      });
      await logger.until(
        /daemon\.notice portsentry\[\d+\]: Portsentry is now active and listening\.$/m,
      );
      await network.nmap(`-sS -p 1 ${WATCHED.ipv4}`);
      const line = (port: number) => eventLine({ source: SCANNER.ipv4, port });
      await logger.until(new RegExp(`: ${escape(line(1))}$`, "m"));
      await logger[Symbol.asyncDispose]();
      await network.nmap(`-sS -p 2 ${WATCHED.ipv4}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
      logger = await Logger.start(folder);
      await network.nmap(`-sS -p 3 ${WATCHED.ipv4}`);
      await logger.until(new RegExp(`${escape(line(2))}[^]*${escape(line(3))}`));
      assert.equal(await program.stop(), 0);
      await logger.until(/: Portsentry is shutting down$/m);
      assert.deepEqual(program.eventLines(), args.length > 2 ? [1, 2, 3].map(line) : []);
      await logger[Symbol.asyncDispose]();
      Deno.removeSync(folder, { recursive: true });
    });
  }
});

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** A command that gives a program a /dev whose log is the test's own. */
function privateDevLog(folder: string): string[] {
  const script = `
    mkdir ${folder}/dev && mount -t tmpfs dev ${folder}/dev
    for name in null zero full random urandom tty; do
      touch ${folder}/dev/$name && mount --bind /dev/$name ${folder}/dev/$name
    done
    ln -s ${folder}/log ${folder}/dev/log
    ln -s /proc/self/fd ${folder}/dev/fd
    mount --rbind ${folder}/dev /dev && exec "$@"`;
  return ["unshare", "-m", "sh", "-ec", script, "sh"];
}

/** Where tools/setup.sh unpacks Debian's packages. */
const DEBIAN = new URL("../../.tools/debian", import.meta.url).pathname;

/** A real rsyslogd on a socket of the test's own. */
class Logger implements AsyncDisposable {
  private constructor(readonly folder: string, readonly child: Deno.ChildProcess) {}

  static async start(folder: string): Promise<Logger> {
    Deno.writeTextFileSync(
      `${folder}/rsyslog.conf`,
      `module(load="imuxsock" SysSock.Use="off")
       input(type="imuxsock" Socket="${folder}/log" CreatePath="off" UsePIDFromSystem="off"
             RateLimit.Interval="0")
       template(name="plain" type="string"
                string="%syslogfacility-text%.%syslogseverity-text% %syslogtag%%msg%\\n")
       action(type="omfile" file="${folder}/messages" template="plain")`,
    );
    const libraries = `usr/lib/${Deno.build.arch}-linux-gnu`;
    const child = new Deno.Command(`${DEBIAN}/rsyslog/usr/sbin/rsyslogd`, {
      args: ["-n", "-f", `${folder}/rsyslog.conf`, "-i", `${folder}/pid`]
        .concat("-M", `${DEBIAN}/rsyslog/${libraries}/rsyslog`),
      env: {
        LD_LIBRARY_PATH: ["libestr0", "libfastjson4", "liblognorm5"]
          .map((name) => `${DEBIAN}/${name}/${libraries}`).join(":"),
      },
      stdin: "null",
    }).spawn();
    const logger = new Logger(folder, child);
    const deadline = performance.now() + 10_000;
    while (!isSocket(`${folder}/log`)) {
      assert.ok(performance.now() < deadline, "rsyslogd does not listen");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return logger;
  }

  async until(pattern: RegExp): Promise<void> {
    const deadline = performance.now() + 10_000;
    for (;;) {
      const text = readIfThere(`${this.folder}/messages`);
      if (pattern.test(text)) return;
      assert.ok(performance.now() < deadline, `no ${pattern} in:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGTERM");
    } catch {
      return; // it has ended already
    }
    await this.child.status;
  }
}

function isSocket(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSocket === true;
  } catch {
    return false;
  }
}

function readIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
