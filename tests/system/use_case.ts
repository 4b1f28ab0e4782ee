/**
 * A page of docs that shows what happens, command by command, played on two hosts: what it shows has to
 * be what the programs print.
 *
 * A fenced block below a line that begins with a path, such as `/etc/portsentry/portsentry.conf`, is
 * that file. In a block of `console`, lines that begin with `gate#` are commands of the watched host,
 * those with `scanner#` of the other one, and what follows is their output: lines may be left out, but
 * those that are there stand in this order. A block of `text` is a notification, title and text.
 *
 * @module
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { HookProcess } from "./hook_process.ts";
import { type Network, run, words } from "./network.ts";
import type { Bundle } from "./program.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FAIL2BAN = `${ROOT}.tools/debian/fail2ban`;
const WAIT_MS = 20_000;

/** Where notifications go. */
const NTFY = "192.0.2.53";

/** A piece of a page. */
type Step =
  | { kind: "file"; path: string; text: string }
  | { kind: "command"; host: "gate" | "scanner"; command: string; output: string[] }
  | { kind: "notification"; lines: string[] };

/** The steps of a page, in their order. */
export function stepsOf(page: string): Step[] {
  const steps: Step[] = [];
  const blocks = page.matchAll(/([^\n]*)\n+^```(\w*)\n(.*?)^```$/gms);
  for (const [, before, language, text] of blocks) {
    const [, path] = /^`(\/etc\/[^`]+)`/.exec(before) ?? [];
    if (path !== undefined) steps.push({ kind: "file", path, text });
    else if (language === "text") {
      steps.push({ kind: "notification", lines: text.trimEnd().split("\n") });
    } else if (language === "console") {
      for (const line of text.trimEnd().split("\n")) {
        const [, host, command] = /^(gate|scanner)# (.*)$/.exec(line) ?? [];
        const last = steps.at(-1);
        if (command !== undefined) {
          steps.push({ kind: "command", host: host as "gate" | "scanner", command, output: [] });
        } else if (last?.kind === "command") last.output.push(line);
      }
    }
  }
  return steps;
}

/** What a host has for a page, besides what every Linux has. */
const SETUP = `
  hostname gate
  etc=$(mktemp -d); mount -t tmpfs none "$etc"; cp -a /etc/. "$etc"; mount --move "$etc" /etc
  rmdir "$etc"
  for folder in /var/log /var/lib /run; do mount -t tmpfs -o mode=755 none $folder; done
  mkdir -p /etc/portsentry /var/log/portsentry /var/lib/portsentry /run/portsentry
  printf '127.0.0.1\\n::1\\n' >/etc/portsentry/portsentry.ignore
  echo 'portsentry:x:990:990::/nonexistent:/usr/sbin/nologin' >>/etc/passwd
  echo 'portsentry:x:990:' >>/etc/group
  chown 990:990 /var/log/portsentry /var/lib/portsentry /run/portsentry
  echo '${NTFY} ntfy.example' >>/etc/hosts
  if [ -d ${FAIL2BAN} ]; then
    rm -rf /etc/fail2ban; cp -r ${FAIL2BAN}/etc/fail2ban /etc/fail2ban
    rm -f /etc/fail2ban/jail.d/defaults-debian.conf
    mkdir -p /var/lib/fail2ban /run/fail2ban
    cp ${ROOT}packaging/fail2ban/filter.d/portsentry.conf /etc/fail2ban/filter.d/portsentry.local
    cp ${ROOT}packaging/fail2ban/jail.d/portsentry.conf /etc/fail2ban/jail.d/portsentry.conf
  fi
  echo ready
  exec sleep infinity`;

/**
 * What stands in for the service manager of a host that has been booted: nothing else is, the program
 * is started as the packages start it.
 */
const COMMANDS: Record<string, string> = {
  portsentry: `. ${ROOT}tools/permissions.sh
    allow_named "$@"
    export DENO_CERT="$HOME/cert.pem" NO_COLOR=1
    with_permissions @DENO@ run @SCRIPT@ "$@"`,
  systemctl: `case "$*" in
      "enable --now portsentry" | "restart portsentry")
        if [ -e /run/service ]; then
          kill "$(cat /run/service)"
          while kill -0 "$(cat /run/service)" 2>/dev/null; do sleep 0.05; done
        fi
        rm -f /run/journal
        setsid portsentry >/run/journal 2>&1 </dev/null &
        echo $! >/run/service
        until grep -qs 'now active' /run/journal; do
          kill -0 "$(cat /run/service)" 2>/dev/null || { cat /run/journal; exit 1; }
          sleep 0.05
        done ;;
      "disable --now portsentry")
        kill "$(cat /run/service)"
        while kill -0 "$(cat /run/service)" 2>/dev/null; do sleep 0.05; done
        rm /run/service ;;
      "reload portsentry")
        kill -HUP "$(cat /run/service)"
        until grep -q 'has been read again' /run/journal; do sleep 0.05; done ;;
      "enable --now fail2ban")
        fail2ban-client -x start >/dev/null 2>&1 ;;
      *) exit 1 ;;
    esac`,
  journalctl: `cat /run/journal`,
  ...Object.fromEntries(
    ["client", "server", "regex"].map((name) => [
      `fail2ban-${name}`,
      `export PYTHONPATH=${FAIL2BAN}/usr/lib/python3/dist-packages
       exec python3 ${FAIL2BAN}/usr/bin/fail2ban-${name} "$@"`,
    ]),
  ),
};

/** The two hosts of a page, until they are disposed of. */
export class UseCase implements AsyncDisposable {
  readonly #network: Network;
  readonly #folder = Deno.makeTempDirSync({ prefix: "portsentry-page-" });
  #hook: HookProcess | undefined;
  readonly #gate: Deno.ChildProcess;

  private constructor(network: Network, bundle: Bundle) {
    this.#network = network;
    Deno.chmodSync(this.#folder, 0o755);
    for (const [name, script] of Object.entries(COMMANDS)) {
      const text = script.replace("@DENO@", bundle.deno).replace("@SCRIPT@", bundle.script);
      Deno.writeTextFileSync(`${this.#folder}/${name}`, `#!/bin/sh\nset -eu\n${text}\n`);
      Deno.chmodSync(`${this.#folder}/${name}`, 0o755);
    }
    this.#gate = new Deno.Command("ip", {
      args: [...words(`netns exec ${network.watched} unshare -m -u sh -euc`), SETUP],
      stdout: "piped",
    }).spawn();
  }

  static async create(network: Network, bundle: Bundle): Promise<UseCase> {
    await network.onScanner(`ip addr add ${NTFY}/24 dev eth0`);
    const useCase = new UseCase(network, bundle);
    await useCase.#prepare();
    return useCase;
  }

  async #prepare(): Promise<void> {
    const [cert, key] = [`${this.#folder}/cert.pem`, `${this.#folder}/key.pem`];
    await run([
      ...words("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"),
      ...words(
        `-subj /CN=ntfy -addext subjectAltName=DNS:ntfy.example -keyout ${key} -out ${cert}`,
      ),
      ...words("-addext basicConstraints=critical,CA:FALSE"),
    ]);
    await this.#gate.stdout.getReader().read();
    // A program that ends soon does not try a notification again.
    this.#hook = await HookProcess.start(this.#network.scanner, NTFY, "443", cert, key);
  }

  /** Does a step; what it shows is found in what is printed, sooner or later. */
  async play(step: Step): Promise<void> {
    if (step.kind === "file") {
      return void await this.#onGate(`cat >${step.path}`, step.text);
    }
    const deadline = performance.now() + WAIT_MS;
    const shown = step.kind === "command" ? step.output : step.lines;
    for (;;) {
      const printed = step.kind === "command"
        ? await this.#run(step.host, step.command)
        : this.#notifications();
      const missing = firstMissing(shown, printed.split("\n"));
      if (missing === undefined) return;
      const asks = step.kind === "notification" || !/^(nmap|hping3|systemctl)/.test(step.command);
      assert.ok(
        asks && performance.now() < deadline,
        `${JSON.stringify(step, null, 1)}\n--- this line is not printed there\n${missing}\n` +
          `--- but this is\n${printed}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** What a step prints now, for the page. */
  async output(step: Step & { kind: "command" }): Promise<string> {
    const printed = await this.#run(step.host, step.command);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return printed;
  }

  /** Titles and texts that have come. */
  notifications(): string {
    return this.#notifications();
  }

  #notifications(): string {
    const received = this.#hook?.received ?? [];
    return received.map(({ headers: { title }, body }) =>
      title === undefined ? body : `${title}\n${body}`
    ).join("\n");
  }

  async #run(host: "gate" | "scanner", command: string): Promise<string> {
    if (host === "gate") return await this.#onGate(command);
    const args = ["ip", "netns", "exec", this.#network.scanner, "sh", "-c", `${command} 2>&1`];
    return (await run(args, { mayFail: true })).stdout;
  }

  async #onGate(command: string, input = ""): Promise<string> {
    const path = `${this.#folder}:/usr/sbin:/usr/bin:/sbin:/bin`;
    const child = new Deno.Command("nsenter", {
      args: [
        ...words(`-t ${this.#gate.pid} -m -n -u env PATH=${path} HOME=${this.#folder}`),
        ...["sh", "-c", `${command} 2>&1`],
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
    return new TextDecoder().decode((await child.output()).stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#onGate(
      '[ ! -e /run/service ] || kill "$(cat /run/service)"; [ ! -e /run/fail2ban/fail2ban.sock ] || fail2ban-client stop; ' +
        'while [ -e /run/service ] && kill -0 "$(cat /run/service)"; do sleep 0.05; done',
    );
    this.#gate.kill("SIGKILL");
    await this.#gate.status;
    await this.#hook?.[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The first of some lines that others do not hold behind those before it. */
function firstMissing(shown: readonly string[], printed: readonly string[]): string | undefined {
  const lines = printed.map(shapeOf);
  let from = 0;
  for (const line of shown) {
    if (line.trim() === "" || line.trim() === "…") continue;
    const index = lines.indexOf(shapeOf(line), from);
    if (index < 0) return line;
    from = index + 1;
  }
  return undefined;
}

/** A line without what differs from run to run: times, versions, widths of columns. */
function shapeOf(line: string): string {
  return line.replaceAll(/\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d{4})?/g, "TIME")
    .replaceAll(/\bin (?:\d+[dhms])+/g, "in TIME")
    .replaceAll(/\d+\.\d+ ?s(?:econds)?\b/g, "TIME")
    .replaceAll(/\brate: \[[^\]]*\]/g, "rate: [RATE]")
    .replaceAll(/Nmap \d+\.\d+\S*/g, "Nmap VERSION")
    .replaceAll(/\s+/g, " ").trim();
}
