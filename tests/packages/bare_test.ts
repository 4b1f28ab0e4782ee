import assert from "node:assert/strict";
import { Network, run, WATCHED } from "../system/network.ts";
import { ASKED, Debian, ROOT } from "./debian.ts";

Deno.test("dist/portsentry runs on a bare Debian, and with -m raw needs no library", {
  ignore: !ASKED,
}, async () => {
  await using network = await Network.create();
  await using debian = await Debian.create();
  await run([`${ROOT}/tools/build.sh`], { env: { BUILD: "bundle" } });
  await run(["cp", `${ROOT}/dist/portsentry`, `${debian.folder}/usr/local/bin/portsentry`]);
  const config = 'TCP_PORTS="23"\nHISTORY_FILE="/srv/log/probes"\n';
  Deno.writeTextFileSync(`${debian.folder}/srv/my.conf`, config);
  const lacking = await debian.sh("portsentry -c /srv/my.conf", { mayFail: true });
  assert.equal(lacking.code, 1);
  assert.match(lacking.stderr, /^portsentry: libpcap is not installed .*: install libpcap0\.8/);

  // -D starts the unpacked program anew, and returns when that one watches.
  await debian.sh("cd /srv && portsentry -m raw -Dc my.conf -p /run/p.pid", {
    namespace: network.watched,
  });
  const pid = Number(debian.read("/run/p.pid"));
  try {
    assert.match(
      Deno.readLinkSync(`/proc/${pid}/exe`),
      /\/var\/cache\/portsentry\/\w+\/portsentry$/,
    );
    await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
    const deadline = performance.now() + 10_000;
    while (debian.read("/srv/log/probes") === "" && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.match(debian.read("/srv/log/probes"), /port: \[23\]/);
  } finally {
    Deno.kill(pid, "SIGTERM");
  }
});
