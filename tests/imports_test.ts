/**
 * Data flows one way: frame → Packet → Verdict → ScanEvent → responses, logs. A folder may import
 * what stands before it, and nothing else.
 */
import assert from "node:assert/strict";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

const MAY_IMPORT: Record<string, string[]> = {
  "ffi": [],
  "src/config": [],
  "src/packet": [],
  // The kernel filter is made of the configured ports.
  "src/sentry": ["ffi", "src/packet", "src/config"],
  "src/detector": ["src/packet", "src/config"],
  // The boundary: where the reused packet becomes an event that stays.
  "src/event": ["src/packet", "src/detector"],
  // What a scan's packets add up to; what is told of it is right of the boundary.
  "src/scan": ["src/packet", "src/event"],
  "src/log": ["ffi", "src/event"],
  "src/state": [],
  "src/response": ["ffi", "src/event", "src/log", "src/config", "src/packet", "src/state"],
  "src/metrics": ["src/event"],
  "src/notify": ["src/event", "src/config"],
  "src/daemon": ["ffi"],
  // What terminal it is stands in the environment, which Deno may not be asked for.
  "src/terminal": ["ffi"],
  // Made of what earlier runs have left.
  "src/report": ["src/config", "src/log", "src/state", "src/terminal"],
};

/** Files that belong to no folder's subject: bounds, helpers for text and files, for everyone. */
const FOR_EVERYONE = ["src/files.ts", "src/limits.ts", "src/text.ts"];

/** Files that put the folders together: those in none of them. */
function composes(file: string): boolean {
  return file === "mod.ts" || (folderOf(file) === "src" && !FOR_EVERYONE.includes(file));
}

interface Module {
  local?: string;
  dependencies?: { code?: { specifier: string }; type?: { specifier: string } }[];
}

const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** The module graph of the program, as Deno itself sees it. */
async function moduleGraph(): Promise<Map<string, string[]>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "mod.ts"],
    cwd: ROOT,
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: Module[] };
  const own = modules.filter(({ local }) => local?.startsWith(ROOT + "/") && local.endsWith(".ts"));
  return new Map(own.map(({ local, dependencies = [] }) => [
    relative(ROOT, local!),
    dependencies.map(({ code, type }) => (code ?? type)!.specifier)
      .filter((specifier) => specifier.startsWith("file:") && specifier.endsWith(".ts"))
      .map((specifier) => relative(ROOT, fileURLToPath(specifier))),
  ]));
}

function folderOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/"));
}

Deno.test("imports only go the way data flows", async () => {
  const graph = await moduleGraph();
  assert.ok(graph.size > 20, `${graph.size} modules`);
  const wrong: string[] = [];
  for (const [file, imports] of graph) {
    if (composes(file)) continue;
    const allowed = MAY_IMPORT[folderOf(file)] ?? [];
    for (const imported of imports) {
      const folder = folderOf(imported);
      if (FOR_EVERYONE.includes(imported) && folderOf(file) !== "ffi") continue;
      if (folder !== folderOf(file) && !allowed.includes(folder)) {
        wrong.push(`${file} → ${imported}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

Deno.test("every source file is part of the program", async () => {
  const graph = await moduleGraph();
  const files: string[] = [];
  const walk = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}/${folder}`)) {
      if (isDirectory) walk(`${folder}/${name}`);
      else if (name.endsWith(".ts")) files.push(`${folder}/${name}`);
    }
  };
  walk("ffi");
  walk("src");
  assert.deepEqual(files.filter((file) => !graph.has(file)), []);
});
