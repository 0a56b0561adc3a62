/** The images behind each number: queries that find just as many. */

import { nameOf, quoted } from '../question'

/** Statistics count images in the trash and files that are gone, which a query leaves out unless it speaks of them. These do, and hold always. */
export const EVERY = 'is:trash,missing,broken,landscape,portrait,square'
const JUDGED = 'is:judged,trash,missing'

type Verdicts = 'ok' | 'partial' | 'ko' | 'no-effect' | 'unintended' | 'ok,partial,ko'

export const value = (placeholder: string, key: string): string => `@${nameOf(placeholder)}:${quoted(key)}`
const said = (placeholder: string, verdicts: Verdicts): string => `verdict:${nameOf(placeholder)}=${verdicts}`

/** Images with a value. */
export const withValue = (placeholder: string, key: string): string => `${value(placeholder, key)} ${EVERY}`

/** Images in which a value was judged so. */
export const judgedSo = (placeholder: string, key: string, verdicts: Verdicts): string =>
  `${value(placeholder, key)} ${said(placeholder, verdicts)} ${JUDGED}`

/** Images with a value that nothing was said about yet, to be judged. */
export const toJudge = (placeholder: string, key: string): string => `${value(placeholder, key)} verdict:${nameOf(placeholder)}=none`

/** Images with any value of a placeholder. */
export const ofPlaceholder = (name: string): string => `verdict:${nameOf(name)}=none,ok,partial,ko,no-effect,unintended ${EVERY}`

/** Of what `q` finds, images in which some value was judged so; of an image several may have been. */
export const someJudged = (q: string, verdicts: Verdicts): string => q && `${q} verdict:${verdicts}`

interface Pair {
  first_placeholder: string
  first_key: string
  second_placeholder: string
  second_key: string
}

/** Images in which both values of a pair were judged so. */
export const pairJudged = (of: Pair, first: Verdicts, second: Verdicts): string =>
  [
    value(of.first_placeholder, of.first_key),
    said(of.first_placeholder, first),
    value(of.second_placeholder, of.second_key),
    said(of.second_placeholder, second),
    JUDGED
  ].join(' ')

const FLAGGED = { favourites: 'favourite', interesting: 'interesting', trash: 'trash', failed: 'failed', judged: 'judged' } as const

/** Images behind a sum; empty where it counts no images. */
export function behindSum(name: string): string {
  if (name === 'images') return `${EVERY} -is:missing`
  if (name === 'gone') return 'is:missing is:missing,trash'
  if (name === 'rated') return `rating:1..5 ${EVERY}`
  if (!(name in FLAGGED)) return ''
  const flag = FLAGGED[name as keyof typeof FLAGGED]
  return `is:${flag} is:${flag},trash,missing`
}

/** Images of a model; of an unknown one nothing can be asked. */
export const ofModel = (name: string): string => (name ? `model:${quoted(name)} ${EVERY}` : '')

/** Images of a period as the server names it: 2026-11-23, 2026-W48, 2026-11. */
export function ofPeriod(name: string): string {
  const week = /^(\d{4})-W(\d\d)$/.exec(name)
  if (!week) return `date:${name} ${EVERY}`
  // The 4th of January is always in week 1 (ISO 8601); weeks begin on Monday.
  const day = new Date(Date.UTC(Number(week[1]), 0, 4))
  day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7) + (Number(week[2]) - 1) * 7)
  const monday = day.toISOString().slice(0, 10)
  day.setUTCDate(day.getUTCDate() + 6)
  return `date:${monday}..${day.toISOString().slice(0, 10)} ${EVERY}`
}

/** A query with another one before it. */
export const both = (q: string, more: string): string => [q.trim(), more].filter(Boolean).join(' ')
