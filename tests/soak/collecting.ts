/**
 * The program as it is, which also collects all its garbage on SIGUSR2 and gives all that is left over
 * back to the kernel: V8 does so when it likes, and until then 60 MiB would look like growth. Needs
 * `--v8-flags=--expose-gc`.
 *
 * @module
 */
import { main } from "../../mod.ts";

const { gc } = globalThis as unknown as { gc: (options: object) => void };
const everything = { type: "major", execution: "sync", flavor: "last-resort" };
Deno.addSignalListener("SIGUSR2", () => gc(everything));
Deno.exit(await main(Deno.args));
