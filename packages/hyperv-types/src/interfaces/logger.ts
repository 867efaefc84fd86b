export type LogLevel = 'debug' | 'info' | 'warning' | 'error'

/**
 * Where one component's lines go. Nothing on a data path logs without a `cause`: lines of the same cause are
 * rate-limited, and the number held back is told with the next one that passes.
 */
export interface Logger {
  log(level: LogLevel, text: string, cause?: string): void
}

/** Drops every line. */
export const silentLogger: Logger = { log() {} }
