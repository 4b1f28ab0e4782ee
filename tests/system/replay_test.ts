/** `portsentry replay`: the same of a capture as was told when it happened, and nothing else. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { LinkType } from "../../src/packet/decode.ts";
import { bytes, ethernet, icmp, ipv4, ipv6, tcp, udp } from "../frames.ts";
import { validLine } from "../log/events_schema.ts";
import { Blocks, pcap } from "../savefiles.ts";
import { Network, run, SCANNER, WATCHED, words } from "./network.ts";
import { BUILT, eventLine, Program, programCommand } from "./program.ts";

const CONFIG = 'TCP_PORTS="1-1024"\nUDP_PORTS="9,53"\n';
const ROOT_CONFIG = new URL("../../deno.json", import.meta.url);
const WAIT_MS = 20_000;

/** A folder with a configuration and a capture, which is gone after `using`. */
class Capture implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });

  constructor(content: Uint8Array, config = CONFIG) {
    Deno.writeTextFileSync(this.conf, config.replaceAll("FOLDER", this.folder));
    Deno.writeFileSync(this.file, content);
  }

  get conf(): string {
    return `${this.folder}/portsentry.conf`;
  }

  get file(): string {
    return `${this.folder}/capture`;
  }

  /** What replays it. */
  command(...args: string[]): string[] {
    return [...programCommand(this.folder), "replay", "-c", this.conf, ...args];
  }

  replay(...args: string[]) {
    return run(this.command(...args, this.file), { mayFail: true });
  }

  spawn(...args: string[]): Deno.ChildProcess {
    const [command, ...rest] = this.command(...args);
    const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    return new Deno.Command(command, { args: rest, ...pipes }).spawn();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Lines without the time that each begins with. */
function withoutTimes(text: string): string[] {
  return text.split("\n").slice(0, -1).map((line) => {
    assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4} /);
    return line.slice(line.indexOf(" ") + 1);
  });
}

/** A summary as it is told whatever clock the kernel gave to which capture. */
function withoutClock(line: string): string {
  return line.replace(/ first: .* a second\]/, "");
}

/** Probes of one port after the other, a second apart. */
function scan(ports: number): Uint8Array<ArrayBuffer> {
  return pcap(Array.from({ length: ports }, (_, i) => ({
    bytes: ethernet(ipv4(tcp({ port: 1 + i % 1000 }))),
    seconds: 1_795_371_674 + i,
  })));
}

/**
 * Captures what comes to the watched host; the file is whole when it is stopped. Short frames make room
 * for many: none is lost.
 */
async function tcpdump(network: Network, file: string): Promise<() => Promise<void>> {
  const child = new Deno.Command("ip", {
    args: words(
      `netns exec ${network.watched} tcpdump -i eth0 --immediate-mode -s 200 -U -Z root -w ${file}`,
    ),
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let said = "";
  const decoder = new TextDecoder();
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const chunk of child.stderr) {
      said += decoder.decode(chunk);
      if (said.includes("listening on")) resolve();
    }
  })();
  await Promise.race([
    listening,
    child.status.then(() => assert.fail(`tcpdump has ended: ${said}`)),
  ]);
  return async () => {
    child.kill("SIGINT");
    await child.status;
    await reading;
  };
}

Deno.test("replay tells of a capture of nmap's scans what the watch told of them", async () => {
  await using network = await Network.create();
  await using program = await Program.start({ config: CONFIG, namespace: network.watched });
  const file = `${program.folder}/capture.pcap`;
  const stop = await tcpdump(network, file);
  await network.nmap(`-sS -p 1-200,2000 ${WATCHED.ipv4}`);
  await network.nmap(`-sN -p 23 ${WATCHED.ipv4}`);
  await network.nmap(`-sX -p 23 ${WATCHED.ipv4}`);
  await network.nmap(`-sU -p 9,10,53 ${WATCHED.ipv4}`);
  await network.nmap(`-6 -sT -p 23,24 ${WATCHED.ipv6}`);
  await program.events(206);
  await stop();
  await program.stop();
  const told = program.stdout.split("\n").filter((line) => line.startsWith("Scan "))
    .map(withoutClock);
  assert.ok(told.some((line) => line.startsWith("Scan summary: ")), program.stdout);
  const own = ["--to", WATCHED.ipv4, "--to", `${WATCHED.ipv6}/128`];
  const { code, stdout, stderr } = await program.command("replay", ...own, file);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.deepEqual(withoutTimes(stdout).map(withoutClock), told);
  // Nothing in this capture went from the watched host to a watched port of another.
  assert.equal((await program.command("replay", file)).stdout, stdout);
  const other = await program.command("replay", "--to", SCANNER.ipv4, file);
  assert.deepEqual(other, { code: 0, stdout: "", stderr: "" });
});

