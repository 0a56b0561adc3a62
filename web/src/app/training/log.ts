/** A log as it is shown: its pieces put together, and what a terminal would have written over left out. */

import type { LogPiece } from './model'

/** Characters that are shown at most: a browser lays out no more in time. */
const MOST = 300_000

export interface Log {
  /** The bytes that are shown, and those that there are. */
  start: number
  end: number
  size: number
  text: string
}

export const EMPTY: Log = { start: 0, end: 0, size: 0, text: '' }

/** A log with a piece behind or before it; one that fits on neither side stands for all. */
export function joined(log: Log, piece: LogPiece): Log {
  const { start, end, size, text } = piece
  if (log.text && start === log.end && end >= start) return cut({ start: log.start, end, size, text: log.text + text })
  if (log.text && end === log.start) return { start, end: log.end, size: Math.max(size, log.size), text: text + log.text }
  return { start, end, size, text }
}

/** Without its beginning, at the end of a line, when it is too long. */
function cut(log: Log): Log {
  if (log.text.length <= MOST) return log
  const at = log.text.indexOf('\n', log.text.length - MOST) + 1
  if (!at) return log
  return { ...log, start: log.start + new TextEncoder().encode(log.text.slice(0, at)).length, text: log.text.slice(at) }
}

/** The lines as a terminal shows them: of a line that was written over again and again, such as a bar of progress, what came last. */
export function folded(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      const written = line.replace(/\r+$/, '')
      return written.slice(written.lastIndexOf('\r') + 1)
    })
    .join('\n')
}
