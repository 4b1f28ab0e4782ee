/**
 * Making a run's files usable for the user that the program is about to become.
 *
 * What that user can do alone is done as that user. Only what is left is done as root, and only in
 * folders that root alone can change: elsewhere, whoever has been in the program before could have put a
 * link in a file's place, and be given what it leads to.
 *
 * @module
 */
import { basename, dirname } from "node:path";
import { asUser, type User } from "../../ffi/credentials.ts";
import {
  closeFile,
  Errno,
  type FileState,
  giveTo,
  linkIn,
  makeFolder,
  mayAccess,
  namesIn,
  Open,
  openAt,
  stateOf,
} from "../../ffi/owned_files.ts";
import { check, libc, SystemError } from "../../ffi/libc.ts";

/** A file that is opened alone: its folder need not be the user's. */
export interface SingleFile {
  path: string;
  /** Of a file that is made. */
  mode: number;
  /** How a file of ours begins, unless it is empty: a slip in a path must not give /etc/passwd away. */
  head: RegExp;
}

/** Files that the program writes, as far as it has them. */
export interface OwnFiles {
  single: readonly SingleFile[];
  /** Made, replaced or removed: their folders have to be the user's. */
  managed: readonly string[];
}

const GROUP_OR_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const FOLDER_MODE = 0o755;
const ROOT = 0;
const HEAD_BYTES = 64;
const MOST_LINKS = 40; // as many as the kernel follows: path_resolution(7)

/** What is beside a state file: SQLite's files, and the lock. */
const COMPANIONS = ["", "-wal", "-shm", "-journal", "-lock"];

/** Why a user cannot have a file, as the end of a sentence about the path. */
class NotHandedOver extends Error {}

/**
 * The same, where that user has it in its own hands. To keep root for that would be to let whoever has
 * got in as that user choose what the next start is: it goes on as the user, and tells what it cannot do.
 */
class ItsOwnDoing extends NotHandedOver {}

/** To whom, and whether only to see if it could be done: then nothing is made and nobody's owner changes. */
interface To {
  user: User;
  trial: boolean;
}

/**
 * Makes each file one that `user` can write, and changes nothing that this does not need.
 *
 * @param trial whether to change nothing at all
 * @returns what `user` cannot have, and why; empty when all is well, or for `user` alone to mend
 */
export function handOver(files: OwnFiles, user: User, trial = false): string[] {
  const to = { user, trial };
  const own = new Set([...files.single.map(({ path }) => path), ...files.managed]);
  const folders = new Set(files.managed.map((path) => dirname(path)));
  const reasons = [
    ...[...folders].map((folder) => told(folder, () => handOverFolder(folder, own, to))),
    ...files.single.map((file) => told(file.path, () => handOverFile(file, to))),
  ];
  return reasons.filter((reason) => reason !== undefined);
}

function told(path: string, act: () => void): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (error instanceof ItsOwnDoing) return undefined;
    if (error instanceof NotHandedOver) return `${path} ${error.message}`;
    if (error instanceof SystemError) return `${path}: ${error.message}`;
    throw error;
  }
}

function handOverFile({ path, mode, head }: SingleFile, { user, trial }: To): void {
  const tryAsUser = () => asUser(user, () => tryToAppend(path, mode, trial));
  const first = tryAsUser();
  if (first === undefined) return;
  // What is no matter of rights, such as a folder in the file's place, is for the start to tell.
  if (first !== Errno.NoAccess && first !== Errno.NoEntry) return;
  const { folder, made } = openTrusted(dirname(path), { user, trial });
  let already = false;
  try {
    const flags = Open.ReadWrite | Open.NonBlocking | Open.NoFollow | (trial ? 0 : Open.Create);
    if (!trial || (!made && mayAccessAtAll(path))) {
      already = giveFile(openAt(folder, basename(path), flags, mode), { user, trial }, head);
    }
    if (made && !trial) giveTo(folder, user.uid, user.gid);
  } finally {
    closeFile(folder);
  }
  const canEnter = mayEnter(user, dirname(path));
  if (trial ? canEnter : tryAsUser() === undefined) return;
  const Why = already && canEnter ? ItsOwnDoing : NotHandedOver;
  throw new Why(`cannot be written by ${user.name}`);
}