Deno.test("replay tells the same of a capture however it is packed", async () => {
  const frames = [23, 80].map((port, i) => ({
    bytes: ethernet(ipv4(tcp({ port }))),
    seconds: 1_795_371_674,
    fraction: 160_000 + i * 1000,
  }));
  const { stdout: plain } = await using(pcap(frames), (capture) => capture.replay());
  assert.deepEqual(
    withoutTimes(plain),
    [23, 80].map((port) => eventLine({ source: SCANNER.ipv4, port })),
  );
  const nano = frames.map((frame) => ({ ...frame, fraction: frame.fraction * 1000 }));
  const blocks = new Blocks(false);
  const ng = bytes(
    blocks.section(),
    blocks.interface(LinkType.Raw),
    blocks.interface(LinkType.Ethernet),
    ...frames.map(({ bytes, seconds, fraction }) =>
      blocks.enhanced(bytes, { origin: 1, ticks: BigInt(seconds * 1e6 + fraction) })
    ),
  );
  const forms = [pcap(nano, { nano: true }), pcap(frames, { little: false }), ng];
  for (const form of [...forms, ...forms.map((form) => bytes(gzipSync(form)))]) {
    using capture = new Capture(form);
    assert.deepEqual(await capture.replay(), { code: 0, stdout: plain, stderr: "" });
    const child = capture.spawn("-");
    const writer = child.stdin.getWriter();
    await writer.write(form);
    await writer.close();
    const { code, stdout } = await child.output();
    assert.deepEqual([code, new TextDecoder().decode(stdout)], [0, plain]);
  }
});

Deno.test("replay reads the time and the packets of pcapng as tcpdump does", async () => {
  for (const little of [true, false]) {
    const blocks = new Blocks(little);
    using capture = new Capture(bytes(
      blocks.section(),
      blocks.interface(LinkType.Ethernet, { resolution: 9, offset: 100n }),
      blocks.enhanced(ethernet(ipv4(tcp())), { ticks: 1_795_371_574_160_999_999n, comment: "x" }),
      blocks.block(5, new Uint8Array(20)),
      blocks.section(),
      blocks.interface(LinkType.Ethernet),
      blocks.enhanced(ethernet(ipv6(udp({ port: 53 }), { nextHeader: 17 }), 0x86dd), {
        ticks: 1_795_371_674_260_123n,
      }),
    ));
    Deno.chmodSync(capture.folder, 0o755); // tcpdump becomes another user
    const dump = await run(["tcpdump", "-n", "-tt", "-r", capture.file]);
    const seen = [...dump.stdout.matchAll(/^(\d+\.\d{3})\d+ IP6? (\S+)\.40000 > \S+\.(\d+): /gm)]
      .map(([, time, source, port]) => [time, source, port]);
    assert.equal(seen.length, 2, dump.stdout);
    const { stdout } = await capture.replay("--json");
    const lines = stdout.split("\n").slice(0, -1);
    for (const line of lines) validLine(line);
    const told = lines.map((line) => JSON.parse(line)).map((event) => [
      (Date.parse(event["@timestamp"]) / 1000).toFixed(3),
      event.source.ip,
      String(event.destination.port),
    ]);
    assert.deepEqual(told, seen);
  }
});

Deno.test("replay of what is cut short tells all that is whole, and where it ends", async () => {
  const file = scan(3);
  using capture = new Capture(file.subarray(0, file.length - 1));
  const { code, stdout, stderr } = await capture.replay();
  assert.equal(code, 1);
  assert.deepEqual(
    withoutTimes(stdout),
    [1, 2].map((port) => eventLine({ source: SCANNER.ipv4, port })),
  );
  const third = 24 + 2 * (16 + 54);
  assert.equal(
    stderr,
    `${capture.file}: It is cut short: what begins at byte ${third} is not all there\n`,
  );
});

