/**
 * A lockout guard that answers: `deno run guard.ts [NOPORT …]`. A line of standard input is a host or
 * a network; the line of standard output is JSON: why the host is spared, or whether the network holds
 * such a host. NOPORTs are ports that are no services. Warnings go to standard error.
 *
 * @module
 */
import { parseNetwork } from "../../src/config/network.ts";
import { LockoutGuard } from "../../src/response/lockout_guard.ts";

const guard = new LockoutGuard({
  isService: (port) => !Deno.args.includes(String(port)),
  onWarning: (text) => console.error(text),
});
let text = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  text += chunk;
  const lines = text.split("\n");
  text = lines.pop()!;
  for (const line of lines) {
    const answer = line.includes("/")
      ? guard.holdsProtected(parseNetwork(line)!)
      : guard.reasonToSpare(line);
    console.log(JSON.stringify(answer ?? null));
  }
}
guard.close();
