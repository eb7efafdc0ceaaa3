/** The part of fs-native-extensions that is used here; the package has no types of its own. */
declare module 'fs-native-extensions' {
  /** Takes an exclusive kernel lock (OFD lock, flock) on an open file; false where another holder has it. */
  export function tryLock(fd: number): boolean
  /** The value of an extended attribute of an open file (fgetxattr); null where it has none of that name. @throws the system's error */
  export function getAttrSync(fd: number, name: string): Buffer | null
}
