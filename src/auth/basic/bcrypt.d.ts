/** The part of the package that is used; it has no types of its own. */
declare module 'bcrypt' {
  const bcrypt: {
    /** Whether a password has a hash, found out in a thread of libuv's pool. */
    compare(password: string, hash: string): Promise<boolean>
  }
  export default bcrypt
}
