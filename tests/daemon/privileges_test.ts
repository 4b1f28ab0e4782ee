import assert from "node:assert/strict";
import { credentials, parseCredentials } from "../../ffi/credentials.ts";
import { type Facts, privilegesFor, privilegeTable } from "../../src/daemon/privileges.ts";

const QUIET: Facts = {
  mode: "stealth",
  lowPorts: true,
  state: false,
  firewall: false,
  metrics: false,
  notify: false,
  lowMetrics: false,
  hostsDeny: false,
  commands: false,
};

const CASES: [facts: Partial<Facts>, identity: string, capabilities: string[] | "all"][] = [
  [{}, "RUN_AS", ["CAP_NET_RAW"]],
  [{ mode: "connect" }, "RUN_AS", ["CAP_NET_BIND_SERVICE"]],
  [{ mode: "connect", lowPorts: false }, "RUN_AS", []],
  [{ firewall: true }, "RUN_AS", ["CAP_NET_ADMIN", "CAP_NET_RAW"]],
  [{ mode: "connect", lowPorts: false, firewall: true }, "RUN_AS", ["CAP_NET_ADMIN"]],
  [{ state: true }, "RUN_AS", ["CAP_NET_RAW"]],
  [{ metrics: true }, "RUN_AS", ["CAP_NET_RAW"]],
  [{ notify: true }, "RUN_AS", ["CAP_NET_RAW"]],
  [{ metrics: true, lowMetrics: true }, "RUN_AS", ["CAP_NET_BIND_SERVICE", "CAP_NET_RAW"]],
  [{ mode: "connect", metrics: true, lowMetrics: true }, "RUN_AS", ["CAP_NET_BIND_SERVICE"]],
  [{ hostsDeny: true }, "root", ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_NET_RAW"]],
  [{ commands: true }, "root", "all"],
  [{ commands: true, firewall: true, hostsDeny: true }, "root", "all"],
];

for (const [facts, identity, capabilities] of CASES) {
  Deno.test(`privilegesFor() adds up the stages of ${JSON.stringify(facts)}`, () => {
    const held = privilegesFor({ ...QUIET, ...facts });
    assert.equal(held.identity, identity);
    assert.deepEqual(held.capabilities, capabilities);
    assert.equal(held.run, facts.commands === true);
    assert.equal(held.net, facts.metrics === true || facts.notify === true);
    assert.equal(held.write.has("hosts.deny"), facts.hostsDeny === true);
    assert.equal(held.write.has("state file"), facts.state === true);
    assert.equal(held.rootFor === undefined, identity === "RUN_AS");
    // Whoever may write the configuration could have root do anything at the next start.
    for (const kind of ["configuration", "ignore file"] as const) {
      assert.ok(held.read.has(kind) && !held.write.has(kind));
    }
  });
}

Deno.test("docs/security.md has the table of privileges as the program goes by it", () => {
  const document = Deno.readTextFileSync(new URL("../../docs/security.md", import.meta.url));
  // The formatter aligns the columns.
  const bare = document.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---");
  assert.ok(bare.includes(`\n${privilegeTable()}\n`), privilegeTable());
});

Deno.test("parseCredentials() reads a status of /proc", () => {
  const status = "Name:\tx\nUid:\t0\t65534\t65534\t65534\nGid:\t1\t2\t3\t4\nGroups:\t4 20 \n" +
    "NStgid:\t1\nCapInh:\t0\nCapPrm:\t0000000000003000\nCapEff:\t0000000000002000\n" +
    "CapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\n";
  assert.deepEqual(parseCredentials(status), {
    uid: 65_534,
    gid: 2,
    groups: [4, 20],
    permitted: 0x3000n,
    effective: 0x2000n,
    bounding: 0x1ffffffffffn,
    noNewPrivileges: true,
  });
  assert.deepEqual(parseCredentials(status.replace("4 20 ", " ")).groups, []);
  assert.equal(credentials().uid, 0);
});
