/**
 * The program as it is, which also collects all its garbage on SIGUSR2, gives all that is left over
 * back to the kernel, and tells on stderr what of V8's heap is in use: V8 does so when it likes, and
 * until then 60 MiB would look like growth. Needs `--v8-flags=--expose-gc`.
 *
 * @module
 */
import { main } from "../../mod.ts";

const { gc } = globalThis as unknown as { gc: (options: object) => void };
const everything = { type: "major", execution: "sync", flavor: "last-resort" };
Deno.addSignalListener("SIGUSR2", () => {
  gc(everything);
  console.error(`heap in use: ${Deno.memoryUsage().heapUsed} bytes`);
});
Deno.exit(await main(Deno.args));