Deno.test("replay says what it cannot read, with exit status 1", async () => {
  const wireless = pcap([{ bytes: ethernet(ipv4(tcp())) }], { linkType: 105 });
  for (
    const [content, fault] of [
      [wireless, "1 packets were passed over, whose link type is not known: 105"],
      [new TextEncoder().encode("TCP_PORTS"), "It is no capture file: neither pcap nor pcapng"],
      [new Uint8Array(), "It is empty"],
    ] as const
  ) {
    using capture = new Capture(content);
    const { code, stdout, stderr } = await capture.replay();
    assert.deepEqual([code, stdout, stderr], [1, "", `${capture.file}: ${fault}\n`]);
  }
  using faulty = new Capture(scan(1), 'TCP_PORTS="0"');
  const { code, stderr } = await faulty.replay();
  assert.equal(code, 1);
  assert.match(stderr, /portsentry\.conf:1: TCP_PORTS/);
  using capture = new Capture(scan(1));
  const missing = await run(capture.command(`${capture.folder}/none`), { mayFail: true });
  assert.match(missing.stderr, /none: Cannot read the file: there is no such file\n$/);
  const folder = await run(capture.command(capture.folder), { mayFail: true });
  assert.match(folder.stderr, /: Cannot read on: it is a directory\n$/);
});

Deno.test("replay writes nothing and blocks nobody, whatever the configuration says", async () => {
  using capture = new Capture(
    scan(2),
    `${CONFIG}BLOCK_TCP="1"\nKILL_ROUTE="touch FOLDER/$TARGET$"\nKILL_HOSTS_DENY="ALL: $TARGET$"\n` +
      'FIREWALL="nftables"\nHISTORY_FILE="FOLDER/history"\nBLOCKED_FILE="FOLDER/blocked"\n' +
      'STATE_FILE="FOLDER/state"\nCONTROL_SOCKET="FOLDER/socket"\nRESOLVE_HOST="1"\n',
  );
  const { code, stdout, stderr } = await capture.replay();
  assert.deepEqual([code, stderr], [0, ""]);
  const flags = ["false", "true", "false", "false"];
  assert.deepEqual(
    withoutTimes(stdout),
    [1, 2].map((port) => eventLine({ source: SCANNER.ipv4, port, flags })),
  );
  const left = [...Deno.readDirSync(capture.folder)].map(({ name }) => name);
  assert.deepEqual(left.sort(), ["capture", "portsentry.conf"]);
});

Deno.test("replay tells of a capture that is still being written, and ends by a signal", async () => {
  using capture = new Capture(new Uint8Array());
  const child = capture.spawn("-v", "-");
  const writer = child.stdin.getWriter();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const until = async (lines: number) => {
    while (text.split("\n").length <= lines) text += (await reader.read()).value ?? "\n";
  };
  const file = scan(2);
  const half = 24 + 16 + 54 + 7;
  await writer.write(file.slice(0, half));
  await until(1);
  await writer.write(file.slice(half));
  await until(2);
  child.kill("SIGINT");
  await until(4);
  assert.deepEqual(withoutTimes(text).map(withoutClock), [
    ...[1, 2].map((port) => eventLine({ source: SCANNER.ipv4, port })),
    `Scan summary: from: [${SCANNER.ipv4}] kind: [probe] tool: [unknown] packets: [2] ports: [2] ` +
    "targets: [1] blocked: [false] sample: [tcp/1,tcp/2]",
    "2 packets, 2 events",
  ]);
  assert.equal((await child.status).code, 0);
  await reader.cancel();
  await child.stderr.cancel();
  await writer.abort().catch(() => {});
});

Deno.test("replay ends quietly when nobody reads on", async () => {
  using capture = new Capture(scan(20_000));
  const child = capture.spawn(capture.file);
  await child.stdin.close();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const said = await new Response(child.stderr).text();
  assert.deepEqual([(await child.status).code, said], [0, ""]);
});

