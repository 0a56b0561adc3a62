/** A prompt in pieces: what came from placeholders, and the rest. */

export interface Piece {
  text: string
  /** The placeholder whose value it is; empty for the template's own words. */
  placeholder: string
}

/** The texts that a value has in the prompt: itself, or its parts when it is JSON of several. */
export function partsOf(text: string): string[] {
  if (!text.startsWith('{')) return text.trim() ? [text.trim()] : []
  try {
    const parts: unknown = JSON.parse(text)
    return Object.values(parts as object).filter((part): part is string => typeof part === 'string' && part.trim() !== '')
  } catch {
    return [text]
  }
}

/** Find the values in the prompt. Long values are looked for first, and each piece belongs to one of them. */
export function pieces(prompt: string, values: Record<string, { text: string }>): Piece[] {
  const wanted = Object.entries(values)
    .flatMap(([placeholder, { text }]) => partsOf(text).map((part) => ({ placeholder, part })))
    .sort((one, other) => other.part.length - one.part.length)
  const taken: { from: number; to: number; placeholder: string }[] = []
  for (const { placeholder, part } of wanted) {
    for (let from = prompt.indexOf(part); from >= 0; from = prompt.indexOf(part, from + part.length)) {
      const to = from + part.length
      if (!isWord(prompt, from, to) || taken.some((other) => from < other.to && other.from < to)) continue
      taken.push({ from, to, placeholder })
      break // a value stands in the prompt once, or where another one has taken the place
    }
  }
  taken.sort((one, other) => one.from - other.from)
  const out: Piece[] = []
  let at = 0
  for (const { from, to, placeholder } of taken) {
    if (from > at) out.push({ text: prompt.slice(at, from), placeholder: '' })
    out.push({ text: prompt.slice(from, to), placeholder })
    at = to
  }
  if (at < prompt.length) out.push({ text: prompt.slice(at), placeholder: '' })
  return out
}

const LETTER = /[\p{L}\p{N}]/u

/** Whether no word goes on at the ends: `red` is not in `hundred`. */
function isWord(text: string, from: number, to: number): boolean {
  const inside = (at: number): boolean => LETTER.test(text[at] ?? ' ')
  return !(inside(from - 1) && inside(from)) && !(inside(to - 1) && inside(to))
}
