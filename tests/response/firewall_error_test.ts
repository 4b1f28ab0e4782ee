import assert from "node:assert/strict";
import { SystemError } from "../../ffi/libc.ts";
import { refusal } from "../../src/response/firewall_error.ts";

const REFUSALS: [errno: number, name: string, message: RegExp][] = [
  [
    1,
    "EPERM",
    /^this run may not change the kernel's firewall: run it as root, or give it CAP_NET_/,
  ],
  [
    22,
    "EINVAL",
    /^this kernel has no nf_tables: load it \(modprobe nf_tables\), or block with KILL_/,
  ],
  [93, "EPROTONOSUPPORT", /^this kernel has no nf_tables: /],
  [12, "ENOMEM", /^the kernel's firewall cannot be used: nf_tables: Cannot allocate memory$/],
];

for (const [errno, name, message] of REFUSALS) {
  Deno.test(`refusal() says what to do about ${name}`, () => {
    const error = refusal(new SystemError("nf_tables", errno));
    assert.equal(error.name, "FirewallError");
    assert.match(error.message, message);
  });
}
