// Removes the nftables table of Portsentry, if there is one: what a package does when it is removed.
// Run with --allow-ffi=LIBRARY,… and the same libraries as arguments. See libnftables(3).
for (const library of Deno.args) {
  try {
    const { symbols } = Deno.dlopen(library, {
      nft_ctx_new: { parameters: ["u32"], result: "usize" },
      nft_ctx_buffer_error: { parameters: ["usize"], result: "i32" },
      nft_run_cmd_from_buffer: { parameters: ["usize", "buffer"], result: "i32" },
    });
    const context = symbols.nft_ctx_new(0);
    symbols.nft_ctx_buffer_error(context); // that there is none is no error
    const command = new TextEncoder().encode("delete table inet portsentry\0");
    symbols.nft_run_cmd_from_buffer(context, command);
    break;
  } catch {
    // Not on this distribution.
  }
}
