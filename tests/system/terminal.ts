/**
 * Commands on a terminal of their own, which `script` of util-linux makes.
 *
 * @module
 */
import { run } from "./network.ts";

/** What a command writes to a terminal of this size. */
export async function onTerminal(
  command: readonly string[],
  { columns = 80, rows = 24, env = {} }: {
    columns?: number;
    rows?: number;
    env?: Record<string, string>;
  } = {},
): Promise<string> {
  const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  // Deno itself clears lines of standard error, where that is a terminal.
  const line = `stty cols ${columns} rows ${rows} && ${words} 2>/dev/null`;
  // The tests themselves run with NO_COLOR, which counts as not set when it is empty.
  const { stdout } = await run(["script", "-qefc", line, "/dev/null"], {
    env: { NO_COLOR: "", TERM: "xterm-256color", ...env },
  });
  return stdout.replaceAll("\r\n", "\n");
}
