import type { Step } from '../../stores/step'

const MARKS: Record<string, string> = { favourite: 'favourite', interesting: 'interesting', trash: 'trash' }
const VERDICTS: Record<string, string> = { ok: 'OK', partial: 'partly', ko: 'KO', 'no-effect': 'no effect', unintended: 'unintended' }
const OPINIONS: Record<string, string> = { like: 'liked', dislike: 'disliked' }

const WHAT: Record<Step['kind'], (value: string | null, name: string) => string> = {
  mark: (value) => (value === null ? 'no mark' : `marked as ${MARKS[value] ?? value}`),
  rating: (value) => (value === null ? 'no rating' : (OPINIONS[value] ?? `rated ${value} of 5`)),
  failed: (value) => (value === null ? 'no longer failed' : 'failed as a whole'),
  note: (value) => (value === null ? 'note removed' : 'note written'),
  tag: (value, name) => `tag “${name}” ${value === null ? 'removed' : 'added'}`,
  value: (value, name) => `verdict on ${name}${value === null ? ' removed' : `: ${VERDICTS[value] ?? value}`}`,
  favourite: (value) => (value === null ? 'no longer a favourite' : 'favourite'),
  test: (value) => (value === null ? 'no longer a test' : 'test'),
  complete: (value) => (value === null ? 'as counted' : value === 'yes' ? 'complete' : 'incomplete'),
  name: (value) => (value === null ? 'own name again' : 'renamed')
}

/** A step of the history. */
export const step = ({ kind, of, count, name, value }: Step): string => `${count.toLocaleString('en')} ${count === 1 ? of : `${of}s`}: ${WHAT[kind](value, name)}`
