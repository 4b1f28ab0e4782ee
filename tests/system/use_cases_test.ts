/**
 * The pages of docs that show what happens, played as they stand there. With UPDATE_PAGES=1 they get
 * what the programs print now in place of what they show.
 */
import { makeBundle } from "./bundle.ts";
import { Network, words } from "./network.ts";
import { stepsOf, UseCase } from "./use_case.ts";

const ADMIN = "192.0.2.20";

/** What there is on the hosts of a page before its first command. */
type Prepare = (network: Network) => Promise<AsyncDisposable | void>;

/** Whoever administers the host is logged in: a connection to a service that stays. */
async function loggedIn(network: Network): Promise<AsyncDisposable> {
  await network.onScanner(`ip addr add ${ADMIN}/24 dev eth0`);
  const service = await network.listen("tcp/::/22");
  const connection = new Deno.Command("ip", {
    args: [
      ...words(`netns exec ${network.scanner} perl -MIO::Socket::IP -e`),
      "my $s = IO::Socket::IP->new(LocalHost => $ARGV[0], PeerHost => $ARGV[1], PeerPort => 22) " +
      "or die; print qq(connected\n); $| = 1; print qq(\n); sleep 600",
      ADMIN,
      "192.0.2.1",
    ],
    stdout: "piped",
  }).spawn();
  await connection.stdout.getReader().read();
  return {
    async [Symbol.asyncDispose]() {
      connection.kill("SIGKILL");
      await connection.status;
      await service[Symbol.asyncDispose]();
    },
  };
}

const PAGES: Record<string, Prepare> = {
  "home-server": async (network) => await network.listen("tcp/::/22 tcp/::/443"),
  "bastion": loggedIn,
  "internal-tripwire": async (network) => {
    await network.onScanner("ip addr add 192.0.2.30/24 dev eth0");
  },
  "fail2ban": async () => {},
};

const bundle = await makeBundle();
globalThis.addEventListener("unload", () => bundle[Symbol.dispose]());

for (const [name, prepare] of Object.entries(PAGES)) {
  Deno.test(`docs/${name}.md shows what the programs print`, async () => {
    const file = new URL(`../../docs/${name}.md`, import.meta.url);
    let page = Deno.readTextFileSync(file);
    await using network = await Network.create();
    await using _prepared = await prepare(network) ?? { async [Symbol.asyncDispose]() {} };
    await using useCase = await UseCase.create(network, bundle);
    let from = 0;
    for (const step of stepsOf(page)) {
      if (!Deno.env.has("UPDATE_PAGES") || step.kind === "file") await useCase.play(step);
      else if (step.kind === "command") {
        const printed = (await useCase.output(step)).trimEnd();
        const prompt = `${step.host}# ${step.command}`;
        const before = [prompt, ...step.output].join("\n");
        const at = page.indexOf(before, from);
        const after = [prompt, ...printed ? [printed] : []].join("\n");
        page = page.slice(0, at) + after + page.slice(at + before.length);
        from = at + after.length;
      } else console.log(name, useCase.notifications());
    }
    if (Deno.env.has("UPDATE_PAGES")) Deno.writeTextFileSync(file, page);
  });
}
