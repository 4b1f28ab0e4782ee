/**
 * Where a built program starts. The build writes what it makes in place of the word between the @s.
 *
 * @module
 */
import { main } from "../mod.ts";

Deno.exit(await main(Deno.args, "@KIND@"));
