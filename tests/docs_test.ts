/** The manual pages: what they must hold, and that what they show is right. */
import assert from "node:assert/strict";
import manifest from "../deno.json" with { type: "json" };
import { parseArguments } from "../src/cli.ts";
import { parseConfigFile } from "../src/config/config_file.ts";
import { parseIgnoreFile } from "../src/config/ignore_file.ts";
import { KEYS } from "../src/config/keys.ts";
import { Verdict } from "../src/detector/verdict.ts";
import { scanEvent } from "../src/event/scan_event.ts";
import { JsonLines } from "../src/log/event_json.ts";
import { decode, LinkType } from "../src/packet/decode.ts";
import { Packet } from "../src/packet/packet.ts";
import { ipv4, tcp } from "./frames.ts";
import { validLine } from "./log/events_schema.ts";
import { eventLine } from "./system/program.ts";

function read(name: string): string {
  return Deno.readTextFileSync(new URL(`../docs/${name}`, import.meta.url));
}

const PROGRAM = read("portsentry.8.md");
const CONFIG = read("portsentry.conf.8.md");

/** The heading that tells of `word`, to the next heading. */
function section(text: string, word: string): string | undefined {
  return text.split(/^(?=#)/m).find((section) => section.split("\n")[0].includes(`\`${word}\``));
}

/** Fenced text. */
function examples(text: string): string[] {
  return [...text.matchAll(/^```\n(.*?)^```$/gms)].map(([, example]) => example);
}

Deno.test("portsentry(8) tells of every option that --help knows", () => {
  const help = parseArguments(["-h"], "0.0.0");
  assert.ok("print" in help);
  const options = [...help.print.matchAll(/^ +(?:(-\w), )?(--[\w-]+)/gm)];
  assert.ok(options.length >= 13, help.print);
  for (const [, short, long] of options) {
    const told = section(PROGRAM, long);
    assert.ok(told, `${long} has no heading`);
    if (short) assert.ok(told.split("\n")[0].includes(`\`${short}\``), `${long} lacks ${short}`);
  }
});

Deno.test("portsentry(8) gives examples that the command line takes", () => {
  const commands = examples(PROGRAM).flatMap((text) => text.split("\n"))
    .filter((line) => line.startsWith("portsentry"));
  assert.ok(commands.length >= 3);
  for (const command of commands) {
    const [first] = command.split(" | ");
    const invocation = parseArguments(first.split(" ").slice(1), "0.0.0");
    assert.ok("options" in invocation || "command" in invocation, command);
  }
});

Deno.test("portsentry(8) shows the event line as it is", () => {
  assert.ok(PROGRAM.includes(` ${eventLine({ source: "192.0.2.9", port: 23 })}\n`));
});

Deno.test("portsentry(8) shows an event in JSON as it is", () => {
  const shown = examples(PROGRAM).find((text) => text.includes('"@timestamp"'));
  assert.ok(shown);
  const packet = new Packet();
  const frame = ipv4(tcp({ port: 23 }));
  assert.ok(decode(frame, frame.length, LinkType.Raw, packet));
  packet.timeMs = Date.UTC(2026, 10, 22, 18, 21, 14, 160);
  const event = scanEvent(packet, Verdict.LogOnly, "stealth");
  const line = new JsonLines(manifest.version).event(event, event.source, event.flags);
  validLine(line);
  // The order of the fields included.
  assert.equal(JSON.stringify(JSON.parse(shown)), line);
});

Deno.test("portsentry.conf(8) tells of every key", () => {
  for (const key of KEYS.keys()) assert.ok(section(CONFIG, key), `${key} has no heading`);
});

Deno.test("portsentry.conf(8) gives examples without a fault", () => {
  const settings = examples(CONFIG).filter((text) => /^[A-Z_]+PORTS=/.test(text));
  assert.ok(settings.length >= 4);
  for (const text of settings) {
    const { faults, warnings } = parseConfigFile(text, "portsentry.conf");
    assert.deepEqual([...faults, ...warnings], [], text);
  }
  const ignored = examples(CONFIG).find((text) => text.startsWith("127."));
  assert.ok(ignored);
  assert.ok("ignore" in parseIgnoreFile(ignored, "portsentry.ignore"));
});

/** Pages that show a use, and tests/system/use_cases_test.ts plays. */
const PAGES = ["home-server", "bastion", "internal-tripwire", "fail2ban"];

for (const name of PAGES) {
  Deno.test(`docs/${name}.md gives configurations and ignore files without a fault or a warning`, () => {
    const page = read(`${name}.md`);
    const configs = examples(page).filter((text) => /^[A-Z_]+PORTS=/m.test(text));
    assert.equal(configs.length, 1);
    for (const text of configs) {
      const { faults, warnings } = parseConfigFile(text, "portsentry.conf");
      assert.deepEqual([...faults, ...warnings], [], text);
    }
    for (const text of examples(page).filter((text) => /^(?:127|192)\./.test(text))) {
      assert.ok("ignore" in parseIgnoreFile(text, "portsentry.ignore"), text);
    }
    // A fragment belongs to the configuration above it.
    for (const text of examples(page).filter((text) => /^NOTIFY_/.test(text))) {
      assert.deepEqual(parseConfigFile(configs[0] + text, "portsentry.conf").faults, []);
    }
    for (const [, link] of page.matchAll(/\]\(([^)#]+)\)/g)) {
      Deno.statSync(new URL(`../docs/${link}`, import.meta.url));
    }
    assert.ok(page.includes("## Undo") || page.includes("let go"), "how to undo it");
    assert.ok(page.includes("## Pitfalls"));
    const readme = Deno.readTextFileSync(new URL("../README.md", import.meta.url));
    assert.ok(readme.includes(`(docs/${name}.md)`));
  });
}

/** The tests that a table names, in its last column. */
function testsNamed(table: string): string[] {
  const rows = table.split("\n").filter((row) => row.startsWith("| "));
  return rows.flatMap((row) =>
    [...row.split(" | ").at(-1)!.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
  );
}

const NAMED: [document: string, table: string][] = [
  ["security.md", read("security.md").split("## Promises")[1]],
  ["reliability.md", read("reliability.md").split("## A long run")[0]],
];

for (const [document, table] of NAMED) {
  Deno.test(`docs/${document} names tests that there are`, () => {
    const tests = sources(new URL(".", import.meta.url)).join("\n");
    const names = testsNamed(table);
    assert.ok(names.length > 20);
    for (const name of names) {
      // What a name says of each of several cases is an ellipsis there, and an expression in the test.
      const text = name.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
      assert.match(tests, new RegExp(text.join("[^\\n]*")), name);
    }
  });
}

/** The text of every test. */
function sources(folder: URL): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return sources(new URL(`${name}/`, folder));
    return name.endsWith("_test.ts") ? [Deno.readTextFileSync(new URL(name, folder))] : [];
  });
}
