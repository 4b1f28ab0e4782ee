/** NOTIFY_URL: what a real server gets when a real host is scanned, and what one that is ill does. */
import assert from "node:assert/strict";
import { ethernet, ipv4, tcp } from "../frames.ts";
import { validNotification } from "../notify/notification_schema.ts";
import { makeBundle } from "./bundle.ts";
import { HookProcess } from "./hook_process.ts";
import { Network, run, SCANNER, WATCHED, words } from "./network.ts";
import { Program, type ProgramOptions } from "./program.ts";

/** Where the server listens: beside the scanner, which is blocked. */
const SERVER = "192.0.2.53";
const PORT = 8080;
const BLOCKING = `TCP_PORTS="1-1024"\nBLOCK_TCP="1"\nFIREWALL="nftables"\n` +
  `CONTROL_SOCKET="FOLDER/control.sock"\nSTATE_FILE="FOLDER/state.db"\n`;

/** The server on the scanning host. */
function startServer(network: Network, args: string[] = []): Promise<HookProcess> {
  return HookProcess.start(network.scanner, SERVER, String(PORT), ...args);
}

/** A lone SYN to port 23 that says it is from `source`. */
function syn(source: string): Uint8Array {
  return ethernet(ipv4(tcp({ port: 23 }), { source: source.split(".").map(Number) }));
}

async function hosts(): Promise<Network> {
  const network = await Network.create();
  await network.onScanner(`ip addr add ${SERVER}/24 dev eth0`);
  return network;
}

function options(network: Network, config: string): ProgramOptions {
  return {
    config,
    namespace: network.watched,
    permissions: [`--allow-net=${SERVER}:${PORT}`],
  };
}

function urlOf(path: string, scheme = "http"): string {
  return `NOTIFY_URL="${scheme}://${SERVER}:${PORT}${path}"\n`;
}

Deno.test("NOTIFY_URL is told of the first block of a host, and not of the next one in the window", async () => {
  await using network = await hosts();
  await using server = await startServer(network);
  await using program = await Program.start(options(network, BLOCKING + urlOf("/ok?hush")));
  await network.nmap(`-sS -p 20-29 ${WATCHED.ipv4}`);
  await program.until(() => /blocked via nftables/.test(program.stdout), "the host is blocked");
  await server.until(() => server.received.length === 1, "it is told");
  const [{ headers, body }] = server.received;
  assert.equal(headers["content-type"], "application/json");
  const told = validNotification(body);
  assert.equal(told.kind, "block");
  assert.deepEqual(told.source, { ip: SCANNER.ipv4 });
  assert.equal(told.probe.destination, WATCHED.ipv4);
  assert.ok(told.probe.port >= 20 && told.probe.port <= 29);
  assert.equal(told.block.host, SCANNER.ipv4);
  assert.equal(Date.parse(told.block.until) - Date.parse(told.block.since), 3_600_000);
  // It comes back, and is blocked once more.
  await program.command("unblock", "--all");
  await network.nmap(`-sS -p 80-89 ${WATCHED.ipv4}`);
  await program.until(
    () => [...program.stdout.matchAll(/blocked via nftables/g)].length === 2,
    "it is blocked again",
  );
  const status = await program.command("status");
  assert.match(
    status.stdout,
    new RegExp(`^notifying +json to ${SERVER}:${PORT}, unencrypted$`, "m"),
  );
  assert.match(status.stdout, /^notifications sent +1$/m);
  assert.equal(await program.stop(), 0);
  assert.equal(server.received.length, 1);
  const said = program.stdout + program.stderr + status.stdout;
  assert.doesNotMatch(said, /hush/);
  assert.match(program.stderr, /^\S+:\d+: NOTIFY_URL: everybody on the way to .*\n$/);
});

Deno.test("a server that is down is told when it is up", async () => {
  await using network = await hosts();
  await using program = await Program.start(options(network, BLOCKING + urlOf("/ok")));
  await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
  await program.until(
    () => /NOTIFY_URL: 192\.0\.2\.53:8080: .*refused.*: it is tried again/i.test(program.stderr),
    "the failure is told",
  );
  await using server = await startServer(network);
  await server.until(() => server.received.length === 1, "it is told");
  await program.until(() => /takes notifications again/.test(program.stdout), "that is told, too");
  assert.equal(await program.stop(), 0);
});

