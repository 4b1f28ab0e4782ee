/**
 * Going into the background. A runtime with threads cannot fork, so the program starts itself anew
 * in a session of its own, and waits until that one says that it watches, or why it does not.
 *
 * @module
 */
import { Poller } from "../../ffi/epoll.ts";
import { check, libc, readSystemFile } from "../../ffi/libc.ts";
import { Launcher } from "../../ffi/spawn.ts";

const O_CLOEXEC = 0o2000000; // <bits/fcntl-linux.h>
const READY = "ready\n";

/** The descriptor on which the one in the background answers. */
export const READY_DESCRIPTOR = 3;

/** The hidden option that tells the program that it is the one in the background. */
export const READY_OPTION = "--ready-fd";

/**
 * Starts this program again in the background, with the same arguments and environment.
 *
 * @returns undefined when it watches, else what it said instead
 */
export async function daemonize(): Promise<string | undefined> {
  const ends = new Int32Array(2);
  check(libc().pipe2(ends, O_CLOEXEC), "pipe2");
  const [readEnd, writeEnd] = ends;
  const args = readSystemFile("/proc/self/cmdline").split("\0").slice(1, -1);
  // Before the user's own arguments: behind a "--" of theirs it would be none of ours any more.
  args.splice(args.length - Deno.args.length, 0, `${READY_OPTION}=${READY_DESCRIPTOR}`);
  const launcher = new Launcher({
    env: readSystemFile("/proc/self/environ").split("\0").filter((entry) => entry !== ""),
    descriptors: [writeEnd],
    stdout: "null",
    stderr: "null",
  });
  launcher.spawn(Deno.execPath(), args);
  libc().close(writeEnd);
  const answer = await readToEnd(readEnd);
  if (answer === READY) return undefined;
  return answer || "portsentry: the process in the background ended before it watched\n";
}

/** Tells whoever waits in {@link daemonize} that this process watches, or why it does not. */
export function answerParent(fd: number, faults: string | undefined): void {
  const bytes = new TextEncoder().encode(faults ?? READY);
  libc().write(fd, bytes, BigInt(bytes.length));
  libc().close(fd);
}

async function readToEnd(fd: number): Promise<string> {
  const poller = new Poller();
  const buffer = new Uint8Array(4096);
  const decoder = new TextDecoder();
  let text = "";
  poller.add(fd, () => {
    const length = Number(libc().read(fd, buffer, BigInt(buffer.length)));
    if (length > 0) text += decoder.decode(buffer.subarray(0, length), { stream: true });
    else poller.stop();
  });
  await poller.run();
  poller.remove(fd);
  poller.close();
  libc().close(fd);
  return text;
}
