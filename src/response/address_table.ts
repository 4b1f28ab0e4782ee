/**
 * Addresses of both families with a number each, in flat memory: filled and searched without
 * allocating.
 *
 * @module
 */
import { clearHostBits } from "../config/network.ts";
import { hashAddress, newHashKey } from "../packet/address_hash.ts";

const ADDRESS_BYTES = 16;
const FIRST_ENTRIES = 64; // a power of two
const MAPPED_BYTES = 12; // ::ffff:0:0/96

/**
 * An address as the table has it: 16 bytes, IPv4 as `::ffff:192.0.2.1` (RFC 4291, section 2.5.5.2).
 *
 * @param address 4 or 16 bytes
 */
export function tableAddress(address: Uint8Array): Uint8Array {
  if (address.length === ADDRESS_BYTES) return address;
  const mapped = new Uint8Array(ADDRESS_BYTES);
  mapped[MAPPED_BYTES - 2] = mapped[MAPPED_BYTES - 1] = 0xff;
  mapped.set(address, MAPPED_BYTES);
  return mapped;
}

/** An address of the table in its own length: 4 bytes for IPv4. */
export function ownAddress(address: Uint8Array): Uint8Array {
  for (let i = 0; i < MAPPED_BYTES; i++) {
    if (address[i] !== (i < MAPPED_BYTES - 2 ? 0 : 0xff)) return address;
  }
  return address.subarray(MAPPED_BYTES);
}

/** A hash table with open addressing, at most half full. */
export class AddressTable {
  readonly #hashKey = newHashKey();
  #addresses = new Uint8Array(FIRST_ENTRIES * ADDRESS_BYTES);
  /** 0 where the place is free. */
  #values = new Uint16Array(FIRST_ENTRIES);
  #size = 0;
  /** The networks of one prefix that the addresses are in, made when they are asked for. */
  #networks: { prefix: number; table: AddressTable } | undefined;

  clear(): void {
    this.#values.fill(0);
    this.#size = 0;
    this.#networks = undefined;
  }

  /**
   * Adds an address; one that is there already keeps its value.
   *
   * @param address 16 bytes, which are copied
   * @param value 1 to 65,535
   */
  add(address: Uint8Array, value: number): void {
    const place = this.#placeOf(address);
    if (this.#values[place] !== 0) return;
    this.#put(place, address, value);
    this.#networks = undefined;
    if (++this.#size * 2 > this.#values.length) this.#grow();
  }

  /** The value of an address of 16 bytes; 0 when it is not there. */
  get(address: Uint8Array): number {
    return this.#values[this.#placeOf(address)];
  }

  /**
   * Whether an address of the table is in a network. The first question after a change, and one for
   * another length of the prefix, looks at all addresses; the next ones are as quick as {@link get}.
   *
   * @param prefix length of the prefix in bits, of 128
   */
  hasWithin(network: Uint8Array, prefix: number): boolean {
    if (prefix === 128) return this.get(network) !== 0;
    if (this.#networks?.prefix !== prefix) {
      const table = new AddressTable();
      for (const address of this.addresses()) table.add(clearHostBits(address, prefix), 1);
      this.#networks = { prefix, table };
    }
    return this.#networks.table.get(clearHostBits(network, prefix)) !== 0;
  }

  /** All addresses, of 16 bytes; good until the table changes. */
  *addresses(): Iterable<Uint8Array> {
    for (let place = 0; place < this.#values.length; place++) {
      if (this.#values[place] !== 0) yield this.#addressAt(place);
    }
  }

  #addressAt(place: number): Uint8Array {
    return this.#addresses.subarray(place * ADDRESS_BYTES, (place + 1) * ADDRESS_BYTES);
  }

  /** Where an address is, or the free place where it belongs. */
  #placeOf(address: Uint8Array): number {
    const mask = this.#values.length - 1;
    let place = hashAddress(this.#hashKey, address, ADDRESS_BYTES) & mask;
    while (this.#values[place] !== 0 && !this.#isAt(place, address)) {
      place = (place + 1) & mask;
    }
    return place;
  }

  #isAt(place: number, address: Uint8Array): boolean {
    const start = place * ADDRESS_BYTES;
    for (let i = 0; i < ADDRESS_BYTES; i++) {
      if (this.#addresses[start + i] !== address[i]) return false;
    }
    return true;
  }

  #put(place: number, address: Uint8Array, value: number): void {
    for (let i = 0; i < ADDRESS_BYTES; i++) {
      this.#addresses[place * ADDRESS_BYTES + i] = address[i];
    }
    this.#values[place] = value;
  }

  #grow(): void {
    const addresses = this.#addresses;
    const values = this.#values;
    this.#addresses = new Uint8Array(addresses.length * 2);
    this.#values = new Uint16Array(values.length * 2);
    for (let place = 0; place < values.length; place++) {
      if (values[place] === 0) continue;
      const start = place * ADDRESS_BYTES;
      const address = addresses.subarray(start, start + ADDRESS_BYTES);
      this.#put(this.#placeOf(address), address, values[place]);
    }
  }
}