Deno.test("a server that hangs holds up neither events nor the end of the program", async () => {
  await using network = await hosts();
  await using server = await startServer(network);
  await using program = await Program.start(options(network, BLOCKING + urlOf("/hang")));
  await network.inject([syn("192.0.2.77")]);
  await server.until(() => server.received.length === 1, "it hangs");
  // Blocks for 200 sources more: each is an event and a block at once.
  await network.inject(Array.from({ length: 200 }, (_, i) => syn(`10.9.0.${i}`)));
  await program.until(
    () => [...program.stdout.matchAll(/blocked via nftables/g)].length === 201,
    "all are blocked",
  );
  assert.equal(server.received.length, 1);
  const startMs = performance.now();
  assert.equal(await program.stop(), 0);
  assert.ok(performance.now() - startMs < 2000, `${performance.now() - startMs} ms`);
  // Ten of the minute, and the sum of the others.
  assert.match(program.stderr, /^11 notifications were lost$/m);
});

Deno.test("a flood of 10,000 sources is a few notifications", async () => {
  await using network = await hosts();
  await using server = await startServer(network);
  await using program = await Program.start({
    ...options(network, BLOCKING + urlOf("/ok") + 'NOTIFY_FORMAT="slack"\nBLOCK_MAX="20000"'),
  });
  for (let batch = 0; batch < 20; batch++) {
    await network.inject(
      Array.from({ length: 500 }, (_, i) => syn(`10.${batch}.${i >> 8}.${i & 255}`)),
    );
  }
  const blocked = () => [...program.stdout.matchAll(/blocked via nftables/g)].length;
  await program.until(() => blocked() === 10_000, "all are blocked", 60_000);
  assert.equal(await program.stop(), 0);
  const texts = server.received.map(({ body }) => JSON.parse(body).text);
  assert.ok(texts.length >= 11 && texts.length < 40, `${texts.length}`);
  const sums = texts.flatMap((text) => [...text.matchAll(/: and \d+ more: (\d+) hosts? blocked/g)]);
  const told = texts.filter((text) => text.includes("has been blocked")).length +
    sums.reduce((sum, [, more]) => sum + Number(more), 0);
  assert.equal(told, 10_000);
});

