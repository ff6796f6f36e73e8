/** Other settings of a pool, which were checked and are not in force yet. */
export interface PreparedSettings {
  /** Checks them again, as the pool may have changed meanwhile. @throws what they were not accepted for at first */
  check(): void
  /** Brings them into force. What has begun goes on as it began, and nothing that the pool knows is lost. */
  commit(): void
  /** Gives them up. */
  rollback(): void
}
