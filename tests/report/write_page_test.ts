import assert from "node:assert/strict";
import { writePage } from "../../src/report/write_page.ts";

function withFolder(use: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  try {
    use(folder);
    assert.ok(![...Deno.readDirSync(folder)].some(({ name }) => name.endsWith(".new")));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("writePage() makes a file that its owner alone can read", () => {
  withFolder((folder) => {
    const path = `${folder}/page`;
    writePage(path, "é".repeat(100_000));
    assert.equal(Deno.readTextFileSync(path), "é".repeat(100_000));
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
  });
});

Deno.test("writePage() replaces a file as a whole, and keeps its owner and mode", () => {
  withFolder((folder) => {
    const path = `${folder}/page`;
    Deno.writeTextFileSync(path, "before");
    Deno.chmodSync(path, 0o640);
    Deno.chownSync(path, 12, 34);
    using reader = Deno.openSync(path);
    writePage(path, "after");
    assert.equal(Deno.readTextFileSync(path), "after");
    const { mode, uid, gid } = Deno.statSync(path);
    assert.deepEqual([mode! & 0o777, uid, gid], [0o640, 12, 34]);
    // Whoever was reading goes on with the old one.
    const bytes = new Uint8Array(10);
    assert.equal(new TextDecoder().decode(bytes.subarray(0, reader.readSync(bytes)!)), "before");
  });
});

Deno.test("writePage() gives the file away that it has open, not what bears its name by then", () => {
  const { chownSync, chmodSync } = Deno;
  // Somebody else is faster, in a folder that is not root's alone.
  const swap = (give: () => void) => (path: string | URL) => {
    Deno.removeSync(path);
    Deno.symlinkSync("precious", path);
    give();
  };
  withFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/precious`, "precious");
    Deno.writeTextFileSync(`${folder}/page`, "before");
    chownSync(`${folder}/page`, 12, 34);
    Deno.chownSync = swap(() => chownSync(`${folder}/page.new`, 12, 34));
    Deno.chmodSync = swap(() => chmodSync(`${folder}/page.new`, 0o644));
    try {
      writePage(`${folder}/page`, "page");
    } finally {
      Object.assign(Deno, { chownSync, chmodSync });
    }
    assert.equal(Deno.statSync(`${folder}/precious`).uid, 0);
    assert.equal(Deno.statSync(`${folder}/page`).uid, 12);
  });
});

Deno.test("writePage() follows no link, and replaces nothing that is no file", () => {
  withFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/precious`, "precious");
    Deno.symlinkSync("precious", `${folder}/link`);
    Deno.mkdirSync(`${folder}/folder`);
    for (const name of ["link", "folder"]) {
      assert.throws(() => writePage(`${folder}/${name}`, "page"), /is no file/);
    }
    // A link in the place of the file that is written first, and one that a crash has left.
    Deno.symlinkSync("precious", `${folder}/page.new`);
    writePage(`${folder}/page`, "page");
    assert.equal(Deno.readTextFileSync(`${folder}/page`), "page");
    assert.equal(Deno.readTextFileSync(`${folder}/precious`), "precious");
  });
  assert.throws(() => writePage("/dev/null", ""), /is no file/);
});
