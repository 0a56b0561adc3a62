/** Parts of a query's text. */

/** The text of a query in one session. */
export function within(session: string, q: string): string {
  return session ? `session:${quoted(session)} ${q}`.trim() : q
}

/** A name as a query has it. */
export function quoted(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `"${name.replace(/(["\\])/g, '\\$1')}"`
}

/** A placeholder's name as it stands behind `@`, and before verdicts and scores: in quotes unless it is a plain word. */
export function nameOf(placeholder: string): string {
  return /^[\p{L}\p{N}_]+$/u.test(placeholder) ? placeholder : `"${placeholder.replace(/(["\\])/g, '\\$1')}"`
}