/** What keeps this user from adding to a file: an errno. */
function tryToAppend(path: string, mode: number, trial: boolean): number | undefined {
  if (trial && !mayAccessAtAll(path)) {
    return mayAccess(dirname(path), ["write", "execute"]) ? undefined : Errno.NoEntry;
  }
  const append = Open.Write | Open.Append | Open.NonBlocking;
  return attempt(() => openAt(undefined, path, append | (trial ? 0 : Open.Create), mode));
}

function handOverFolder(path: string, own: ReadonlySet<string>, { user, trial }: To): void {
  const files = [...own].filter((file) => dirname(file) === path);
  const usable = () =>
    asUser(user, () =>
      mayAccess(path, ["write", "execute"]) &&
      files.flatMap((file) => COMPANIONS.map((end) => file + end))
        .every((file) => !mayAccessAtAll(file) || mayAccess(file, ["read", "write"])));
  if (usable()) return;
  const { folder, made } = openTrusted(path, { user, trial });
  try {
    if (!made) takeInventory(folder, files, { user, trial });
    if (!trial) giveTo(folder, user.uid, user.gid);
  } finally {
    closeFile(folder);
  }
  if (trial ? !mayEnter(user, dirname(path)) : !usable()) {
    throw new NotHandedOver(`cannot be used by ${user.name}`);
  }
}

/** Whether a user may go into a folder, or into the last one that is there on the way to it. */
function mayEnter(user: User, path: string): boolean {
  if (!mayAccessAtAll(path)) return mayEnter(user, dirname(path));
  return asUser(user, () => mayAccess(path, ["execute"]));
}

/** Hands the files in a folder over, unless others have theirs in it. */
function takeInventory(folder: number, files: readonly string[], to: To): void {
  const names = files.map((file) => basename(file));
  const present = namesIn(folder);
  const foreign = present.find((name) => !names.some((own) => name.startsWith(own)));
  if (foreign !== undefined) {
    throw new NotHandedOver(
      `belongs to root and holds other files, such as ${foreign}: name a folder of its own`,
    );
  }
  const companions = new Set(names.flatMap((name) => COMPANIONS.map((end) => name + end)));
  for (const name of present.filter((name) => companions.has(name))) {
    let fd: number;
    try {
      fd = openAt(folder, name, Open.ReadWrite | Open.NonBlocking | Open.NoFollow);
    } catch (error) {
      if (error instanceof SystemError) continue; // a socket that was left behind, for one
      throw error;
    }
    giveFile(fd, to);
  }
}

/** Gives an open file of root's away, and closes it. @returns whether it was the user's already */
function giveFile(fd: number, { user, trial }: To, head?: RegExp): boolean {
  try {
    const { regular, links, uid, gid } = stateOf(fd);
    if (!regular) throw new NotHandedOver("is no file");
    // Another name of it may stand where it means something to others.
    if (links !== 1) throw new NotHandedOver(`has ${links} names: remove all others`);
    if (uid === user.uid) return true;
    if (uid !== ROOT) throw new NotHandedOver(`belongs to another user, ${uid}`);
    if (head && !head.test(headOf(fd))) throw new NotHandedOver("holds something else already");
    if (!trial) giveTo(fd, user.uid, gid === ROOT ? user.gid : gid);
    return false;
  } finally {
    closeFile(fd);
  }
}

function headOf(fd: number): string {
  const head = new Uint8Array(HEAD_BYTES);
  const length = check(libc().pread(fd, head, BigInt(HEAD_BYTES), 0n), "pread");
  return new TextDecoder().decode(head.subarray(0, length));
}

