import assert from "node:assert/strict";
import { credentials, findUser } from "../../ffi/credentials.ts";
import { handOver, type OwnFiles } from "../../src/daemon/hand_over.ts";

const NOBODY = findUser("nobody")!;
const MODE = 0o640;

/** Runs `use` with a folder of root's that all may enter, in /tmp, where all may write. */
function withFolder(use: (folder: string) => void): () => void {
  return () => {
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
    Deno.chmodSync(folder, 0o755);
    try {
      use(folder);
      // Whatever was tried as another user, this thread is root again.
      assert.deepEqual([credentials().uid, credentials().gid], [0, 0]);
      assert.notEqual(credentials().effective, 0n);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

function file(path: string): string[] {
  return tryAndDo({ single: [{ path, mode: MODE, head: /^(?:$|ours)/ }], managed: [] });
}

function managed(...paths: string[]): string[] {
  return tryAndDo({ single: [], managed: paths });
}

/** A trial says what then happens, and changes nothing. */
function tryAndDo(files: OwnFiles): string[] {
  const path = files.single[0]?.path ?? files.managed[0];
  const [folder] = /^.*?portsentry-test-[^/]+/.exec(path)!;
  const before = treeOf(folder);
  const foreseen = handOver(files, NOBODY, true);
  assert.deepEqual(treeOf(folder), before);
  const reasons = handOver(files, NOBODY);
  assert.deepEqual(foreseen, reasons);
  return reasons;
}

function treeOf(folder: string): unknown[] {
  const { uid, gid, mode, mtime } = Deno.lstatSync(folder);
  return [
    [folder, uid, gid, mode, mtime],
    ...[...Deno.readDirSync(folder)].toSorted((a, b) => a.name < b.name ? -1 : 1)
      .flatMap(({ name, isDirectory }) =>
        isDirectory ? treeOf(`${folder}/${name}`) : [[name, ownerOf(`${folder}/${name}`)]]
      ),
  ];
}

function ownerOf(path: string): number {
  return Deno.lstatSync(path).uid!;
}

Deno.test(
  "handOver() makes a file, and its folders, the last of which is the user's",
  withFolder((folder) => {
    assert.deepEqual(file(`${folder}/a/b/history`), []);
    assert.deepEqual(["a", "a/b", "a/b/history"].map((name) => ownerOf(`${folder}/${name}`)), [
      0,
      NOBODY.uid,
      NOBODY.uid,
    ]);
    assert.equal(Deno.statSync(`${folder}/a/b/history`).mode! & 0o777, MODE);
  }),
);

Deno.test(
  "handOver() gives a file of root's in a folder of root's, with what is in it, and the folder not",
  withFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/history`, "ours\n");
    Deno.chmodSync(`${folder}/history`, 0o600);
    assert.deepEqual(file(`${folder}/history`), []);
    assert.equal(ownerOf(`${folder}/history`), NOBODY.uid);
    assert.equal(Deno.readTextFileSync(`${folder}/history`), "ours\n");
    assert.equal(ownerOf(folder), 0);
    assert.deepEqual(file(`${folder}/history`), []);
  }),
);

/** What somebody may have put where the file is to be; nothing of it may become the user's. */
const TRAPS: [name: string, set: (folder: string) => void, told: RegExp][] = [
  ["a symbolic link", (folder) => {
    Deno.symlinkSync(`${folder}/victim`, `${folder}/history`);
  }, /open\(history\): Too many levels of symbolic links/],
  ["another name of a file", (folder) => {
    Deno.linkSync(`${folder}/victim`, `${folder}/history`);
  }, /has 2 names: remove all others/],
  ["a file of another user's", (folder) => {
    Deno.writeTextFileSync(`${folder}/history`, "", { mode: 0o600 });
    Deno.chownSync(`${folder}/history`, 1, 1);
  }, /belongs to another user, 1$/],
  ["a file with something else in it", (folder) => {
    Deno.writeTextFileSync(`${folder}/history`, "root:x:0:0\n", { mode: 0o600 });
  }, /holds something else already$/],
  ["a folder that others may write", (folder) => {
    Deno.chmodSync(folder, 0o775);
  }, /others than root may write on the way to it$/],
  ["a sticky folder", (folder) => {
    Deno.writeTextFileSync(`${folder}/history`, "ours", { mode: 0o600 });
    Deno.chmodSync(folder, 0o1777);
  }, /others than root may write on the way to it$/],
  ["a folder of somebody else's, who may have put a link there a moment ago", (folder) => {
    Deno.writeTextFileSync(`${folder}/history`, "ours", { mode: 0o600 });
    Deno.chownSync(folder, 1, 1);
  }, /others than root may write on the way to it$/],
];

/** What the user can do to its own files, so that it cannot use them. */
const OWN_DOINGS: [name: string, set: (folder: string) => void, path: string][] = [
  ["a file of its own that it may not write", (folder) => {
    Deno.writeTextFileSync(`${folder}/history`, "ours", { mode: 0o400 });
    Deno.chownSync(`${folder}/history`, NOBODY.uid, NOBODY.gid);
  }, "history"],
  ["a folder of its own with a file that it may not write", (folder) => {
    Deno.mkdirSync(`${folder}/lib`);
    Deno.writeTextFileSync(`${folder}/lib/history`, "ours", { mode: 0o600 });
    Deno.chownSync(`${folder}/lib`, NOBODY.uid, NOBODY.gid);
  }, "lib/history"],
  ["a link to a folder of root's in one of its own", (folder) => {
    Deno.mkdirSync(`${folder}/lib`);
    Deno.symlinkSync("..", `${folder}/lib/link`);
    Deno.chownSync(`${folder}/lib`, NOBODY.uid, NOBODY.gid);
  }, "lib/link/history"],
  ["no folder where only it can make one", (folder) => {
    Deno.mkdirSync(`${folder}/lib`, { mode: 0o500 });
    Deno.chownSync(`${folder}/lib`, NOBODY.uid, NOBODY.gid);
  }, "lib/sub/history"],
];

for (const [name, set, path] of OWN_DOINGS) {
  Deno.test(
    `handOver() is no reason to keep root where there is ${name}, and changes no owner`,
    withFolder((folder) => {
      set(folder);
      const before = treeOf(folder);
      assert.deepEqual(file(`${folder}/${path}`), []);
      if (path.startsWith("lib")) assert.deepEqual(managed(`${folder}/${path}`), []);
      assert.deepEqual(treeOf(folder), before);
    }),
  );
}

for (const [name, set, told] of TRAPS) {
  Deno.test(
    `handOver() changes no owner where there is ${name}`,
    withFolder((folder) => {
      Deno.writeTextFileSync(`${folder}/victim`, "secret", { mode: 0o600 });
      set(folder);
      const before = [...Deno.readDirSync(folder)].map(({ name }) => [
        name,
        ownerOf(`${folder}/${name}`),
      ]).sort();
      const reasons = file(`${folder}/history`);
      assert.equal(reasons.length, 1);
      assert.match(reasons[0], told);
      assert.ok(reasons[0].startsWith(`${folder}/history`));
      const after = [...Deno.readDirSync(folder)].map(({ name }) => [
        name,
        ownerOf(`${folder}/${name}`),
      ]).sort();
      assert.deepEqual(after, before);
      assert.equal(ownerOf(`${folder}/victim`), 0);
    }),
  );
}

Deno.test(
  "handOver() follows no link that another user has put on the way",
  withFolder((folder) => {
    Deno.chmodSync(folder, 0o1777);
    Deno.mkdirSync(`${folder}/target`, { mode: 0o755 });
    Deno.symlinkSync("target", `${folder}/link`);
    const [reason] = file(`${folder}/link/history`);
    assert.match(reason, /leads through a link or a file that is no folder$/);
    assert.deepEqual([...Deno.readDirSync(`${folder}/target`)], []);
  }),
);

for (const owner of [NOBODY.uid, 1]) {
  Deno.test(
    `handOver() follows no link in a folder of user ${owner}, nor one of root's that leads to it`,
    withFolder((folder) => {
      Deno.mkdirSync(`${folder}/target`, { mode: 0o755 });
      Deno.mkdirSync(`${folder}/theirs`, { mode: 0o755 });
      Deno.symlinkSync("../target", `${folder}/theirs/link`);
      Deno.symlinkSync("theirs/link", `${folder}/ours`);
      Deno.symlinkSync(`${folder}/theirs/link`, `${folder}/absolute`);
      Deno.chownSync(`${folder}/theirs`, owner, owner);
      for (const way of ["theirs/link", "ours", "absolute", "theirs/../theirs/link"]) {
        for (const reasons of [file(`${folder}/${way}/x.sh`), managed(`${folder}/${way}/x.sh`)]) {
          if (owner === NOBODY.uid) assert.deepEqual(reasons, [], way);
          else assert.match(reasons[0], /leads through a link or a file that is no folder$/, way);
        }
      }
      assert.deepEqual([...Deno.readDirSync(`${folder}/target`)], []);
      assert.equal(ownerOf(`${folder}/target`), 0);
    }),
  );
}

Deno.test(
  "handOver() follows root's own links, relative and absolute ones, and no ring of them",
  withFolder((folder) => {
    Deno.mkdirSync(`${folder}/a/b`, { recursive: true, mode: 0o755 });
    Deno.symlinkSync("a/../a/b", `${folder}/relative`);
    Deno.symlinkSync(`${folder}/relative`, `${folder}/absolute`);
    assert.deepEqual(file(`${folder}/relative/history`), []);
    assert.deepEqual(file(`${folder}/absolute/other`), []);
    assert.deepEqual(["history", "other"].map((name) => ownerOf(`${folder}/a/b/${name}`)), [
      NOBODY.uid,
      NOBODY.uid,
    ]);
    Deno.symlinkSync("ring", `${folder}/ring`);
    assert.match(managed(`${folder}/ring/history`)[0], /leads through/);
  }),
);

Deno.test(
  "handOver() makes a folder for files that are made, replaced and removed",
  withFolder((folder) => {
    assert.deepEqual(managed(`${folder}/lib/blocked`, `${folder}/lib/state.db`), []);
    assert.equal(ownerOf(`${folder}/lib`), NOBODY.uid);
    assert.equal(ownerOf(folder), 0);
  }),
);

Deno.test(
  "handOver() gives a folder that holds nothing but files of the program's, and those files",
  withFolder((folder) => {
    const lib = `${folder}/lib`;
    Deno.mkdirSync(lib, { mode: 0o700 });
    for (const name of ["blocked", "state.db", "state.db-wal"]) {
      Deno.writeTextFileSync(`${lib}/${name}`, "", { mode: 0o600 });
    }
    assert.deepEqual(managed(`${lib}/blocked`, `${lib}/state.db`), []);
    for (const name of ["", "/blocked", "/state.db", "/state.db-wal"]) {
      assert.equal(ownerOf(lib + name), NOBODY.uid, name);
    }
  }),
);

Deno.test(
  "handOver() keeps its hands off a folder that others have files in",
  withFolder((folder) => {
    Deno.writeTextFileSync(`${folder}/blocked`, "", { mode: 0o600 });
    Deno.writeTextFileSync(`${folder}/passwd`, "");
    assert.deepEqual(managed(`${folder}/blocked`), [
      `${folder} belongs to root and holds other files, such as passwd: name a folder of its own`,
    ]);
    assert.deepEqual(["", "/blocked", "/passwd"].map((name) => ownerOf(folder + name)), [0, 0, 0]);
  }),
);

Deno.test(
  "handOver() gives no file of a folder away that has another name elsewhere",
  withFolder((folder) => {
    Deno.mkdirSync(`${folder}/lib`, { mode: 0o700 });
    Deno.writeTextFileSync(`${folder}/victim`, "", { mode: 0o600 });
    Deno.linkSync(`${folder}/victim`, `${folder}/lib/blocked`);
    assert.match(managed(`${folder}/lib/blocked`)[0], /has 2 names/);
    assert.equal(ownerOf(`${folder}/victim`), 0);
    assert.equal(ownerOf(`${folder}/lib`), 0);
  }),
);

Deno.test(
  "handOver() leaves what the user can use already as it is",
  withFolder((folder) => {
    Deno.mkdirSync(`${folder}/lib`, { mode: 0o755 });
    Deno.chownSync(`${folder}/lib`, 0, NOBODY.gid);
    Deno.chmodSync(`${folder}/lib`, 0o770);
    assert.deepEqual(managed(`${folder}/lib/blocked`), []);
    assert.deepEqual(file(`${folder}/lib/history`), []);
    assert.equal(ownerOf(`${folder}/lib`), 0);
    assert.equal(ownerOf(`${folder}/lib/history`), NOBODY.uid);
  }),
);

Deno.test(
  "handOver() says so where the user cannot get at what was given to it",
  withFolder((folder) => {
    Deno.chmodSync(folder, 0o700);
    assert.deepEqual(file(`${folder}/history`), [`${folder}/history cannot be written by nobody`]);
    assert.deepEqual(managed(`${folder}/lib/blocked`), [`${folder}/lib cannot be used by nobody`]);
  }),
);
