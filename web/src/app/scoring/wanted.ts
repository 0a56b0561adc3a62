/** What somebody wants of the models that score, and how far they are: said here by any part, shown by `ScoringHost`, which is loaded then. */

import { shallowReactive } from 'vue'

import type { ScoringState } from '../platform'

export type { ScoringState }

/** The sessions that are to be scored: by name, or all that have an image which a query finds. */
export type Scored = { sessions: readonly string[] } | { q: string }

/** Take an answer of the server for what is now, unless events have come since it was asked: they are newer. */
export async function take(question: Promise<ScoringState>): Promise<void> {
  const before = scoring.now
  const answer = await question
  if (scoring.now === before) scoring.now = answer
}

export const scoring = shallowReactive({
  /** As the server told last; null as long as it told nothing. */
  now: null as ScoringState | null,
  /** Of what the window for scoring is open; null: it is not. */
  score: null as Scored | null,
  /** Of which query's images the failed ones are to be staged; null: none. */
  stage: null as string | null
})
