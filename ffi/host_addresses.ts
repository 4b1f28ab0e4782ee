/**
 * getaddrinfo(3): the addresses of a name, as everything else on this host finds them.
 *
 * @module
 */
import { libc, toCString } from "./libc.ts";

const AF_INET = 2; // <sys/socket.h>
const AF_INET6 = 10;
const SOCK_STREAM = 1;
/** struct addrinfo, <netdb.h>, where pointers have 8 bytes. */
const ADDRINFO = { FAMILY: 4, SOCKTYPE: 8, ADDRESS: 24, NEXT: 40, BYTES: 48 } as const;
/** Where the address stands in struct sockaddr_in and sockaddr_in6, and its length. */
const IN = { OFFSET: 4, BYTES: 4 } as const;
const IN6 = { OFFSET: 8, BYTES: 16 } as const;

/** Looks a name up, on a thread of its own; undefined when it has no address, or nobody answers. */
export async function lookUpAddresses(name: string): Promise<Uint8Array[] | undefined> {
  const hints = new DataView(new ArrayBuffer(ADDRINFO.BYTES));
  hints.setInt32(ADDRINFO.SOCKTYPE, SOCK_STREAM, true);
  const result = new BigUint64Array(1);
  const error = await libc().getaddrinfo(toCString(name), 0n, hints, result);
  if (error !== 0) return undefined;
  try {
    return [...addressesIn(result[0])];
  } finally {
    libc().freeaddrinfo(result[0]);
  }
}

/** Walks the list that `entry` begins. */
function* addressesIn(entry: bigint): Iterable<Uint8Array> {
  const info = new DataView(new ArrayBuffer(ADDRINFO.BYTES));
  while (entry !== 0n) {
    libc().copy_in(info, entry, BigInt(ADDRINFO.BYTES));
    const family = info.getInt32(ADDRINFO.FAMILY, true);
    const place = family === AF_INET ? IN : family === AF_INET6 ? IN6 : undefined;
    if (place) {
      const address = new Uint8Array(place.BYTES);
      const from = info.getBigUint64(ADDRINFO.ADDRESS, true) + BigInt(place.OFFSET);
      libc().copy_in(address, from, BigInt(place.BYTES));
      yield address;
    }
    entry = info.getBigUint64(ADDRINFO.NEXT, true);
  }
}
