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
  /** What it is made of: only there is known which byte a character is, since the server leaves folders out. */
  pieces: readonly LogPiece[]
}

export const EMPTY: Log = { start: 0, end: 0, size: 0, text: '', pieces: [] }

/** A log with a piece behind or before it; one that fits on neither side stands for all. Too long a one loses its first pieces. */
export function joined(log: Log, piece: LogPiece): Log {
  if (log.text && piece.end === log.start && piece.start < piece.end) return made([piece, ...log.pieces], Math.max(piece.size, log.size))
  const pieces = log.text && piece.start === log.end ? [...log.pieces, piece] : [piece]
  let length = pieces.reduce((sum, { text }) => sum + text.length, 0)
  while (length > MOST && pieces.length > 1) length -= pieces.shift()?.text.length ?? 0
  return made(pieces, piece.size)
}

const made = (pieces: readonly LogPiece[], size: number): Log => ({ start: pieces[0]?.start ?? 0, end: pieces.at(-1)?.end ?? 0, size, text: pieces.map(({ text }) => text).join(''), pieces })

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
