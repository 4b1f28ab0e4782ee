/** What commands make of the answers of somebody who has taken the running program's place. */
import assert from "node:assert/strict";
import { escapeControls } from "../../src/text.ts";
import { run } from "./network.ts";
import { programCommand } from "./program.ts";

const CASES: [what: string, answer: string, told: RegExp][] = [
  ["no JSON", "\x1b[2J\x9b2J owned\n", /does not answer as portsentry does$/],
  ["no object", "null\n", /does not answer as portsentry does$/],
  ["a list", "[1]\n", /does not answer as portsentry does$/],
  ["an object of nothing", "{}\n", /answers what this one does not understand: restart it$/],
  ["an error with escape sequences", '{"error":"\\u001b[2J\\u009b2J"}\n', /\\x1b\[2J\\x9b2J$/],
];
const COMMANDS = [["status"], ["blocked"], ["top"], ["block", "192.0.2.77"], ["unblock", "--all"]];

/** Runs commands against a socket where all requests get `answer`. */
async function withAnswer(
  answer: string,
  use: (command: (...words: string[]) => ReturnType<typeof run>) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const path = `${folder}/control.sock`;
  const config = `${folder}/portsentry.conf`;
  Deno.writeTextFileSync(config, `TCP_PORTS="7"\nCONTROL_SOCKET="${path}"\n`);
  const listener = Deno.listen({ transport: "unix", path });
  const serving = (async () => {
    for await (const client of listener) {
      await client.read(new Uint8Array(4096));
      await client.write(new TextEncoder().encode(answer));
      client.close();
    }
  })();
  try {
    await use((name, ...rest) =>
      run([...programCommand(folder), name, "-c", config, ...rest], { mayFail: true })
    );
  } finally {
    listener.close();
    await serving;
    Deno.removeSync(folder, { recursive: true });
  }
}

for (const [what, answer, told] of CASES) {
  Deno.test(`an answer that is ${what} is told as such, and steers no terminal`, async () => {
    await withAnswer(answer, async (command) => {
      for (const words of COMMANDS) {
        const { code, stdout, stderr } = await command(...words);
        const line = stderr.trimEnd();
        assert.deepEqual([code, stdout], [1, ""], line);
        assert.match(line, told);
        assert.equal(escapeControls(line), line);
      }
    });
  });
}

Deno.test("an answer is shown as JSON without anything that steers a terminal", async () => {
  await withAnswer('{"mode":"\x9b2J\u2028\x7f"}\n', async (command) => {
    for (const name of ["status", "top"]) {
      const { code, stdout } = await command(name, "--json");
      assert.equal(code, 0);
      assert.equal(stdout, '{"mode":"\\u009b2J\\u2028\\u007f"}\n');
    }
  });
});
