/**
 * libnftables(3): changes of the kernel's firewall in the language of nft(8).
 *
 * It is for changes alone. To list a rule or to look for one element of a set, this library fetches
 * every element first (0.6 s for 100,000); see nft_query.ts for questions.
 *
 * @module
 */
import { cString, toCString } from "./libc.ts";
import { openLibrary } from "./libraries.ts";

const SYMBOLS = {
  nft_ctx_new: { parameters: ["u32"], result: "usize" }, // uint32_t flags
  nft_ctx_buffer_output: { parameters: ["usize"], result: "i32" }, // struct nft_ctx *ctx
  nft_ctx_buffer_error: { parameters: ["usize"], result: "i32" }, // struct nft_ctx *ctx
  nft_ctx_get_output_buffer: { parameters: ["usize"], result: "usize" }, // struct nft_ctx *ctx
  nft_ctx_get_error_buffer: { parameters: ["usize"], result: "usize" }, // struct nft_ctx *ctx
  nft_run_cmd_from_buffer: { parameters: ["usize", "buffer"], result: "i32" }, // struct nft_ctx *ctx, const char *buf
  nft_ctx_free: { parameters: ["usize"], result: "void" }, // struct nft_ctx *ctx
} as const satisfies Deno.ForeignLibraryInterface;

type Libnftables = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const NFT_CTX_DEFAULT = 0; // <nftables/libnftables.h>

let opened: Libnftables | undefined;

/** @throws {LibraryError} when libnftables is not installed or not permitted */
function libnftables(): Libnftables {
  return opened ??= openLibrary("libnftables", SYMBOLS).symbols;
}

/** Commands that were refused, all of them: the message is nft's own, in one line. */
export class NftablesError extends Error {
  override name = "NftablesError";
}

/** A way to change the firewall of this network namespace. */
export class Nftables {
  readonly #lib = libnftables();
  readonly #context: bigint;

  /**
   * @throws {LibraryError} when there is no libnftables
   * @throws {NftablesError} when there is no memory or no netlink socket for it
   */
  constructor() {
    this.#context = this.#lib.nft_ctx_new(NFT_CTX_DEFAULT);
    if (this.#context === 0n) throw new NftablesError("libnftables cannot be started");
    // Both would otherwise go to this process's own stdout and stderr.
    if (
      this.#lib.nft_ctx_buffer_output(this.#context) !== 0 ||
      this.#lib.nft_ctx_buffer_error(this.#context) !== 0
    ) {
      this.close();
      throw new NftablesError("libnftables cannot be started: out of memory");
    }
  }

  /**
   * Runs commands as one transaction: the kernel does all of them at once or none.
   *
   * @param commands nft(8) commands, a line each
   * @throws {NftablesError} when one of them has a fault or the kernel refuses it
   */
  run(commands: string): void {
    const result = this.#lib.nft_run_cmd_from_buffer(this.#context, toCString(commands));
    // Asking for the texts empties their buffers, which otherwise grow.
    this.#lib.nft_ctx_get_output_buffer(this.#context);
    const text = cString(this.#lib.nft_ctx_get_error_buffer(this.#context));
    if (result !== 0) throw new NftablesError(nftMessage(text));
  }

  /** Gives the memory and the socket back; nothing of it may be used afterwards. */
  close(): void {
    this.#lib.nft_ctx_free(this.#context);
  }
}

/** What is wrong, without the place in the input, the input itself and the marks below it. */
export function nftMessage(text: string): string {
  const [, message] = /Error: (.*)/.exec(text) ?? [];
  return (message ?? text.split("\n")[0]).trim() || "libnftables gives no reason";
}