/**
 * Opens a folder that root alone can put something into, all the way down to it.
 *
 * @returns its descriptor, and whether it has been made just now; in a trial that of the last one which
 *   is there, when it would be made
 */
function openTrusted(path: string, to: To): { folder: number; made: boolean } {
  let made = false;
  let links = 0;
  let folder = openAt(undefined, path.startsWith("/") ? "/" : ".", Open.Read | Open.Directory);
  try {
    const ahead = partsOf(path);
    for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
      const { uid, mode } = stateOf(folder);
      const ofRoot = uid === ROOT && (mode & GROUP_OR_OTHERS_WRITE) === 0;
      // A link is as good as the folder that it is in: whoever may change that, in /tmp everyone, could
      // have it lead into a folder of root's. So each is followed here, a part at a time.
      const target = ofRoot && links < MOST_LINKS ? linkIn(folder, name) : undefined;
      if (target !== undefined) {
        links++;
        ahead.unshift(...partsOf(target));
        if (!target.startsWith("/")) continue;
        closeFile(folder);
        folder = openAt(undefined, "/", Open.Read | Open.Directory);
        continue;
      }
      const next = enter(folder, name, ofRoot, uid, to);
      if (next.fd === undefined) {
        made = true;
        break;
      }
      closeFile(folder);
      [folder, made] = [next.fd, next.made];
    }
    requireTrusted(folder, to.user);
    return { folder, made };
  } catch (error) {
    closeFile(folder);
    throw error;
  }
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** The descriptor is undefined in a trial, when the folder would be made. */
function enter(folder: number, name: string, mayMake: boolean, owner: number, to: To) {
  const flags = Open.Read | Open.Directory | Open.NoFollow;
  const failure = { errno: 0 };
  const fd = attemptOpen(folder, name, flags, failure);
  if (fd !== undefined) return { fd, made: false };
  if (failure.errno !== Errno.NoEntry || !mayMake) {
    const Why = owner === to.user.uid ? ItsOwnDoing : NotHandedOver;
    throw new Why(
      failure.errno === Errno.NoEntry
        ? "is not there, and is not made where others than root may write"
        : "leads through a link or a file that is no folder",
    );
  }
  if (to.trial) return { fd: undefined, made: true };
  makeFolder(folder, name, FOLDER_MODE);
  return { fd: openAt(folder, name, flags), made: true };
}

/** From the folder up to the root: every one of them is root's, and nobody else can rename in it. */
function requireTrusted(folder: number, user: User): void {
  let [fd, state] = [folder, stateOf(folder)];
  let below: FileState | undefined;
  for (;;) {
    const writable = (state.mode & GROUP_OR_OTHERS_WRITE) !== 0;
    const safe = state.uid === ROOT && (!writable || (below && (state.mode & STICKY) !== 0));
    if (!safe) {
      if (fd !== folder) closeFile(fd);
      const Why = state.uid === user.uid ? ItsOwnDoing : NotHandedOver;
      throw new Why("is not the user's, and others than root may write on the way to it");
    }
    const above = openAt(fd, "..", Open.Read | Open.Directory);
    if (fd !== folder) closeFile(fd);
    const next = stateOf(above);
    if (next.identity === state.identity) return closeFile(above);
    [fd, below, state] = [above, state, next];
  }
}

/** @returns undefined when it has worked, with the file closed again, else the errno */
function attempt(open: () => number): number | undefined {
  try {
    closeFile(open());
    return undefined;
  } catch (error) {
    if (error instanceof SystemError) return error.errno;
    throw error;
  }
}

function attemptOpen(
  folder: number,
  name: string,
  flags: number,
  failure: { errno: number },
): number | undefined {
  try {
    return openAt(folder, name, flags);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    failure.errno = error.errno;
    return undefined;
  }
}

function mayAccessAtAll(path: string): boolean {
  return mayAccess(path, []);
}
