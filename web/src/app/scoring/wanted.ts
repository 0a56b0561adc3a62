/** What somebody wants of the models that score, and how far they are: said here by any part, shown by `ScoringHost`, which is loaded then. */

import { shallowReactive } from 'vue'

import { type Api, ApiError } from '../api'
import type { Platform, ScoringState } from '../platform'

export type { ScoringState }

/** The sessions that are to be scored: by name, or all that have an image which a query finds. */
export type Scored = { sessions: readonly string[] } | { q: string }

export const scoring = shallowReactive({
  /** As the server told last; null until there is anything to show. */
  now: null as ScoringState | null,
  /** Of what the window for scoring is open; null: it is not. */
  score: null as Scored | null,
  /** Of which query's images the failed ones are to be staged; null: none. */
  stage: null as string | null
})

/** How long nothing is told of work that goes on until it is asked for. */
const SILENCE_MS = 5_000

/** How often the server told. */
let told = 0

export const busy = ({ running, waits }: ScoringState): boolean => running !== null || waits > 0

function hear(state: ScoringState): void {
  told++
  if (scoring.now || busy(state) || state.failed.length) scoring.now = state
}

/** Take an answer of the server for what is now, unless events have come since it was asked: they are newer. */
export async function take(question: Promise<ScoringState>): Promise<void> {
  const before = told
  const answer = await question
  if (told === before) hear(answer)
}

/** Follow how far they are; gives the function that ends it. What was told before, or while the connection was away, is asked for. */
export function follow({ api, platform }: { api: Api; platform: Platform }): () => void {
  const ask = (): void => void take(api.get<ScoringState>('/sdgen/scoring')).catch(() => undefined) // it is told again
  const stops = [platform.on('scoring', hear), platform.on('reload', ask)]
  ask()
  let before = told
  const silence = setInterval(() => {
    if (told === before && scoring.now && busy(scoring.now)) ask() // an event may be lost: before the connection was there, say
    before = told
  }, SILENCE_MS)
  return () => {
    clearInterval(silence)
    for (const stop of stops) stop()
  }
}

/** What the server refused, and by which code. */
export const complaint = (error: unknown): string => (error instanceof ApiError ? `${error.message} ${error.hint} (${error.code})` : String(error))
