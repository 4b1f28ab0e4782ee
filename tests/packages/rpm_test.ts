import assert from "node:assert/strict";
import { Network, run, WATCHED } from "../system/network.ts";
import { ASKED, Debian, ROOT, Service } from "./debian.ts";

Deno.test("the .rpm: free of rpmlint's errors, complete, and what it holds watches as its user", {
  ignore: !ASKED,
}, async (test) => {
  await using network = await Network.create();
  await using debian = await Debian.create();
  const { stdout } = await run([`${ROOT}/tools/rpm.sh`], { env: { PAYLOAD: "w1.gzdio" } });
  const file = `${ROOT}/${stdout.split(":")[0]}`;

  await test.step("rpmlint finds no error", async () => {
    const { code, stdout } = await run(
      ["rpmlint", "-c", `${ROOT}/packaging/rpm/rpmlint.toml`, file],
      { mayFail: true },
    );
    assert.equal(code, 0, stdout);
    assert.match(stdout, / 0 errors/);
  });

  await test.step("it names what it needs, and its settings as such", async () => {
    const query = async (what: string) =>
      (await run(["rpm", "-qp", what, file])).stdout.trim().split("\n");
    const needs = await query("--requires");
    for (const name of ["libpcap", "nftables-libs", "systemd", "glibc >= 2.27"]) {
      assert.ok(needs.includes(name), name);
    }
    assert.deepEqual(await query("--configfiles"), [
      "/etc/fail2ban/filter.d/portsentry.local",
      "/etc/fail2ban/jail.d/portsentry.conf",
      "/etc/logrotate.d/portsentry",
      "/etc/portsentry/portsentry.conf",
      "/etc/portsentry/portsentry.ignore",
    ]);
  });

  await test.step("what it holds watches, as the unit runs it", async () => {
    await debian.sh("apt-get update -qq");
    await debian.sh("apt-get install -y libpcap0.8 systemd-standalone-sysusers");
    await run(["sh", "-ec", `rpm2cpio ${file} | (cd ${debian.folder} && cpio -idm --quiet)`]);
    await debian.sh(`systemd-sysusers portsentry.conf
      install -d -o portsentry /var/lib/portsentry /var/log/portsentry`);
    await using service = await Service.start(debian, network.watched);
    await network.nmap(`-sS -p 23 ${WATCHED.ipv4}`);
    const history = () => debian.read("/var/log/portsentry/portsentry.log");
    const deadline = performance.now() + 10_000;
    while (history() === "" && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.match(history(), /^\S+ Scan from: \[192\.0\.2\.9\] .* port: \[23\]/);
    assert.equal(await service.stop(), 0);
  });
});
