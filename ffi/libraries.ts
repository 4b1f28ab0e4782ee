/**
 * The shared libraries this program may open, by absolute path: a scoped `--allow-ffi` matches
 * paths, never bare names such as `libpcap.so.1`.
 *
 * @module
 */

/** Where Debian and Ubuntu (multiarch folders) and Fedora (`lib64`) keep each library. */
export const LIBRARIES = {
  libc: {
    paths: [
      "/lib/x86_64-linux-gnu/libc.so.6",
      "/lib/aarch64-linux-gnu/libc.so.6",
      "/lib64/libc.so.6",
    ],
    packages: "libc6 (Debian, Ubuntu) or glibc (Fedora)",
  },
  libpcap: {
    paths: [
      "/usr/lib/x86_64-linux-gnu/libpcap.so.0.8",
      "/usr/lib/aarch64-linux-gnu/libpcap.so.0.8",
      "/usr/lib64/libpcap.so.1",
    ],
    packages: "libpcap0.8 (Debian, Ubuntu) or libpcap (Fedora)",
  },
  libnftables: {
    paths: [
      "/usr/lib/x86_64-linux-gnu/libnftables.so.1",
      "/usr/lib/aarch64-linux-gnu/libnftables.so.1",
      "/usr/lib64/libnftables.so.1",
    ],
    packages: "libnftables1 (Debian, Ubuntu) or nftables-libs (Fedora)",
  },
} as const;

/** A library of {@link LIBRARIES}. */
export type LibraryName = keyof typeof LIBRARIES;

/** No known path of a library could be opened. */
export class LibraryError extends Error {
  override name = "LibraryError";
}

/**
 * Opens the first path of a library that this machine has.
 *
 * @throws {LibraryError} naming the paths tried, and the package or the permission that is missing
 */
export function openLibrary<const S extends Deno.ForeignLibraryInterface>(
  library: LibraryName,
  symbols: S,
): Deno.DynamicLibrary<S> {
  const { paths, packages } = LIBRARIES[library];
  const refused: string[] = [];
  for (const path of paths) {
    try {
      return Deno.dlopen(path, symbols);
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) refused.push(path);
      // A file that is there but does not load is a fault of its own; only absence is passed over.
      else if (!/cannot open shared object file/.test(String(error))) {
        throw new LibraryError(`${path} cannot be used: ${messageOf(error)}`);
      }
    }
  }
  throw new LibraryError(
    refused.length > 0
      ? `this run may not open ${library}: allow it with --allow-ffi=${refused.join(",")}`
      : `${library} is not installed (looked for ${paths.join(", ")}): install ${packages}`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
