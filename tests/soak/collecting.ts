/**
 * The program as it is, which also collects all its garbage on SIGUSR2: V8 gives memory back when it
 * likes, and what it has not given back yet would look like growth. Needs `--v8-flags=--expose-gc`.
 *
 * @module
 */
import { main } from "../../mod.ts";

const { gc } = globalThis as unknown as { gc: () => void };
Deno.addSignalListener("SIGUSR2", () => gc());
Deno.exit(await main(Deno.args));