Deno.test("replay waits for a slow reader in little memory, and ends by a signal all the same", async () => {
  const [header, records] = [scan(0), scan(1000).subarray(24)];
  using capture = new Capture(header);
  for (let i = 0; i < 300; i++) Deno.writeFileSync(capture.file, records, { append: true });
  const child = capture.spawn(capture.file);
  await child.stdin.close();
  const status = () => Deno.readTextFileSync(`/proc/${child.pid}/stat`).split(") ")[1].split(" ");
  // Until it does nothing any more.
  const deadline = performance.now() + WAIT_MS;
  for (let before = -1, cpu = 0; before !== cpu || cpu < 10;) {
    assert.ok(performance.now() < deadline, "it waits");
    before = cpu;
    await new Promise((resolve) => setTimeout(resolve, 300));
    cpu = Number(status()[11]) + Number(status()[12]);
  }
  const memory = Deno.readTextFileSync(`/proc/${child.pid}/status`);
  const peakMiB = Number(/VmHWM:\s+(\d+)/.exec(memory)?.[1]) / 1024;
  assert.ok(peakMiB < 150, `${peakMiB} MiB`); // its lines are 57 MiB
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 0);
  await child.stdout.cancel();
  await child.stderr.cancel();
});

if (BUILT === undefined) {
  Deno.test("replay holds no permission while it reads", async () => {
    using capture = new Capture(new Uint8Array());
    const module = new URL("../../src/replay_command.ts", import.meta.url);
    const script = `
      import { replayFile } from "${module}";
      const options = { json: false, to: [], disableLocalCheck: false, verbose: false };
      replayFile({ ...options, configFile: "${capture.conf}", file: "-" });
      const names = ["read", "write", "net", "run", "env", "sys", "ffi", "import"];
      const states = names.map((name) => Deno.permissions.querySync({ name }).state);
      console.log(states.join(" "));
      Deno.exit();
    `;
    Deno.writeTextFileSync(`${capture.folder}/script.ts`, script);
    const { stdout } = await run([
      ...[Deno.execPath(), "run", "-A", "--config", fileURLToPath(ROOT_CONFIG)],
      `${capture.folder}/script.ts`,
    ]);
    assert.equal(stdout, `${Array(8).fill("prompt").join(" ")}\n`);
  });

  Deno.test("the command of docs/locked-down.md replays, and asks for nothing more", async () => {
    using capture = new Capture(scan(1));
    const root = new URL("../../", import.meta.url);
    const document = Deno.readTextFileSync(new URL("docs/locked-down.md", root));
    const [, command] = /`deno (run [^`]* replay [^`]*)`/.exec(document)!;
    const args = command.replaceAll("my.conf", capture.conf).replaceAll("my.pcap", capture.file)
      .replace("mod.ts", fileURLToPath(new URL("mod.ts", root)));
    const { stdout, stderr } = await run([Deno.execPath(), ...words(args)]);
    assert.deepEqual(withoutTimes(stdout), [eventLine({ source: SCANNER.ipv4, port: 1 })]);
    assert.equal(stderr, "");
  });

  Deno.test("tools/portsentry may read the file that replay names", async () => {
    using capture = new Capture(scan(1));
    const launcher = fileURLToPath(new URL("../../tools/portsentry", import.meta.url));
    const { stdout } = await run([launcher, "replay", "-c", capture.conf, capture.file]);
    assert.deepEqual(withoutTimes(stdout), [eventLine({ source: SCANNER.ipv4, port: 1 })]);
  });
}

async function using<T>(content: Uint8Array, use: (capture: Capture) => Promise<T>): Promise<T> {
  using capture = new Capture(content);
  return await use(capture);
}

Deno.test('replay with DETECT="extended" tells pings, once for a while, and no segments with ACK', async () => {
  const ping = ethernet(ipv4(icmp(), { protocol: 1 }));
  const frames = [
    { bytes: ping, seconds: 1_795_371_674 },
    { bytes: ping, seconds: 1_795_371_700 },
    { bytes: ethernet(ipv4(tcp({ flags: 0x10 }))), seconds: 1_795_371_701 },
    { bytes: ping, seconds: 1_795_372_701 },
  ];
  using classic = new Capture(pcap(frames));
  assert.deepEqual(withoutTimes((await classic.replay()).stdout), []);
  using capture = new Capture(pcap(frames), `${CONFIG}DETECT="extended"\n`);
  const flags = ["false", "false", "unset", "unset"];
  const type = "ICMP echo request";
  const line = eventLine({ source: SCANNER.ipv4, protocol: "ICMP", port: 0, type, flags });
  const told = withoutTimes((await capture.replay()).stdout);
  assert.deepEqual(told.filter((one) => one.startsWith("Scan from")), [line, line]);
});
