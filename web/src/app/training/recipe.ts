/** The recipe of a data set, from what somebody chose. */

import type { Wanted } from './wanted'

export interface Chosen {
  name: string
  /** Percent. An empty field gives a text. */
  best: number
  minimum: number
  trigger: string
  learned: 'keep' | 'replace' | 'drop'
}

const share = (percent: number, least: number): number => Math.min(1, Math.max(least, (percent || 0) / 100))

/** As the server takes it; what is not said is as its own defaults have it. */
export function recipeOf({ value, sessions, q }: Wanted, { name, best, minimum, trigger, learned }: Chosen): Record<string, unknown> {
  const how = value && !(learned === 'replace' && !trigger) ? learned : 'keep'
  return {
    name,
    ...(value && { value: `${value.placeholder}=${value.key}` }),
    ...(sessions?.length && { sessions: [...sessions] }),
    ...(q && { query: q }),
    best: share(best, 0.01),
    minimum: share(minimum, 0),
    captions: { trigger, learned: how }
  }
}