Deno.test("the host of NOTIFY_URL is never acted on, whoever forges its address", async () => {
  await using network = await hosts();
  await using server = await startServer(network);
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  try {
    Deno.writeTextFileSync(`${folder}/hosts`, `${SERVER} hook.example\n192.0.2.54 hook.example\n`);
    await using program = await Program.start({
      ...options(network, `${BLOCKING}NOTIFY_URL="http://hook.example:${PORT}/ok"`),
      permissions: [`--allow-net=hook.example:${PORT}`],
      wrapper: ["sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', `${folder}/hosts`],
    });
    // The name is looked up beside the start.
    await program.until(() => program.stdout.includes("now active"), "it is active");
    for (let tries = 0; !/192\.0\.2\.53 is notified/.test(program.stdout) && tries < 50; tries++) {
      await network.inject([syn(SERVER), syn("192.0.2.54")]);
      await program.command("unblock", "--all");
      await new Promise((resolve) => setTimeout(resolve, 1100));
    }
    assert.match(program.stdout, /192\.0\.2\.53 is notified by this host, aborting actions/);
    await network.inject([syn("192.0.2.54"), syn(SCANNER.ipv4)]);
    await program.until(() => /192\.0\.2\.9 has been blocked/.test(program.stdout), "blocked");
    await server.until(
      () => server.received.some(({ body }) => body.includes("Blocked 192.0.2.9")),
      "it is told",
    );
    const { stdout } = await program.command("blocked");
    assert.doesNotMatch(stdout, /192\.0\.2\.5[34]/);
    assert.equal(await program.stop(), 0);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("another user than root can notify, when all else was given up", async () => {
  using bundle = await makeBundle();
  await using network = await hosts();
  await using server = await startServer(network);
  await using program = await Program.start({
    ...options(
      network,
      `TCP_PORTS="1-1024"\nBLOCK_TCP="1"\nFIREWALL="nftables"\nRUN_AS="nobody"\n` +
        `CONTROL_SOCKET="FOLDER/run/c.sock"\nSTATE_FILE="FOLDER/state/s.db"\n${urlOf("/ok")}`,
    ),
    bundle,
  });
  assert.match(Deno.readTextFileSync(`/proc/${program.child.pid}/status`), /^Uid:\t65534\t/m);
  await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
  await server.until(() => server.received.length === 1, "it is told");
  assert.equal(await program.stop(), 0);
});

Deno.test("a scan that is only logged is told of when it is over, and the next one in the window is not", async () => {
  await using network = await hosts();
  await using server = await startServer(network);
  await using program = await Program.start(
    options(network, `TCP_PORTS="1-1024"\nSCAN_WINDOW="1s"\n${urlOf("/ok")}`),
  );
  const summaries = () => [...program.stdout.matchAll(/^Scan summary: /gm)].length;
  await network.nmap(`-sS -p 20-29 ${WATCHED.ipv4}`);
  await program.until(() => summaries() === 1, "the first is over");
  await network.nmap(`-sS -p 30-39 ${WATCHED.ipv4}`);
  await program.until(() => summaries() === 2, "the second is over");
  await network.inject([syn("10.0.0.1")]); // a lone probe is no scan
  await program.events(21);
  assert.equal(await program.stop(), 0);
  assert.equal(server.received.length, 1);
  const { kind, scan } = validNotification(server.received[0].body);
  assert.deepEqual([kind, scan.kind, scan.source, scan.ports], [
    "scan",
    "vertical",
    SCANNER.ipv4,
    10,
  ]);
  assert.equal(scan.tool, "nmap SYN");
  assert.match(program.stderr, /^\S+: NOTIFY_URL: everybody on the way to .*\n$/);
});

Deno.test("DRY_RUN notifies that it would block", async () => {
  await using network = await hosts();
  await using server = await startServer(network);
  const config = `${BLOCKING}DRY_RUN="1"\n${urlOf("/ok")}NOTIFY_FORMAT="ntfy"`;
  await using program = await Program.start(options(network, config));
  await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
  await server.until(() => server.received.length === 1, "it is told");
  const [{ headers, body }] = server.received;
  assert.match(headers.title, /: Would block 192\.0\.2\.9$/);
  assert.match(
    body,
    /^192\.0\.2\.9 would be blocked after a probe of TCP port 23: DRY_RUN is set$/,
  );
  assert.equal(await program.stop(), 0);
});

Deno.test("a command that blocks is notified of as well", async () => {
  await using network = await hosts();
  await using server = await startServer(network);
  const { permissions, ...rest } = options(
    network,
    `TCP_PORTS="1-1024"\nBLOCK_TCP="1"\nKILL_ROUTE="true $TARGET$"\n${urlOf("/ok")}`,
  );
  await using program = await Program.start({
    ...rest,
    permissions: [...permissions!, "--allow-run=/bin/sh"],
  });
  await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
  await server.until(() => server.received.length === 1, "it is told");
  const { kind, block } = validNotification(server.received[0].body);
  assert.deepEqual([kind, block], ["block", undefined]);
  assert.equal(await program.stop(), 0);
});

Deno.test("a reload changes path and format, and refuses a host that was not named at the start", async () => {
  await using network = await hosts();
  await using server = await startServer(network);
  await using program = await Program.start(options(network, BLOCKING + urlOf("/status/404")));
  await network.inject([syn("10.0.0.1")]);
  await program.until(
    () => /8080: it answers with status 404: this notification is not/.test(program.stderr),
    "the refusal is told",
  );
  await program.until(
    () => /^1 notifications were lost$/m.test(program.stderr),
    "the loss is told",
  );
  const file = `${program.folder}/portsentry.conf`;
  const config = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(file, config.replace(/^NOTIFY_URL.*$/m, urlOf("/ok")));
  assert.equal((await program.command("reload")).code, 0);
  await network.inject([syn("10.0.0.2")]);
  await server.until(() => server.received.length === 2, "the new path is told");
  assert.equal(server.received[1].path, "/ok");
  Deno.writeTextFileSync(
    file,
    config.replace(/^NOTIFY_URL.*$/m, 'NOTIFY_URL="https://192.0.2.54/hush"'),
  );
  const { code, stdout } = await program.command("reload");
  assert.equal(code, 1);
  assert.match(stdout, /NOTIFY_URL needs a Deno permission .* --allow-net=192\.0\.2\.54:443$/m);
  assert.doesNotMatch(stdout, /hush/);
  assert.equal(await program.stop(), 0);
});

Deno.test("what a reload without NOTIFY_URL gives up is told as lost", async () => {
  await using network = await hosts();
  await using server = await startServer(network);
  await using program = await Program.start(options(network, BLOCKING + urlOf("/status/503")));
  await network.inject([syn("10.0.0.1")]);
  await server.until(() => server.received.length === 1, "the server is asked");
  const file = `${program.folder}/portsentry.conf`;
  const config = Deno.readTextFileSync(file);
  Deno.writeTextFileSync(file, config.replace(/^NOTIFY_.*$/gm, ""));
  assert.equal((await program.command("reload")).code, 0);
  const told = () => /^1 notifications were lost$/m.test(program.stderr);
  await program.until(told, "the loss is told");
  assert.equal(await program.stop(), 0);
});

Deno.test("https asks for a certificate that it trusts", async () => {
  await using network = await hosts();
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  try {
    const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
    await run([
      ...words("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"),
      ...words(`-subj /CN=hook -addext subjectAltName=IP:${SERVER} -keyout ${key} -out ${cert}`),
      ...words("-addext basicConstraints=critical,CA:FALSE"),
    ]);
    await using server = await startServer(network, [cert, key]);
    await using wary = await Program.start(options(network, BLOCKING + urlOf("/ok", "https")));
    await network.inject([syn("10.0.0.1")]);
    await wary.until(() => /NOTIFY_URL: .*certificate/i.test(wary.stderr), "it is not trusted");
    assert.equal(await wary.stop(), 0);
    assert.equal(server.received.length, 0);
    await using program = await Program.start({
      ...options(network, BLOCKING + urlOf("/ok", "https")),
      env: { DENO_CERT: cert },
    });
    await network.inject([syn("10.0.0.2")]);
    await server.until(() => server.received.length === 1, "it is told");
    assert.equal(await program.stop(), 0);
    assert.equal(program.stderr, "");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a name that nobody knows is told without what may be secret", async () => {
  await using network = await hosts();
  await using program = await Program.start({
    ...options(network, `${BLOCKING}NOTIFY_URL="https://nobody.invalid/hush"`),
    permissions: ["--allow-net=nobody.invalid:443"],
  });
  await network.inject([syn("10.0.0.1")]);
  await program.until(
    () => /NOTIFY_URL: nobody\.invalid:443: /.test(program.stderr),
    "it is told",
    20_000,
  );
  assert.equal(await program.stop(), 0);
  assert.doesNotMatch(program.stderr, /hush/);
  assert.match(
    program.stderr,
    /NOTIFY_URL: nobody\.invalid:443: (dns error: .*|it does not answer in time)/,
  );
});

Deno.test("NOTIFY_URL without its Deno permission is refused, and the flag named", async () => {
  await using program = Program.spawn({
    config: 'TCP_PORTS="1-10"\nNOTIFY_URL="https://hooks.example/hush"',
    args: ["-i", "lo"],
  });
  assert.equal(await program.ended(), 1);
  assert.match(
    program.stderr,
    /portsentry\.conf: NOTIFY_URL needs a Deno permission that this run lacks: --allow-net=hooks\.example:443\n$/,
  );
});
