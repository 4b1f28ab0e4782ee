import assert from "node:assert/strict";
import { LIBRARIES } from "../../ffi/libraries.ts";
import { grantedLists } from "../../src/daemon/permissions.ts";

const LIBC = LIBRARIES.libc.paths.join(",");
const MODULE = new URL("../../src/daemon/permissions.ts", import.meta.url).href;
const LIBRARY = new URL("../../ffi/libc.ts", import.meta.url).href;

/** Gives permissions back in a process of its own, and tells what it held then. */
function heldAfter(flags: string[], needed: object, cwd = "/"): Record<string, unknown> {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const script = `${folder}/script.ts`;
  Deno.writeTextFileSync(
    script,
    `import { giveBack, heldPermissions } from "${MODULE}";
     import { libc } from "${LIBRARY}";
     const before = heldPermissions();
     giveBack(${JSON.stringify(needed)});
     const state = (descriptor) => Deno.permissions.querySync(descriptor).state;
     const others = ["env", "sys", "import"].filter((name) => state({ name }) === "granted");
     let opened = true;
     try {
       Deno.dlopen("${LIBRARIES.libc.paths[0]}", {});
     } catch {
       opened = false;
     }
     const works = libc().eventfd(0, 0) > 0;
     console.log(JSON.stringify({ before, held: heldPermissions(), others, opened, works }));`,
  );
  try {
    const { stdout, stderr } = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--quiet", "--no-check", ...flags, script],
      cwd,
    }).outputSync();
    assert.equal(new TextDecoder().decode(stderr), "");
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("grantedLists() reads the flags in every way that Deno takes them", () => {
  assert.deepEqual(
    grantedLists(["run", "--no-prompt", "--allow-read=/a,/b", "-R=/c", "-W=/d", "--allow-net=x"]),
    { read: ["/a", "/b", "/c"], write: ["/d"], net: ["x"], run: [], ffi: [] },
  );
  assert.deepEqual(grantedLists(["run", "-A", "--allow-read", "--allow-run=/bin/sh"]), {
    read: [],
    write: [],
    net: [],
    run: ["/bin/sh"],
    ffi: [],
  });
});

Deno.test("giveBack() keeps what covers something needed, and nothing else; libraries go on", () => {
  const flags = [
    `--allow-ffi=${LIBC}`,
    "--allow-read=/etc/portsentry,/var/log,/srv",
    "--allow-write=/var/log/x.log,/etc,/var/lib/portsentry",
    "--allow-run=/bin/sh,/bin/true",
    "--allow-net=127.0.0.1:9187,192.0.2.1,Hook.example:443,[::1]",
    "--allow-env",
    "--allow-sys",
  ];
  const needed = {
    read: ["/etc/portsentry/portsentry.conf", "/var/log/x.log"],
    write: ["/var/log/x.log", "/var/lib/portsentry/blocked"],
    net: ["127.0.0.1:9187", "hook.example:443", "[::1]:80"],
    run: ["/bin/sh"],
  };
  const { before: _, ...after } = heldAfter(flags, needed);
  assert.deepEqual(after, {
    held: {
      read: ["/etc/portsentry", "/var/log"],
      write: ["/var/log/x.log", "/var/lib/portsentry"],
      net: ["127.0.0.1:9187", "Hook.example:443", "[::1]"],
      run: ["/bin/sh"],
      ffi: [],
    },
    others: [],
    opened: false,
    works: true,
  });
});

Deno.test("giveBack() knows relative paths, and similar names from folders", () => {
  const needed = { read: ["etc/hosts"], write: ["/tmp/ab/c"], net: [], run: [] };
  const flags = [`--allow-ffi=${LIBC}`, "--allow-read=./etc,/et", "--allow-write=tmp/a,tmp/ab"];
  const { held } = heldAfter([...flags, "--allow-run=/bin/sh"], needed);
  assert.deepEqual(held, { read: ["./etc"], write: ["tmp/ab"], net: [], run: [], ffi: [] });
});

Deno.test("giveBack() takes what it can of a run that may do anything, and says what is left", () => {
  const { before, held, others, opened } = heldAfter(["-A"], {
    read: [],
    write: [],
    net: [],
    run: [],
  });
  assert.deepEqual(before, { read: "all", write: "all", net: "all", run: "all", ffi: "all" });
  assert.deepEqual(held, { read: "all", write: "all", net: [], run: [], ffi: [] });
  assert.deepEqual([others, opened], [[], false]);
});
